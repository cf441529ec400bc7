"""The explainer, opened from disk: the tour by keyboard, verdicts as the library's, nothing asked of a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from hvqlib.course.material import cache_folder, foundry, shipped
from hvqlib.data.images import read_image

from .conftest import SCREENSHOTS
from .test_site import RULES

STEPS = 8
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(params=SIZES)
def sized(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def opened(site: Path, browser: Browser) -> Iterator[Any]:
    """Open the page at a size; whatever it asks for or complains of fails the test."""
    pages: list[Page] = []
    wrong: list[str] = []

    def at(size: str, scheme: str = "light") -> Page:
        width, height = SIZES[size]
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        page.on("request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else wrong.append(r.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto((site / "explainer.html").as_uri(), wait_until="commit")
        pages.append(page)
        return page

    yield at
    for page in pages:
        page.close()
    assert wrong == []


def ready(page: Page) -> None:
    page.locator("html[data-ready]").wait_for(timeout=120_000)


def tab_to(page: Page, wanted: str, most: int = 80) -> None:
    """Press the tab key until what has the focus fits a selector."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("wanted => document.activeElement.matches(wanted)", wanted):
            return
    raise AssertionError(f"the tab key does not lead to {wanted}")


def test_the_tour_by_keyboard_alone(opened: Any, sized: str) -> None:
    page = opened(sized)
    page.locator("html[data-shown]").wait_for(timeout=30_000)
    assert page.locator("#stage canvas").count() == 1, "the first picture is there before the detector is"
    ready(page)
    for step in range(1, STEPS + 1):
        assert page.locator("#title").inner_text().startswith(f"{step} ·")
        assert not page.locator("#answer").inner_text(), "nothing is shown before a prediction"
        if step == 5:
            tab_to(page, "canvas[data-panel=picture]")
        if step in (3, 5):
            tab_to(page, "canvas[data-panel=picture]") if step == 3 else None
            page.keyboard.press("ArrowRight")
            assert page.evaluate("explainer.place") == 105 + (step == 5)
        page.evaluate("document.getElementById('title').focus()")
        tab_to(page, "#prediction button")
        page.keyboard.press("Enter")
        page.wait_for_function("document.getElementById('answer').innerText.length > 30")
        if step == 6:
            paint_by_keyboard(page)
        if step == 7:
            tab_to(page, "#threshold")
            before = page.locator("#answer").inner_text()
            for _ in range(15):
                page.keyboard.press("ArrowRight")
            assert page.locator("#answer").inner_text() != before
        page.wait_for_function("!document.getElementById('answer').innerText.includes('is looking')")
        page.wait_for_timeout(400)
        page.screenshot(path=SCREENSHOTS / f"explainer_{sized}_{step}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[sized][0]
        tab_to(page, "#next")
        page.keyboard.press("Enter")
    assert page.locator("#title").inner_text() == "Your own photograph"


def paint_by_keyboard(page: Page) -> None:
    """Paint a line: the map rises under it, codes flip, and without it all is as before."""
    page.evaluate("document.getElementById('title').focus()")
    tab_to(page, "canvas.paints")
    clean = page.evaluate("explainer.result.score")
    page.keyboard.press("Space")
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    page.wait_for_function("explainer.result.map.length > 10000 && explainer.answered")
    page.wait_for_timeout(1500)
    score, under, beside = page.evaluate(
        """() => { const m = explainer.result.map, at = (x, y) => m[Math.floor(y * 224) * 224 + Math.floor(x * 224)];
        return [explainer.result.score, at(.6, .5), at(.1, .9)]; }"""
    )
    assert score > clean and under > 2 * beside
    assert "flipped" in page.locator("#answer").inner_text()


def settled(page: Page) -> None:
    """Wait until the detector has answered for what is shown."""
    page.wait_for_function(
        "explainer.result && (!explainer.strokes.length || explainer.result.of === explainer.version)"
    )
    page.wait_for_timeout(100)


def test_nothing_stays_of_the_picture_before(opened: Any) -> None:
    """A mouse paints at once; another picture, undone paint and another step show nothing of what was there before."""
    page = opened("desktop")
    ready(page)
    page.locator("#steps button").nth(5).click()
    page.locator("#prediction button").first.click()
    box = page.locator("canvas.paints").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 90)
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 120, steps=15)
    page.mouse.up()
    assert page.evaluate("explainer.strokes.length") == 1
    assert page.evaluate("explainer.strokes[0].points.length") > 10
    page.locator("#products button", has_text="gear").click()  # before there is an answer
    page.wait_for_function("explainer.first.classes[explainer.classId] === 'gear'")
    page.wait_for_timeout(3000)
    assert page.evaluate("explainer.strokes.length === 0 && explainer.result === explainer.base")
    assert page.locator("#prediction button[aria-pressed=true]").count() == 0, "predicted of another product"
    page.locator("#prediction button").first.click()
    page.locator("#scratch").click()
    settled(page)
    flipped = int(page.locator("#answer").inner_text().split(" codes have flipped")[0].split()[-1])
    assert 0 < flipped < 100
    page.locator("#steps button").nth(7).click()
    page.locator("#prediction button").first.click()
    page.locator("#answer:has-text('of what the paint changed')").wait_for(timeout=30_000)
    page.locator("#steps button").nth(5).click()
    page.locator("button:text-is('undo')").click()
    page.wait_for_timeout(500)
    assert page.evaluate("explainer.result === explainer.base") and page.locator("button:text-is('undo')").is_disabled()


