"""The numbers that docs/report.md, docs/questions.md and notebook 11 say of the trainings are those of the rows."""

import importlib
import json
from pathlib import Path

import nbformat
import pytest
from scipy.stats import spearmanr

from hvqlib.course.figures.questions import CLASSES, CODES, NETWORKS, WIDTHS, copied, copying_arm, values
from hvqlib.evaluation.comparison import paired_bootstrap

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def tables():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docs")
        yield importlib.import_module("question_tables")


@pytest.fixture(scope="module")
def rows(tables):
    return tables.rows()


def one(found):
    (value,) = found
    return value


def said(page):
    """The words of a page, with single spaces and without the marks for italics."""
    path = ROOT / page
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    else:
        text = path.read_text(encoding="utf-8")
    return " ".join(text.replace("*", "").split())


def points(rows, data, first, second):
    """The difference of two arms in image AUROC, as pages say it: -0.1 [-0.5, +0.3], with a true minus."""
    scores = [
        [json.loads(row["scores"]) for row in rows if (row["data"], row["variant"], row["steps"]) == (data, arm, "900")]
        for arm in (first, second)
    ]
    d = paired_bootstrap(*scores)
    mean, low, high = (f"{100 * value + 0.0:+.1f}".replace("-", "−") for value in (d.mean, d.low, d.high))
    return f"{mean} [{low}, {high}]".replace("+0.0", "0.0").replace("−0.0", "0.0")


def test_the_report_says_what_the_rows_say_of_transport(rows):
    report = said("docs/report.md")

    def least(rule):
        return one(values(rows, "foundry", f"512 {rule} bare", "least_used"))

    assert (
        f"uses {least('nearest'):.1f} % of its 512 codes by the nearest update, {least('balanced'):.0f} % by the balanced"
        in report
    )
    assert f"and {least('gradient'):.0f} % by the gradient" in report
    assert f"({one(values(rows, 'foundry', '512 balanced bare', 'usage')):.0f} % in the mean of all codebooks)" in report
    errors = [one(values(rows, "foundry", arm, "error_rare")) for arm in ("512 balanced bare", "512 nearest")]
    assert round(errors[0] / errors[1]) == 7 and "is seven times that of the aided network" in report
    alive, dead = (
        [one(values(rows, data, f"512 nearest{bare}{kind}", "image_auroc"))
         for data in ("foundry", "real5") for kind in ("", ", by length, no picture")]
        for bare in ("", " bare")
    )  # fmt: skip
    assert f"still reaches {dead[0]:.1f} image AUROC" in report
    assert f"falls from {alive[1]:.1f} to {dead[1]:.1f}" in report
    lost = one(values(rows, "real5", "512 nearest", "aupro")) - one(values(rows, "real5", "512 nearest bare", "aupro"))
    assert f"is {alive[2] - dead[2]:.1f} points (and {lost:.1f} of AUPRO)" in report
    assert f"score, {alive[3] - dead[3]:.1f} by length" in report


def test_the_report_says_what_the_rows_say_of_plans_and_levels(rows):
    report = said("docs/report.md")
    joined = ("512 nearest, plan, all levels", "512 nearest, distance, all levels")
    assert f"{points(rows, 'foundry', *joined)} on foundry" in report
    assert f"{points(rows, 'real5', *joined)} on real5" in report
    added = ("512 nearest, residual and plan", "512 nearest, residual")
    assert f"by {points(rows, 'foundry', *added)} on foundry and {points(rows, 'real5', *added)} on real5" in report
    fell = [one(values(rows, "real5", arm, "aupro")) for arm in reversed(added)]
    assert f"AUPRO falls from {fell[0]:.1f} to {fell[1]:.1f}" in report
    five = [points(rows, data, "512 nearest", "one level of 2560") for data in ("foundry", "real5")]
    assert f"(five less one: {five[0]} and {five[1]})" in report
    left = [points(rows, data, "residual levels", "one level of 2560") for data in ("foundry", "real5")]
    assert f"({left[0]} and {left[1]} against the one level)" in report
    for data, arm, text in (
        ("foundry", "512 nearest", "{0:.0f} % of a level's code"),
        ("foundry", "residual levels", "share {0:.0f} % on foundry ({1:.0f} by chance)"),
        ("real5", "residual levels", "and {0:.0f} % on real5 ({1:.0f})"),
    ):
        shares = (one(values(rows, data, arm, column)) for column in ("settled", "settled_by_chance"))
        assert text.format(*shares) in report, text
