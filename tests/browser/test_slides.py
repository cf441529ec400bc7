"""The slides, built and opened from disk: nothing is cut off or fetched from the network, and the PDFs are whole."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from .conftest import ROOT, SCREENSHOTS
from .test_site import watched

# What each slide shows; how much of it lies outside of it; its pictures' heights; formulas that are not drawn.
LOOK = """() => [...document.querySelectorAll('.slides > section')].map((slide, i) => {
    Reveal.slide(i);
    const body = slide.querySelector('.slide-body'), title = slide.querySelector('h1, h2');
    const line = parseFloat(getComputedStyle(title).lineHeight);
    return {title: title.textContent, lines: Math.round(title.offsetHeight / line),
        words: slide.innerText.length, over: body ? body.scrollHeight - body.clientHeight : 0,
        wide: body ? Math.max(0, ...[...body.querySelectorAll('*')].map(one => one.scrollWidth - body.clientWidth)) : 0,
        pictures: [...slide.querySelectorAll('img')].map(image => [image.clientHeight, image.alt.length]),
        notes: slide.querySelector('.notes')?.textContent.trim().length ?? -1,
        raw: /\\\\\\(|\\\\\\[|\\$\\$/.test(slide.innerText), bad: slide.querySelectorAll('[data-mjx-error]').length};
})"""


@pytest.fixture(scope="module")
def slides(shared: Path) -> Path:
    out = shared / "slides"
    built = subprocess.run([sys.executable, "docs/build_slides.py", str(out)], cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return out


def pages(pdf: Path) -> int:
    """How many pages a PDF of Chromium has."""
    return len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes()))


def test_every_slide_fits_and_its_pdf_has_it(slides: Path, browser: Browser) -> None:
    page, wrong = watched(browser, 1280)
    made = sorted(path for path in slides.glob("*.html") if path.stem not in ("handout", "report"))
    assert len(made) == 15
    for path in made:
        page.goto(path.as_uri())
        page.wait_for_function("window.ready")
        found = page.evaluate(LOOK)
        for i, slide in enumerate(found):
            fits = slide["over"] <= 1 and slide["wide"] <= 1 and slide["lines"] <= 2
            seen = all(height >= 200 and told >= 40 for height, told in slide["pictures"])
            said = slide["words"] > 10 and slide["notes"] != 0 and not slide["raw"] and not slide["bad"]
            if not (fits and seen and said):
                wrong.append(f"{path.name}, slide {i + 1}: {slide}")
        if pages(slides / f"{path.stem}.pdf") != len(found):
            wrong.append(f"{path.stem}.pdf has not {len(found)} pages")
        page.screenshot(path=SCREENSHOTS / f"slides_{path.stem}.png")
    assert not wrong, "\n".join(wrong)
    page.keyboard.press("Home")
    assert page.evaluate("Reveal.getIndices().h") == 0
    page.keyboard.press("ArrowRight")
    assert page.evaluate("Reveal.getIndices().h") == 1
    assert pages(slides / "lecture_notes.pdf") > pages(slides / "lecture.pdf") >= 24
    assert not wrong
    page.context.close()


def test_the_handout_has_two_pages_and_the_report_four(slides: Path) -> None:
    assert (pages(slides / "handout.pdf"), pages(slides / "report.pdf")) == (2, 4)


def test_the_speaker_sees_the_notes(slides: Path, browser: Browser) -> None:
    page, wrong = watched(browser, 1280)
    page.goto((slides / "lecture.html").as_uri() + "#/2")
    page.wait_for_function("window.ready")
    with page.expect_popup() as opened:
        page.keyboard.press("s")
    notes = page.evaluate("Reveal.getCurrentSlide().querySelector('.notes').innerText.slice(0, 40)")
    opened.value.get_by_text(notes[:30].split("\n")[0]).first.wait_for()
    assert not wrong
    page.context.close()
