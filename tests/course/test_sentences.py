"""Sentences of the notebooks that rest on a figure, where it can be computed again in seconds."""

import json
import warnings

import numpy as np
import ot
import torch
from scipy import ndimage, stats

from hvqlib.course.material import foundry, results_folder, truth
from hvqlib.course.results import read_rows
from hvqlib.model.codebooks import VectorQuantizer, nearest


def test_codebooks_live_by_one_line_and_die_without():
    """Notebook 05: as released a handful of 256 codes is used after 160 steps, with revival nearly all."""
    rng = torch.Generator().manual_seed(0)
    centres = torch.randn(60, 16, generator=rng)
    tokens = centres[torch.randint(60, (64, 196), generator=rng)] + 0.15 * torch.randn(64, 196, 16, generator=rng)
    used = {}
    for revive in (False, True):
        torch.manual_seed(0)
        quantizer = VectorQuantizer(1, 256, 16, decay=0.99, revive=revive).train()
        for _ in range(20):
            for batch in tokens[torch.randperm(64)].split(8):
                quantizer(batch, torch.zeros(8, dtype=torch.long))
        used[revive] = len(nearest(tokens.flatten(0, 1)[None], quantizer.codebook)[0].unique())
    assert used[False] < 30 and used[True] > 240


def site():
    """The piles and holes of notebook 06: shares (5,) and (4,), costs (5, 4)."""
    piles = torch.tensor([[3, 2], [6, 2], [1, 0], [4, 6], [0, 5]], dtype=torch.float64)
    holes = torch.tensor([[4, 0], [8, 6], [9, 0], [7, 4]], dtype=torch.float64)
    a, b = torch.tensor([4.0, 1, 2, 3, 2]).double() / 12, torch.tensor([4.0, 2, 3, 3]).double() / 12
    return piles, holes, a, b


def test_float64_moves_the_wall_of_plain_sinkhorn():
    """Deeper notebook 06: at 0.2 float32 moves nothing and float64 all; at 0.05 neither moves anything."""
    piles, holes, a, b = site()
    cost = torch.cdist(piles, holes).square()
    moved = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in (torch.float32, torch.float64):
            for eps in (0.2, 0.05):
                moved[kind, eps] = float(ot.sinkhorn(a.to(kind), b.to(kind), cost.to(kind), eps).sum())
    assert moved[torch.float32, 0.2] < 1e-6 and moved[torch.float32, 0.05] < 1e-6
    assert abs(moved[torch.float64, 0.2] - 1) < 1e-6 and moved[torch.float64, 0.05] < 1e-6


def test_an_unbalanced_plan_may_send_more_than_there_is():
    """Notebook 06: with pile E far away, E sends next to nothing, A, C and D less than they have, B more."""
    piles, holes, a, b = site()
    piles[4] = torch.tensor([-7.0, 5.0])
    plan = ot.solve(torch.cdist(piles, holes).square(), a, b, 2.0, unbalanced=30.0, max_iter=50_000, tol=1e-5).plan
    share = (plan.sum(1) / a).tolist()
    assert share[4] < 0.05 and max(share[0], share[2], share[3]) < 0.95 and 1.2 < share[1] < 1.5


def test_the_smallest_regions_of_the_woods_are_worm_holes():
    """Notebook 09: 36 regions, 13 of them holes, and these are the smallest."""
    woods = [s for s in foundry().test if s.class_name == "wood"]
    sizes = []
    for sample, mask in zip(woods, truth(woods).masks, strict=True):
        found, count = ndimage.label(mask, structure=np.ones((3, 3)))
        sizes += [(int((found == r).sum()), sample.defect) for r in range(1, count + 1)]
    kinds = [kind for _, kind in sorted(sizes)]
    assert len(kinds) == 36 and kinds[:13] == ["hole"] * 13 and "hole" not in kinds[13:]


def recorded(variant):
    """Image AUROC of notebook 11's trainings on drawn products, seeds 0, 1, 2."""
    rows = [
        r for r in read_rows(results_folder() / "ablations.csv") if (r["data"], r["variant"]) == ("foundry", variant)
    ]
    return np.array([float(r["image_auroc"]) for r in sorted(rows, key=lambda r: int(r["seed"]))])


def test_four_of_twelve_verdicts_survive_holm():
    """Notebook 11: intervals off zero are twelve; Holm's rule over all comparisons keeps four."""
    rows = read_rows(results_folder() / "ablations.csv")
    variants = {row["variant"] for row in rows if row["data"] == "foundry"} - {"full"}
    differences = [recorded(variant) - recorded("full") for variant in variants]
    p = sorted(stats.ttest_1samp(d, 0).pvalue for d in differences if np.ptp(d))
    kept = next(i for i, one in enumerate(p) if one > 0.05 / (len(p) - i))
    assert (sum(one < 0.05 for one in p), kept) == (12, 4)


def test_many_shared_prototypes_beat_few():
    """Notebook 11: without switching, 3072 codes are about ten points above 512, and the interval is above zero."""
    d = recorded("no switching but 3072 codes") - recorded("no switching")
    assert 0.09 < d.mean() < 0.11 and stats.ttest_1samp(d, 0).confidence_interval(0.95).low > 0


def test_the_tiles_made_the_nearest_neighbour_lead_when_residuals_were_read_by_length():
    """Notebook 11: of magnetic_tile, means over seeds, 86.5 against 80.8; docs/evidence.md: the released score."""
    rows = [row for row in read_rows(results_folder() / "by_length.csv") if row["data"] == "real"]

    def tiles(variant, steps):
        of = [json.loads(row["classes"]) for row in rows if (row["variant"], row["steps"]) == (variant, steps)]
        return 100 * np.mean([classes["magnetic_tile"]["image_auroc"] for classes in of]), len(of)

    (nearest, seeds), (ours, as_many) = tiles("nearest neighbour", "1"), tiles("full", "900")
    assert seeds == as_many == 3 and (round(nearest, 1), round(ours, 1)) == (86.5, 80.8)
    released = [100 * float(row["image_auroc"]) for row in rows if row["variant"] == "released score"]
    assert len(released) == 3 and (round(min(released)), round(max(released))) == (80, 86)


def test_three_of_seven_say_little():
    """Deeper 09: from a tenth to four fifths, at 95 %."""
    interval = stats.binomtest(3, 7).proportion_ci(0.95, "exact")
    assert (round(interval.low, 1), round(interval.high, 1)) == (0.1, 0.8)
