"""The numbers that docs/report.md, docs/questions.md and notebook 11 say of the trainings are those of the rows."""

import importlib
import re
from pathlib import Path
from statistics import mean

import nbformat
import numpy as np
import pytest
from scipy.stats import spearmanr

from hvqlib.course.figures.questions import WIDTHS, copied, copying_arm, gains, screened, values
from hvqlib.course.results import KEY, compare

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def tables():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "docs")
        yield importlib.import_module("question_tables")


@pytest.fixture(scope="module")
def every(tables):
    return tables.rows()


@pytest.fixture(scope="module")
def rows(every):
    """Those of seed 0, the only one of sections 1, 4 and 5."""
    return screened(every)


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


def points(rows, data, first, second, steps=900):
    """The difference of two arms in image AUROC, as pages say it: −0.1 [−0.5, +0.3], with a true minus."""
    d, _ = compare(rows, data, first, second, steps)
    mean, low, high = (f"{100 * value + 0.0:+.1f}".replace("-", "−") for value in (d.mean, d.low, d.high))
    return f"{mean} [{low}, {high}]".replace("+0.0", "0.0").replace("−0.0", "0.0")


def test_the_report_says_what_the_rows_say_of_transport(rows):
    report = said("docs/report.md")

    def column(rule, name):
        return one(values(rows, "foundry", f"512 {rule} bare", name))

    nearest, balanced, gradient = (column(rule, "least_used") for rule in ("nearest", "balanced", "gradient"))
    assert f"uses {nearest:.1f} % of its 512 codes by the nearest update, {balanced:.0f} % by the balanced" in report
    assert f"and {gradient:.0f} % by the gradient" in report
    assert f"({column('balanced', 'usage'):.0f} % in the mean of all codebooks)" in report
    used = [one(values(rows, "foundry", f"64 {rule} bare", "least_used")) for rule in ("balanced", "nearest")]
    rebuilt = one(copied(rows, "64 balanced bare", "normal"))
    told = f"(With 64 codes the balanced plan does keep {used[0]:.0f} % alive, the nearest update {used[1]:.1f} %;"
    dead = one(copied(rows, "64 nearest bare", "normal"))
    ranked = [one(values(rows, "foundry", f"64 {rule} bare, by length, no picture", "image_auroc"))
              for rule in ("balanced", "nearest")]  # fmt: skip
    assert told in report and f"places {rebuilt:.1f} against {dead:.1f}, image AUROC by length" in report
    assert "by length {:.1f} against {:.1f}.)".format(*ranked) in report
    page, notebook = said("docs/questions.md"), said("notebooks/11_ablations.ipynb")
    assert "images worse ({:.1f}) than the one with dead codes ({:.1f})".format(*ranked) in page
    assert f"at least {used[0]:.0f} % of the codes of every codebook, and the nearest update {used[1]:.1f} %" in page
    assert f"places is {rebuilt:.1f}, little less" in page and f"plan alone keeps {used[0]:.0f} % alive" in notebook
    errors = [one(values(rows, "foundry", arm, "error_rare")) for arm in ("512 balanced bare", "512 nearest")]
    assert round(errors[0] / errors[1]) == 7 and "is seven times that of the aided network" in report
    alive, dead = (
        [one(values(rows, data, f"512 nearest{bare}{kind}", "image_auroc"))
         for data in ("foundry", "real5") for kind in ("", ", by length, no picture")]
        for bare in ("", " bare")
    )  # fmt: skip
    assert f"still reaches {dead[0]:.1f} image AUROC" in report
    assert f"falls from {alive[1]:.1f} to {dead[1]:.1f}" in report
    arms = ("512 nearest", "512 nearest bare")
    cost = [points(rows, "real5", *(f"{arm}{kind}" for arm in arms)).replace("+", "").replace(" ", " points ", 1)
            for kind in ("", ", by length, no picture")]  # fmt: skip
    assert f"dead codes cost {cost[0]} by the default score, and {cost[1].replace(' points', '')} by length" in report
    rebuilt = [one(copied(rows, f"512 {arm}", "normal")) for arm in ("gradient bare", "nearest bare", "nearest")]
    assert "residual {:.1f}, against {:.1f}, and {:.1f} with both".format(*rebuilt) in report
    aided = one(values(rows, "foundry", "512 balanced", "image_auroc"))
    behind = points(rows, "foundry", "512 balanced", "512 nearest")
    assert f"image AUROC is {aided:.1f} instead of {alive[0]:.1f} ({behind};" in report
    gradient = points(rows, "real5", "512 gradient", "512 nearest")
    mean, interval = gradient.split(" ", 1)
    length = points(rows, "real5", *(f"512 {rule}, by length, no picture" for rule in ("gradient", "nearest")))
    assert f"does not help either: {mean} points of image AUROC {interval}, by length {length}." in report
    assert f"on real5: {mean} points of image AUROC {interval} and" in said("docs/questions.md")
    errors = [one(values(rows, "foundry", arm, "error")) for arm in ("512 balanced", "512 nearest")]
    assert 1.7 < errors[0] / errors[1] < 2 and "errors are nearly twice as large" in report


