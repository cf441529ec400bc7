"""The site, built from what is saved and opened from disk: it is whole, everybody can read it, and nothing on it comes
from the network."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from playwright.sync_api import Browser, Page

from .conftest import SCREENSHOTS


class Links(HTMLParser):
    """Collect where a page points to, what it loads, and its anchors."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {key: value for key, value in attrs if value}
        self.anchors |= {named[key] for key in ("id", "name") if key in named}
        if tag == "a" and "href" in named:
            self.links.append(named["href"])
        if tag in ("script", "img", "source", "iframe") and "src" in named:
            self.loaded.append(named["src"])
        if tag == "link" and "href" in named and named.get("rel") not in ("author", "canonical"):
            self.loaded.append(named["href"])


def test_links_lead_somewhere_and_nothing_is_loaded_from_the_network(site: Path) -> None:
    pages = {path: Links(path) for path in sorted(site.rglob("*.html")) if "_static" not in path.parts}
    assert len(pages) > 20
    for path, page in pages.items():
        for target in [*page.links, *page.loaded]:
            parts = urlparse(target)
            if parts.scheme or parts.netloc:
                assert target in page.links or parts.scheme == "data", f"{path.name} loads {target}"
                continue
            reached = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert reached.is_file(), f"{path.name}: {target}"
            if parts.fragment and reached in pages:
                assert unquote(parts.fragment) in pages[reached].anchors, f"{path.name}: {target}"


def watched(browser: Browser, width: int) -> tuple[Page, list[str]]:
    """A page without a network, and what goes wrong on it: requests that leave this disk or fail, errors it reports."""
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True, reduced_motion="reduce")
    page, wrong = context.new_page(), []
    inside = ("file:", "data:", "blob:")
    page.on("request", lambda request: None if request.url.startswith(inside) else wrong.append(request.url))
    page.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    return page, wrong


def visit(page: Page, path: Path) -> None:
    """Open a page of the site, and wait until its formulas are set."""
    page.goto(path.as_uri())
    page.evaluate("() => window.MathJax?.startup?.promise.then(() => true)")


# What every picture says (that in a button repeats its words); how wide the page is; formulas that cannot be set.
LOOK = """() => ({alts: [...document.images].filter(image => !image.closest('button')).map(image => image.alt.trim()),
    width: document.documentElement.scrollWidth, formulas: document.querySelectorAll('[data-mjx-error]').length})"""


def test_every_page_opens_from_disk_fits_a_telephone_and_tells_its_pictures(site: Path, browser: Browser) -> None:
    page, wrong = watched(browser, 390)
    found, alts = {}, []
    for path in sorted(site.rglob("*.html")):
        if "_static" not in path.parts:
            visit(page, path)
            seen = page.evaluate(LOOK)
            wrong += [f"a picture's text: {alt!r}" for alt in seen["alts"] if len(alt) < 20]
            wrong += ["wider than a telephone"] * (seen["width"] > 391) + ["a formula"] * seen["formulas"]
            alts += seen["alts"]
            if wrong:
                found[path.relative_to(site).as_posix()] = wrong.copy()
            wrong.clear()
    page.context.close()
    assert not found, json.dumps(found, indent=1)
    assert len(alts) > 120 and len(set(alts)) > 0.9 * len(alts)


READ = ["index", "notebooks/04_vector_quantization", "notebooks/glossary", "docs/evidence", "api/training", "search"]
RULES = """only => axe.run(document, {resultTypes: ['violations'], ...(only && {runOnly: only})})
    .then(found => found.violations.filter(one => ['serious', 'critical'].includes(one.impact))
    .map(one => [one.id, one.nodes.length, one.nodes[0].html.slice(0, 200), one.nodes[0].failureSummary]))"""


@pytest.mark.parametrize("name", READ)
def test_nothing_shuts_a_reader_out(site: Path, browser: Browser, axe: str, name: str) -> None:
    for width in (1400, 390):
        page, _ = watched(browser, width)
        visit(page, site / f"{name}.html")
        page.evaluate(axe)
        for theme in ("light", "dark"):
            page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
            only = ["color-contrast"] if theme == "dark" else None  # nothing else depends on it
            assert page.evaluate(RULES, only) == [], (width, theme)
        page.context.close()


def test_the_keyboard_is_enough(site: Path, browser: Browser) -> None:
    page, _ = watched(browser, 1400)
    visit(page, site / "notebooks" / "04_vector_quantization.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent").strip() == "Skip to main content"
    page.keyboard.press("Enter")
    assert page.url.endswith("#main-content")
    solution = page.locator("details.hide").first
    for is_open in (True, False):
        solution.locator("summary").press("Enter")
        assert solution.evaluate("details => details.open") == is_open
    page.context.close()


@pytest.mark.parametrize("width", [1400, 390])
def test_a_notebook_reads_well(site: Path, browser: Browser, width: int) -> None:
    page, wrong = watched(browser, width)
    visit(page, site / "notebooks" / "04_vector_quantization.html")
    assert page.locator("mjx-container svg").count() > 5
    assert page.locator(".cell_output img").count() > 5
    assert page.locator("text=run this page").count()
    assert page.locator("details.hide").count(), "solutions are folded"
    assert wrong == []
    for theme in ("light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        page.screenshot(path=SCREENSHOTS / f"site_{theme}_{width}.png")
    page.context.close()


def test_what_a_package_holds_is_listed(site: Path) -> None:
    text = (site / "api" / "detector.html").read_text(encoding="utf-8")
    assert 'id="hvqlib.detector.detector.Detector.judge"' in text
    assert "files, PIL images or arrays" in text, "what its parameters are"
    fields = (site / "api" / "hvqlib.html").read_text(encoding="utf-8")
    assert "tokens a side; L = grid * grid" in fields, "comments of a dataclass's fields"


def test_search_finds_a_word_from_disk(site: Path, browser: Browser) -> None:
    page, _ = watched(browser, 1400)
    page.goto(f"{(site / 'search.html').as_uri()}?q=perplexity")
    page.locator("#search-results li a").first.wait_for(timeout=20_000)
    assert re.search(r"collapse", page.locator("#search-results").inner_text(), re.I)
    page.context.close()
