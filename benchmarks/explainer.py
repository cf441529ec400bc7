"""Measure the explainer in a browser: the first view, the detector's start, a stroke, memory, and every test verdict.

    python -m benchmarks.explainer [--page site/explainer.html] [--out data/results/explainer.csv] [--pictures docs]

Opens the page from disk in Chromium, with the network off, and judges all test images of foundry in it, through the
field for one's own photographs. Raises RuntimeError where a verdict or a class is not the library's. With --pictures,
draws what the eight steps look like, for docs/explainer.md.
"""

from __future__ import annotations

import argparse
import datetime
import io
import os
import shutil
import statistics
from pathlib import Path
from typing import Any

import psutil
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks.measure import append_rows, commit, processor_name
from hvqlib.course.material import cache_folder, foundry, shipped

COLUMNS = ("quantity", "value", "unit", "machine", "browser", "commit", "date", "command")
STROKES = 20
PLACE, GAP = 48, 8  # a place of the defect on the first picture; pixels between pictures


def memory() -> float:
    """Return the unshared memory of the tab, in MB of 2**20 bytes: of the largest process that draws a page."""
    mine = [p for p in psutil.Process().children(recursive=True) if "--type=renderer" in p.cmdline()]
    return max(p.memory_full_info().uss for p in mine) / 2**20


def stroke(page: Page) -> list[float]:
    """Paint point by point in step 6; milliseconds from each point to the drawn answer."""
    page.locator("#steps button").nth(5).click()
    page.locator("#prediction button").first.click()
    page.locator("canvas.paints").focus()
    page.keyboard.press("Space")
    page.wait_for_function("explainer.answered")
    page.wait_for_timeout(2000)
    took = []
    for i in range(STROKES):
        page.evaluate("explainer.answered = 0")
        page.keyboard.press("ArrowRight" if i % 8 < 4 else "ArrowDown")
        page.wait_for_function("explainer.answered")
        took.append(page.evaluate("explainer.answered"))
    page.keyboard.press("Space")
    return took


def verdicts(page: Page) -> tuple[int, float]:
    """Judge every test image of foundry in the page; their number, and the largest relative difference of a score."""
    page.locator("#steps button").last.click()
    samples, worst = foundry().test, 0.0
    judged = shipped().judge([s.path for s in samples], cache=cache_folder())
    for sample, told in zip(samples, judged, strict=True):
        page.evaluate("explainer.result = null")
        page.locator("#file").set_input_files(str(sample.path))
        page.wait_for_function("explainer.result", timeout=30_000)
        page.wait_for_timeout(30)
        data: dict[str, Any] = page.locator("html").evaluate("node => ({...node.dataset})")
        if (data["product"], data["verdict"]) != (told.class_name, told.verdict):
            raise RuntimeError(f"{sample.path}: {data}, and the library says {told.row()}.")
        worst = max(worst, abs(float(data["score"]) - told.score) / max(1.0, abs(told.score)))
    return len(samples), worst


def measure(path: Path) -> tuple[list[tuple[str, float, str]], str]:
    """Open the page and measure; rows (quantity, value, unit), and the browser's version."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        context = browser.new_context(offline=True, viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.goto(path.resolve().as_uri(), wait_until="commit")
        page.locator("html[data-shown]").wait_for(timeout=60_000)
        shown = float(page.locator("html").get_attribute("data-shown") or "nan")
        page.locator("html[data-ready]").wait_for(timeout=120_000)
        ready, at_first = page.evaluate("performance.now()"), memory()
        took = stroke(page)
        at_work = memory()
        number, worst = verdicts(page)
        rows = [
            ("size of the page", path.stat().st_size / 1e6, "MB"),
            ("first picture shown", shown, "ms after opening"),
            ("detector ready", ready, "ms after opening"),
            ("a stroke's answer, median", statistics.median(took), "ms"),
            ("a stroke's answer, slowest", max(took), "ms"),
            ("memory of the tab, detector ready", at_first, "MB"),
            ("memory of the tab, after the strokes", at_work, "MB"),
            ("memory of the tab, after all test images", memory(), "MB"),
            ("test images with the library's class and verdict", number, "images"),
            ("largest relative difference of a score", worst, ""),
        ]
        version = f"Chromium {browser.version}"
        browser.close()
    return rows, version


def draw(path: Path, out: Path, width: int, height: int, columns: int, shrink: float) -> None:
    """Draw the eight steps of the tour, answered, side by side."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto(path.resolve().as_uri(), wait_until="commit")
        page.locator("html[data-ready]").wait_for(timeout=120_000)
        shots = []
        for step in range(8):
            page.locator("#steps button").nth(step).click()
            page.evaluate(f"explainer.place = {PLACE}")
            page.locator("#prediction button").last.click()
            if step == 5:
                page.locator("#scratch").click()
            page.wait_for_timeout(3000)
            page.evaluate("document.activeElement.blur()")
            picture = Image.open(io.BytesIO(page.screenshot(full_page=True)))
            shots.append(picture.convert("RGB").resize([round(side * shrink) for side in picture.size], Image.LANCZOS))
        browser.close()
    rows = [shots[i : i + columns] for i in range(0, len(shots), columns)]
    wide, heights = shots[0].width, [max(shot.height for shot in row) for row in rows]
    sheet = Image.new("RGB", (columns * (wide + GAP) - GAP, sum(heights) + GAP * (len(rows) - 1)), "#767676")
    for i, row in enumerate(rows):
        for j, shot in enumerate(row):
            sheet.paste(shot, (j * (wide + GAP), sum(heights[:i]) + i * GAP))
    sheet.save(out, quality=82, optimize=True)


def main() -> None:
    """Read the command line; write the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", type=Path, default=Path("site/explainer.html"))
    parser.add_argument("--out", type=Path, default=Path("data/results/explainer.csv"))
    parser.add_argument("--pictures", type=Path, help="folder for explainer_desktop.jpg and explainer_phone.jpg")
    options = parser.parse_args()
    if options.pictures:
        draw(options.page, options.pictures / "explainer_desktop.jpg", 1280, 900, 2, 0.6)
        draw(options.page, options.pictures / "explainer_phone.jpg", 390, 844, 8, 0.5)
    rows, version = measure(options.page)
    machine = f"{processor_name()}, {os.cpu_count()} threads"
    made = (machine, version, commit(), datetime.date.today().isoformat(), "python -m benchmarks.explainer")
    for name, value, unit in rows:
        print(f"{name}: {value:.4g} {unit}")
    written = ((name, f"{value:.4g}", unit, *made) for name, value, unit in rows)
    append_rows(options.out, COLUMNS, [dict(zip(COLUMNS, row, strict=True)) for row in written])


if __name__ == "__main__":
    main()