def regions(rows, data, first, second):
    """How far the first arm is ahead in AUPRO, seed by seed, as pages list it; with a true minus."""
    found = gains(rows, data, first, second, "aupro").values()
    assert len(found) == 3
    told = [f"{round(gain, 1) + 0.0:+.1f}".replace("-", "−").replace("+0.0", "0.0") for gain in found]
    return f"{', '.join(told[:-1])} and {told[-1]}"


def averaged(found, digits=1):
    assert len(found) == 3
    return f"{mean(found):.{digits}f}"


def test_the_pages_say_what_the_rows_say_of_plans(every):
    report, page = said("docs/report.md"), said("docs/questions.md")
    joined = ("512 nearest, plan, all levels", "512 nearest, distance, all levels")
    drawn, photographed = (points(every, data, *joined) for data in ("foundry", "real5"))
    for text in (report, page):
        assert f"by {photographed} points of image AUROC" in text and f"they do not ({drawn};" in report
    assert f"on foundry they are not ({drawn})" in page
    assert min(gains(every, "real5", *joined, "image_auroc").values()) > 0  # with each of the three seeds
    assert f"AUPRO {regions(every, 'real5', *joined)} points);" in report
    assert f"{drawn}; AUPRO {regions(every, 'foundry', *joined)})" in report
    alone, levels = (averaged(values(every, "real5", f"512 nearest, {v}", "image_auroc"))
                     for v in ("residual", "plan, all levels"))  # fmt: skip
    assert f"({alone} image AUROC on real5, all levels {levels})" in report
    added = ("512 nearest, residual and plan", "512 nearest, residual")
    told = [points(every, data, *added) for data in ("foundry", "real5")]
    assert f"by {told[0]} on foundry and {told[1]} on real5" in report
    assert f"by {told[0]} points on foundry and {told[1]} on real5" in page
    for data, often in (("foundry", 3), ("real5", 2)):
        assert f"({regions(every, data, *added)})" in report
        assert sum(gain < 0 for gain in gains(every, data, *added, "aupro").values()) == often


def test_the_pages_say_what_the_rows_say_of_the_hierarchy(every):
    report, page, notebook = map(said, ("docs/report.md", "docs/questions.md", "notebooks/11_ablations.ipynb"))
    five, one_level, residual = arms = ("512 nearest", "one level of 2560", "residual levels")
    less = {(a, b): [points(every, data, a, b) for data in ("foundry", "real5")]
            for a, b in ((five, one_level), (residual, one_level), (residual, five))}  # fmt: skip
    assert "(five less one: {} and {})".format(*less[five, one_level]) in report
    assert "Residual levels less the one level: {} and {}.".format(*less[residual, one_level]) in report
    assert "({} on foundry, {} on real5)".format(*less[five, one_level]) in page
    assert "({} and {})".format(*less[residual, one_level]) in page
    assert "{} points of image AUROC on foundry, {} on photographs".format(*less[residual, five]) in notebook
    assert "({} points of image AUROC); on real5 it is {},".format(*less[residual, five]) in page
    assert f"with each seed on foundry ({regions(every, 'foundry', five, one_level)} points)" in report
    assert f"behind with each on real5 ({regions(every, 'real5', five, one_level)})" in report
    assert min(gains(every, "foundry", five, one_level, "aupro").values()) > 0
    assert max(gains(every, "real5", five, one_level, "aupro").values()) < 0
    length = points(every, "real5", *(f"{arm}, by length, no picture" for arm in (one_level, five)))
    assert f"the one level is ahead on real5 by {length}," in report
    few, many = (one(values(screened(every), "real5", arm, "image_auroc")) for arm in ("one level", five))
    assert f"is close on real5 ({few:.1f} image AUROC against {many:.1f}; one seed)" in report
    survived = []
    for arm in arms:
        found = copied(every, arm, "survival")
        survived.append(f"{averaged(found, 2)} [{min(found):.2f}, {max(found):.2f}]")
    for text in (report, page):
        assert f"({survived[1]}) or residual levels ({survived[2]})" in text and survived[0] in text
    normal = [averaged(copied(every, arm, "normal")) for arm in arms]
    assert "(residuals {}, {} and {}; foundry)".format(*normal) in report
    both = ("settled", "settled_by_chance")
    settled = {(data, arm): [averaged(values(every, data, arm, column), 0) for column in both]
               for data in ("foundry", "real5") for arm in (five, residual)}  # fmt: skip
    (a, b), (c, d) = settled["foundry", five], settled["real5", five]
    assert f"{a} % of a level's code on foundry and {c} % on real5 is determined by it" in report
    assert (
        f"where chance makes {b} and {d} %" in report
        and f"settles {a} % of a level's code on foundry and {c}" in notebook
    )
    (a, b), (c, d) = settled["foundry", residual], settled["real5", residual]
    assert f"share {a} % on foundry ({b} by chance) and {c} % on real5 ({d})" in report