def test_a_photograph_of_ones_own_goes_through_the_tour(opened: Any, tmp_path: Path) -> None:
    """It is read as the product that it resembles, whatever was open before; what is transparent is white."""
    sample = next(s for s in foundry().test if s.class_name == "wood")
    picture = Image.open(sample.path).convert("RGBA")
    picture.putalpha(Image.new("L", picture.size, 255))
    picture.paste((0, 0, 0, 0), (0, 0, 40, 40))
    picture.save(tmp_path / "wood.png")
    page = opened("desktop")
    page.locator("#steps button").last.click()
    page.locator("#file").set_input_files(str(tmp_path / "wood.png"))  # before the detector is there
    ready(page)
    page.wait_for_function("explainer.own && explainer.result", timeout=30_000)
    page.wait_for_timeout(100)
    told = shipped().judge([tmp_path / "wood.png"])[0]
    assert page.locator("html").get_attribute("data-product") == told.class_name == "wood"
    assert abs(page.evaluate("explainer.result.score") - told.score) < 1e-2 * told.score
    assert page.evaluate("explainer.first.classes[explainer.classId]") == "wood"
    page.locator("#steps button").nth(5).click()
    page.locator("#prediction button").first.click()
    page.locator("#scratch").click()
    settled(page)
    assert "0 codes" not in page.locator("#answer").inner_text()
    page.locator("#products button", has_text="board").click()
    page.wait_for_function("!explainer.own")
    page.wait_for_timeout(1500)
    assert page.evaluate("explainer.first.classes[explainer.result.classId]") == "board"


def test_verdicts_are_the_librarys(opened: Any) -> None:
    page = opened("desktop")
    ready(page)
    page.locator("#steps button").last.click()
    dataset, detector = foundry(), shipped()
    chosen = [s for name in dataset.classes for s in [t for t in dataset.test if t.class_name == name][::13]]
    for sample, told in zip(chosen, detector.judge([s.path for s in chosen], cache=cache_folder()), strict=True):
        page.evaluate("explainer.result = null")
        page.locator("#file").set_input_files(str(sample.path))
        page.wait_for_function("explainer.result", timeout=30_000)
        page.wait_for_timeout(50)
        data = page.locator("html").evaluate("node => ({...node.dataset})")
        assert (data["product"], data["verdict"]) == (told.class_name, told.verdict), sample.path
        assert abs(float(data["score"]) - told.score) < 1e-2 * max(1, told.score), sample.path


def test_pixels_are_decoded_as_the_library_does(opened: Any, tmp_path: Path) -> None:
    """Resizing happens in the model, which a test of the export compares; what is left to the page is decoding."""
    picture = Image.open(foundry().test[0].path).convert("RGB").resize((301, 203))
    page = opened("desktop")
    ready(page)
    page.locator("#steps button").last.click()
    for name, turned, most in (("a.png", 1, 0), ("b.jpg", 1, 1), ("c.jpg", 6, 1)):
        exif = Image.Exif()
        exif[0x0112] = turned
        picture.save(tmp_path / name, **({} if name == "a.png" else {"quality": 95, "exif": exif}))
        page.evaluate("explainer.result = null")
        page.locator("#file").set_input_files(str(tmp_path / name))
        page.wait_for_function("explainer.result", timeout=30_000)
        seen, wanted = np.array(page.evaluate("explainer.pixels()"), np.int64), read_image(tmp_path / name)
        assert len(seen) == wanted.size, name
        assert np.abs(seen.reshape(wanted.shape) - wanted).max() <= most, name


def test_what_is_no_picture_is_refused_in_a_sentence(opened: Any, tmp_path: Path) -> None:
    page = opened("desktop")
    page.locator("#steps button").last.click()
    (tmp_path / "words.png").write_text("no picture")
    page.locator("#file").set_input_files(str(tmp_path / "words.png"))
    page.locator("#status:has-text('not a picture that this browser can open')").wait_for(timeout=10_000)


def test_no_serious_fault_for_those_who_read_otherwise(opened: Any, axe: str) -> None:
    for size, scheme in (("desktop", "light"), ("phone", "dark")):
        page = opened(size, scheme)
        ready(page)
        page.evaluate(axe)
        for step in range(STEPS + 1):
            page.locator("#steps button").nth(step).click()
            if page.locator("#prediction button").count() and page.locator("#prediction").is_visible():
                page.locator("#prediction button").first.click()
            page.wait_for_timeout(300)
            assert page.evaluate(RULES) == [], step
