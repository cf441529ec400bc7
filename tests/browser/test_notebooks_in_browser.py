"""Every notebook with something to move opened in JupyterLab, run whole, and each of its controls moved.

Trainings that may be interrupted are: nbval runs them to their end (`make test`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page

from benchmarks.record_live import RESULTS

from .conftest import ROOT, SCREENSHOTS

PANEL = re.compile(r"\bpanel\(|LiveTraining\(")  # in a page with something to move; nbval runs the others
PAGES = [path for path in (ROOT / "notebooks").rglob("*.ipynb") if PANEL.search(path.read_text(encoding="utf-8"))]
NAMES = sorted(path.relative_to(ROOT / "notebooks").as_posix() for path in PAGES)

READY = """() => { const p = window.jupyterapp?.shell.currentWidget;
    return !!p?.sessionContext?.isReady && p.sessionContext.session?.kernel?.connectionStatus === 'connected'; }"""
COUNTS = """() => [...window.jupyterapp.shell.currentWidget.content.widgets]
    .filter(c => c.model.type === 'code' && c.model.sharedModel.source.trim())
    .map(c => c.model.executionCount)"""
OUTPUTS = """() => [...window.jupyterapp.shell.currentWidget.content.widgets].filter(c => c.model.type === 'code')
    .flatMap(c => c.model.outputs.toJSON()).map(o => [o.output_type, o.name || '', o.text || o.evalue || ''])"""
MAY_BE_INTERRUPTED = """() => { const cell = [...window.jupyterapp.shell.currentWidget.content.widgets]
    .find(c => c.model.type === 'code' && c.model.sharedModel.source.trim() && c.model.executionCount === null);
    return !!cell && /= (await )?(live|wait)_or_recorded\\(/.test(cell.model.sharedModel.source); }"""
STATUS = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status"


def run_all(page: Page, address: str, meanwhile: Callable[[Page], None] | None, seconds: int = 900) -> None:
    """Open a notebook, restart nothing, run every cell, do something meanwhile, wait for the last."""
    page.goto(address)
    page.wait_for_function(READY, timeout=60_000)
    page.evaluate("() => { void window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    if meanwhile:
        meanwhile(page)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        page.wait_for_timeout(500)
        counts = page.evaluate(COUNTS)
        if counts == list(range(1, len(counts) + 1)) and page.evaluate(STATUS) == "idle":
            page.wait_for_timeout(1000)  # the last pictures arrive
            return
    raise AssertionError(f"not finished after {seconds} s: {page.evaluate(COUNTS)}, kernel {page.evaluate(STATUS)}")


def picture(panel: Locator) -> str:
    """What identifies the picture of a panel now; the address of its bytes changes with them."""
    return panel.locator("img.widget-image").first.get_attribute("src") or ""


def moved(page: Page, panel: Locator, before: str, seconds: float = 10.0) -> float:
    """Seconds until the picture of a panel changes; fails when it does not."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        if picture(panel) != before:
            return time.monotonic() - start
        page.wait_for_timeout(20)
    raise AssertionError("the picture did not change")


def move(page: Page, control: Locator) -> None:
    """Move one control by keyboard or mouse, whatever kind it is."""
    kind = control.get_attribute("class") or ""
    if "widget-dropdown" in kind:
        select = control.locator("select")
        select.select_option(index=(select.evaluate("s => s.selectedIndex") + 1) % select.locator("option").count())
    elif "widget-checkbox" in kind:
        control.locator("input").click()
    elif "jupyter-widget-play" in kind or "widget-play" in kind:
        control.locator("button").first.click()
        page.wait_for_timeout(1200)
        control.locator("button").first.click()
    else:
        handle = control.locator(".noUi-handle").first
        handle.focus()
        here = handle.get_attribute("aria-valuenow")
        handle.press("ArrowRight")
        if handle.get_attribute("aria-valuenow") == here:
            handle.press("ArrowLeft")


def interrupt(page: Page, times: int) -> None:
    """Press the button of JupyterLab that interrupts, in each training that may be: its notebook says what follows."""
    for time_before in range(times):
        page.wait_for_function(MAY_BE_INTERRUPTED, timeout=240_000)
        page.wait_for_timeout(2000)  # it is under way
        page.locator("[data-command='notebook:interrupt-kernel'], [data-jp-item-name='interrupt']").first.click()
        said = f"""() => ({OUTPUTS})().filter(o => o[2].includes('uses the run recorded on')).length > {time_before}"""
        page.wait_for_function(said, timeout=60_000)
        page.wait_for_function(f"() => !({MAY_BE_INTERRUPTED})()", timeout=60_000)


def hold_go_on_and_stop(page: Page) -> None:
    """The live training: it holds when asked, goes on when asked, and also after it was stopped."""
    live = page.locator(".widget-vbox:has(> img.widget-image):has(button:text-is('stop'))")
    live.wait_for(timeout=240_000)
    live.scroll_into_view_if_needed()
    moved(page, live, picture(live), 120)
    live.locator("button:text-is('pause')").click()
    live.locator("button:text-is('go on')").wait_for()
    page.wait_for_timeout(3000)  # the step and the picture under way
    held = picture(live)
    page.wait_for_timeout(5000)
    assert picture(live) == held, "a training on hold goes on"
    live.locator("button:text-is('go on')").click()
    moved(page, live, held, 60)
    live.screenshot(path=SCREENSHOTS / "live.png")
    before = picture(live)
    live.locator("button:text-is('stop')").click()
    moved(page, live, before, 120)  # its notebook resumes it
    interrupt(page, len(RESULTS["08_train.ipynb"]))


def drag(page: Page, panel: Locator, start: tuple[float, float], end: tuple[float, float], **choices: str) -> None:
    """Paint a line on a picture with the mouse; places are shares of its side."""
    for name, value in choices.items():
        choice = panel.locator(f".{name}")
        choice.fill(value) if name == "width" else choice.select_option(value)
    box = panel.locator("canvas.paint").bounding_box()
    (x, y), (to_x, to_y) = ((box["x"] + a * box["width"], box["y"] + b * box["height"]) for a, b in (start, end))
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(to_x, to_y, steps=12)
    page.mouse.up()


def scratch_and_erase(page: Page) -> None:
    """A painted scratch lifts the score of a normal image above the threshold; erasing it brings the score back."""

    def reading() -> tuple[float, float]:
        text = easel.locator("figcaption").inner_text()
        score, threshold = (float(re.search(rf"{name} (-?[0-9.]+)", text)[1]) for name in ("score", "threshold"))
        return score, threshold

    def moved_from(before: tuple[float, float]) -> float:
        began = time.perf_counter()
        while reading() == before and time.perf_counter() - began < 30:
            page.wait_for_timeout(50)
        return time.perf_counter() - began

    easel = page.locator(".hvq-paint").first
    easel.scroll_into_view_if_needed()
    clean, threshold = reading()
    assert clean < threshold
    drag(page, easel, (0.3, 0.4), (0.7, 0.6), tool="scratch", width="6")
    print(f"painted scratch: {moved_from((clean, threshold)):.2f} s")
    easel.screenshot(path=SCREENSHOTS / "painted.png")
    painted = reading()
    assert painted[0] > threshold, painted
    drag(page, easel, (0.2, 0.35), (0.8, 0.65), tool="erase", width="30")
    print(f"erased: {moved_from(painted):.2f} s")
    assert reading()[0] == clean


def commit_predictions(page: Page) -> None:
    """Answer each question that asks for a prediction; the page says that it is kept."""
    asked = page.locator(".jp-OutputArea-output .hvq-predict")
    for i in range(asked.count()):
        question = asked.nth(i)
        question.scroll_into_view_if_needed()
        options = question.locator("input[type=radio]")
        if options.count():
            options.last.click()
        else:
            question.locator(".noUi-handle").first.focus()
            page.keyboard.press("ArrowRight")
        question.locator("button:text-is('commit')").click()
        question.locator(".widget-label:has-text('Kept: ')").wait_for(timeout=10_000)


MEANWHILE = {name: partial(interrupt, times=len(results)) for name, results in RESULTS.items()}
MEANWHILE["08_train.ipynb"] = hold_go_on_and_stop
AFTERWARDS = {"10_look_inside.ipynb": scratch_and_erase}
CONTROLS = ".widget-slider, .widget-dropdown, .widget-checkbox, .widget-play, .jupyter-widget-play"


@pytest.mark.parametrize("name", NAMES)
def test_run_all_then_move_everything(page: Page, lab: str, name: str) -> None:
    run_all(page, lab.format(name), MEANWHILE.get(name))
    for kind, stream, text in page.evaluate(OUTPUTS):
        assert kind != "error" and stream != "stderr", text
    panels = page.locator(".jp-OutputArea-output .widget-vbox:has(> img.widget-image)")
    assert panels.count() > 0
    for i in range(panels.count()):
        panel = panels.nth(i)
        if panel.locator("button:text-is('stop')").count():
            continue  # moved meanwhile
        panel.scroll_into_view_if_needed()
        controls = panel.locator(CONTROLS)
        assert controls.count() > 0
        height = panel.bounding_box()["height"]
        for j in range(controls.count()):
            before = picture(panel)
            move(page, controls.nth(j))
            print(f"{name} panel {i} control {j}: {moved(page, panel, before):.2f} s")
        assert abs(panel.bounding_box()["height"] - height) < 3, "the layout jumps"
        panel.screenshot(path=SCREENSHOTS / f"{Path(name).stem}_{i}.png")
    commit_predictions(page)
    if name in AFTERWARDS:
        AFTERWARDS[name](page)
    assert not page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").count()
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