def test_the_pages_say_what_the_rows_say_of_switching(rows, tables):
    report, page, notebook = map(said, ("docs/report.md", "docs/questions.md", "notebooks/11_ablations.ipynb"))
    told = {n: points(rows, f"foundry{n}", "64 nearest", f"one set for {n}") for n in (3, 7, 20, 60)}
    assert f"{told[3]} points of image AUROC at 3 classes, {told[7]} at 7, {told[20]} at 20 (not" in report
    assert f"after correction), {told[60]} at 60; by length" in report
    kind = ", by length, no picture"
    length = [points(rows, f"foundry{n}", f"64 nearest{kind}", f"one set for {n}{kind}") for n in told]
    assert "by length {}, {}, {} and {}.".format(*length) in report
    assert "By length the differences are {}, {}, {} and {}".format(*(text.split()[0] for text in length)) in page
    mean, interval = told[60].split(" ", 1)
    assert f"is {told[3].split()[0]} points at 3 classes, {told[7].split()[0]} at 7" in page
    assert f"{told[20]} at 20 and {told[60]} at 60" in page
    low, high = (end.strip("[]−") for end in interval.split(", "))
    assert f"with 60 by {mean.strip('−')} points of image AUROC" in notebook and f"from {high} to {low}:" in notebook
    costs = {row["arm"]: row for row in tables.switching_rows() if row["classes"] == "60"}
    own, shared = (costs[arm] for arm in ("64 nearest", "one set for 60"))
    assert 0.45 < float(own["milliseconds"]) / float(shared["milliseconds"]) < 0.6  # about half the time
    assert 1.2 < float(own["megabytes"]) / float(shared["megabytes"]) < 1.3  # a quarter more memory


