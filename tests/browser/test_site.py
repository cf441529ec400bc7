"""The site, built from what is saved and opened from disk: it is whole, and nothing on it comes from the network."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from playwright.sync_api import Browser, Page

from .conftest import ROOT, SCREENSHOTS


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site") / "site"
    built = subprocess.run([sys.executable, "docs/build_site.py", str(out)], cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return out


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


def visit(browser: Browser, path: Path, width: int) -> tuple[Page, list[str]]:
    page = browser.new_page(viewport={"width": width, "height": 900})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    page.wait_for_load_state("networkidle")
    return page, asked


@pytest.mark.parametrize("width", [1400, 390])
def test_a_notebook_reads_well(site: Path, browser: Browser, width: int) -> None:
    page, asked = visit(browser, site / "notebooks" / "04_vector_quantization.html", width)
    page.locator("mjx-container svg").first.wait_for(timeout=30_000)
    assert not page.locator("[data-mjx-error]").count()
    assert page.locator(".cell_output img").count() > 5
    assert page.locator("text=run this page").count()
    assert page.locator("details.hide").count(), "solutions are folded"
    assert page.evaluate("document.documentElement.scrollWidth") <= width + 1
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    page.screenshot(path=SCREENSHOTS / f"site_{width}.png")
    page.close()


def test_search_finds_a_word_from_disk(site: Path, browser: Browser) -> None:
    page, _ = visit(browser, site / "search.html", 1400)
    page.goto(f"{(site / 'search.html').as_uri()}?q=perplexity")
    page.locator("#search-results li a").first.wait_for(timeout=20_000)
    assert re.search(r"collapse", page.locator("#search-results").inner_text(), re.I)
    page.close()