def test_the_pages_say_what_the_rows_say_of_copying(rows, tables):
    report, page, notebook = map(said, ("docs/report.md", "docs/questions.md", "notebooks/11_ablations.ipynb"))

    def survival(arm, steps):
        return f"{one(copied(rows, arm, 'survival', steps)):.2f}"

    def listed(found):
        return f"{', '.join(found[:-1])} and {found[-1]}"

    networks = ("continuous", "quantised")
    arms = {network: [copying_arm(rows, width, network) for width in WIDTHS] for network in networks}
    assert arms["continuous"][3] == "width 256 continuous at 0.001"  # at 0.003 it learned no more than a mean
    twin, own = ([survival(arm, 1000) for arm in arms[network]] for network in networks)
    assert f"lets {listed(twin)} of a defect through as it gets wider, HVQ-Trans {listed(own)}." in report
    assert f"At width 128 the twin lets {twin[2]} of a defect through, HVQ-Trans {own[2]}" in page
    assert f"twin's survival rises, {listed(twin)}, HVQ-Trans' stays between {min(own)} and {max(own)}" in page
    assert ", ".join(twin) in notebook and f"a quarter or less through, {min(own)} to {max(own)}" in notebook
    assert f"widths from 32 to 256, and {min(twin)} to {max(twin)} in the twin" in report
    pairs = [f"{one(copied(rows, arm, 'normal', 1000)):.2f} and {survival(arm, 1000)}"
             for arm in ("width 128 quantised", "width 32 dropout", "width 32 continuous")]  # fmt: skip
    assert f"places of {pairs[0].replace('and', 'and a survival of')};" in report
    assert f"have {pairs[1]} (width 32, with dropout), and {pairs[2]} (width 32)" in report
    failed, learned, quantised = (f"{one(copied(rows, f'width 256 {arm}', 'normal', 1000)):.1f}"
                                  for arm in ("continuous", "continuous at 0.001", "quantised"))  # fmt: skip
    for text in (report, page):
        assert f"(residual of normal places {failed}, as with dead codes" in text
        assert f"it learned (residual {learned})" in text
    assert f"learned at 0.003 (residual {quantised})" in report and f"falls to {learned} in the" in notebook
    found = {network: [f"{one(copied(rows, arm, 'image_auroc', 1000)):.1f}" for arm in arms[network]]
             for network in networks}  # fmt: skip
    assert f"as it gets wider ({listed(found['continuous'])} image AUROC)" in report
    assert f"loses a point there, too ({listed(found['quantised'])})." in report
    both = list(zip(arms["quantised"], arms["continuous"], strict=True))
    ahead = [points(rows, "foundry", *pair, 1000) for pair in both]
    length = [points(rows, "foundry", *(f"{arm}, by length, no picture" for arm in pair), 1000) for pair in both]
    assert f"by {listed(ahead)} points of image AUROC (none significant" in report
    regions = [f"{one(gains(rows, 'foundry', *pair, 'aupro', 1000).values()):+.1f}" for pair in both]
    length = [told.split()[0] for told in length]
    assert f"by length by {listed(length)}, and in AUPRO by {listed(regions)}." in report
    wider = ("width 64 continuous", "width 256 continuous at 0.001")
    lost = points(rows, "foundry", *wider, 1000).replace("+", "").split(" ", 1)
    less = points(rows, "foundry", *(f"{arm}, by length, no picture" for arm in wider), 1000).replace("+", "")
    assert f"from width 64 to 256 it loses {lost[0]} points {lost[1]}, by length {less}." in report
    assert f"From width 64 to 256 the twin loses {lost[0]} points of image AUROC {lost[1]}" in page
    assert f"From width 64 to 256 the continuous network loses {lost[0]} points" in notebook
    codes = (4, 16, 64, 256, 512, 1024)
    few = [survival(f"{number} nearest", 900) for number in codes]
    assert f"codes let {listed(few)} of a defect through" in report and f"survival is {listed(few)}" in page
    found = [f"{one(copied(rows, f'{number} nearest', 'image_auroc')):.1f}" for number in codes]
    assert f"({listed(found)} image AUROC" in report and f"1,024 codes {listed(few[1:])}:" in notebook
    (wide, of_wide), (every, of_every) = map(tables.correlation, (tables.wide(), tables.wide() + tables.SMALL))
    of_wide, of_every = (text.replace("-", "−") for text in (of_wide, of_every))
    assert f"Over the {every} networks of this section" in report and f"image AUROC is {of_every}, over" in report
    assert f"the {wide} of the upper row {of_wide};" in report
    assert f"are correlated by {of_every} (Spearman" in page and f"it is {of_wide}" in page


def test_the_correlation_is_that_of_a_loop(tables, rows):
    arms = [pair for pair in tables.wide() if copied(rows, pair[0], "survival", pair[1])]
    x, y = ([one(copied(rows, arm, column, n)) for arm, n in arms] for column in ("survival", "image_auroc"))
    draws = np.random.default_rng(0).integers(len(arms), size=(10_000, len(arms)))
    some = [spearmanr(np.take(x, i), np.take(y, i)).statistic for i in draws if len(set(i)) > 1]
    low, high = np.quantile(some, (0.025, 0.975))
    told = re.fullmatch(r"(\S+) \[(\S+), (\S+)\]", tables.correlation(tables.wide())[1])
    assert float(told[1]) == pytest.approx(spearmanr(x, y).statistic, abs=0.006)
    assert float(told[2]) == pytest.approx(low, abs=0.006) and float(told[3]) == pytest.approx(high, abs=0.006)


def test_a_second_training_agrees_within_what_the_page_says(tables, rows):
    first = {tuple(row[name] for name in KEY): row for row in rows}
    again = tables.repeated_rows()
    assert len(again) == 3
    for row in again:
        before = first[tuple(row[name] for name in KEY)]
        for column, most in (("image_auroc", 1e-3), ("pixel_auroc", 1e-3), ("aupro", 1e-3), ("survival", 1e-2)):
            assert abs(float(row[column]) - float(before[column])) < most, (row["variant"], column)
    assert "by less than 0.1 points, and survival by less than 0.01" in said("docs/questions.md")


def test_the_spread_between_seeds_is_what_the_page_says(every):
    metrics = ("image_auroc", "pixel_auroc", "aupro")
    told = {data: [f"{np.ptp(values(every, data, '512 nearest', metric)):.1f}" for metric in metrics]
            for data in ("real5", "foundry")}  # fmt: skip
    page, report = said("docs/questions.md"), said("docs/report.md")
    assert "lie {} points of image AUROC, {} of pixel AUROC and {} of AUPRO on real5".format(*told["real5"]) in page
    assert "and {}, {} and {} on foundry.".format(*told["foundry"]) in page
    assert f"span {told['real5'][2]} points of it on real5" in report
    assert f"900 steps differ by {np.ptp(copied(every, '512 nearest', 'survival')):.2f}.)" in report
