"""What is measured of the arms of docs/questions.md, against loops, closed forms and scipy."""

import re
import shlex
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.optimize import minimize
from sklearn.metrics import normalized_mutual_info_score, roc_auc_score

from benchmarks.ablate import ablate
from benchmarks.many_classes import changed, draw, pictures
from benchmarks.questions import ARMS, LEVELS_OF, Measures, Run, main, parser
from hvqlib.config import Config
from hvqlib.course.foundry.dataset import draw_picture
from hvqlib.course.results import QUESTION_COLUMNS, read_rows
from hvqlib.data.dataset import load_dataset
from hvqlib.detector.detector import Detector
from hvqlib.errors import InputError
from hvqlib.evaluation.evaluate import evaluate
from hvqlib.training.train import train


@pytest.fixture(scope="module")
def run(small_data, small_config, tmp_path_factory):
    dataset = load_dataset(small_data)
    config = replace(small_config, reading="covariance", picture=True)
    folder = train(config, dataset, tmp_path_factory.mktemp("questions") / "run", progress=False)
    return Run(Detector.load(folder, "cpu"), dataset, None)


def test_a_row_for_the_arm_and_one_for_each_reading_of_its_levels(small_data, small_config, tmp_path):
    out = tmp_path / "q.csv"
    asked = (small_data, out, ["bare"], [0], [12])
    options = {"readings": False, "base": small_config, "arms": {"bare": {"init": "random", "revive": False}}}
    assert ablate(*asked, **options, measure=Measures(levels=True)) == 1
    own, *others = read_rows(out, QUESTION_COLUMNS)
    assert own["variant"] == "bare" and all(own[c] for c in ("error", "error_rare", "settled", "rare_auroc"))
    assert own["survival"] == "" and own["scores"]  # only foundry's images can be drawn without their defect
    assert 0 < float(own["error"]) <= float(own["error_rare"])
    levels = len(["top", *range(small_config.layers)])
    assert len(others) == 1 + 3 * levels + 1 + 2 * 3 and all(row["scores"] and not row["error"] for row in others)
    assert {row["variant"] for row in others} >= {
        "bare, plan, top",
        "bare, distance, all levels",
        "bare, residual and plan",
    }
    words = shlex.split(own["command"])
    assert words[:3] == ["python", "-m", "benchmarks.questions"] and parser().parse_args(words[3:]).arms == "bare"
    assert ablate(*asked, **options, measure=Measures(levels=True)) == 0  # it is there


@torch.no_grad()
def test_errors_are_those_of_a_loop(run):
    detector, every, worst = run.detector, [], []
    for c in (0, 1):
        output = detector.model(
            run.train[run.held & (run.train_ids == c)], torch.full((int((run.held & (run.train_ids == c)).sum()),), c)
        )
        for tokens, quantizer in zip(output.tokens, detector.model.quantizer.quantizers, strict=True):
            flat = tokens.flatten(0, 1).double().numpy()
            nearest = np.array(
                [min(((t - code) ** 2).sum() for code in quantizer.codebook[c].double().numpy()) for t in flat]
            )
            share = np.sort(nearest / flat.var(0).sum())
            every.append(share.mean())
            worst.append(share[-(len(share) // 10) :].mean())
    assert run.errors() == pytest.approx((np.mean(every), np.mean(worst)), rel=1e-3)


@torch.no_grad()
def test_settled_is_one_for_the_same_ids_and_no_more_than_chance_for_drawn_ones(run, monkeypatch):
    random = np.random.default_rng(0)
    ids = torch.from_numpy(random.integers(8, size=(4, 300)))
    drawn = [torch.from_numpy(random.integers(8, size=(4, 300))) for _ in range(2)]
    for told, share in (([ids, ids, ids], 1.0), ([ids, *drawn], None)):
        monkeypatch.setattr(run, "tokens", lambda _features, _class_id, told=told: ((None, i, 0) for i in told))
        settled, chance = run.settled()
        assert 0 < chance < 0.03
        assert settled == pytest.approx(share) if share else abs(settled - chance) < 0.01
        pair = normalized_mutual_info_score(told[0].flatten(), told[1].flatten(), average_method="min")
        assert settled == pytest.approx(pair, abs=0.01)  # of codes that are used equally often


def test_rare_good_images_are_those_farthest_from_training(run, small_data):
    detector, dataset = run.detector, run.dataset
    own = evaluate(detector, dataset)
    values = []
    for name in dataset.classes:
        train_features, good = (
            torch.cat([detector.features([s.path]) for s in samples if s.class_name == name and not s.label])
            for samples in (dataset.train, dataset.test)
        )
        known = train_features.permute(0, 2, 3, 1).reshape(-1, good.shape[1])
        far = []
        for image in good:
            patches = image.permute(1, 2, 0).reshape(-1, good.shape[1])
            far.append(np.mean([min((known - patch).norm(dim=1)).item() for patch in patches]))
        scores, defective = own.scores[name]
        values.append(roc_auc_score([0, 1, 1, 1], [scores[int(np.argmax(far))], *defective]))  # a quarter of three: one
    assert run.rare_auroc(own) == pytest.approx(np.mean(values))


# In the second, three signals of which one says what the other two do, and noise: its weight would be below 0.
@pytest.mark.parametrize(
    "mix", [((1.0, 0, 0), (3.0, 4.0, 0), (0, 1.0, 2.0)), ((1.0, 0, 0), (0, 1.0, 0), (1.0, 1.0, 1))]
)
def test_joined_signals_vary_least_with_no_weight_below_0(run, mix):
    torch.manual_seed(0)
    train = torch.einsum("ij,jnhw->inhw", torch.tensor(mix), torch.randn(3, len(run.train_ids), 3, 3))
    test = torch.randn(3, len(run.test_ids), 3, 3)
    pairs = list(zip(train, test, strict=True))
    for equal in (False, True):
        joined_train, joined_test = run.joined(pairs, equal)
        for c in (0, 1):
            seen = train[:, run.held & (run.train_ids == c)].flatten(1).double().numpy()
            spreads = seen.std(1, ddof=1)
            seen = seen / spreads[:, None]
            sums_to_1 = {"type": "eq", "fun": lambda w: w.sum() - 1}
            best = np.full(3, 1 / 3)
            if not equal:  # by trying, not by a formula
                variance = lambda w, seen=seen: (w @ seen).var()  # noqa: E731
                best = minimize(variance, best, bounds=[(0, 1)] * 3, constraints=sums_to_1, tol=1e-12).x
            mine = test[:, run.test_ids == c].double().numpy() / spreads[:, None, None, None]
            expected = np.einsum("s,snhw->nhw", best, mine) / (best @ seen).std(ddof=1)
            np.testing.assert_allclose(joined_test[run.test_ids == c].numpy(), expected, rtol=5e-3, atol=5e-3)
            assert joined_train[run.held & (run.train_ids == c)].std() == pytest.approx(1, abs=1e-3)


@torch.no_grad()
def test_levels_are_measured_as_the_library_does(run):
    signals = run.level_signals(run.test, run.test_ids)
    for c in (0, 1):
        mine = run.test[run.test_ids == c]
        expected = run.detector.model.signals(mine, torch.full((len(mine),), c))
        for level in run.detector.model.level_names:
            torch.testing.assert_close(signals[f"plan, {level}"][run.test_ids == c], expected[level])
            assert (signals[f"distance, {level}"] <= signals[f"plan, {level}"] + 1e-5).all()
            assert (signals[f"distance, {level}"] <= signals[f"plan by usage, {level}"] + 1e-5).all()


def test_every_arm_is_a_configuration_and_the_default_is_among_them():
    made = {name: Config(**changes) for name, changes in ARMS.items()}
    assert made[LEVELS_OF] == Config() and len(set(map(repr, made.values()))) == len(made)
    assert not any("," in name for name in ARMS)


def test_an_arm_that_is_not_there_gets_a_sentence(small_data, tmp_path, capsys):
    assert main(["--data", str(small_data), "--arms", "magic", "--out", str(tmp_path / "q.csv")]) == 2
    assert re.match(r"benchmarks\.questions: No arm magic: choose from 512 nearest,.*\.$", capsys.readouterr().err)


def test_many_classes_are_drawn_with_masks_where_the_defect_is(tmp_path):
    tasks = [(tmp_path, *one) for one in pictures(8, 16)]
    assert [sum(t[3] == split for t in tasks) for split in ("train", "good", "defective")] == [16, 8 * 15, 8 * 30]
    assert len({t[1:3] for t in tasks}) == 8
    some = [("train", 1, None), ("good", 1, None), ("defective", 1, "stain")]
    for task in [(tmp_path, "wood", 7, *one) for one in some] + [
        t for t in tasks if t[1:3] == ("wood", 1) and t[4] < 2
    ]:
        draw(task)
    folder = tmp_path / "wood_7"
    picture, mask = (np.asarray(Image.open(next(folder.glob(f"{kind}/stain/*")))) for kind in ("test", "ground_truth"))
    clean = draw_picture("wood", "defective", 1, 7)[0].astype(int)[:, ::-1]
    moved = np.abs(np.sort(picture.astype(int), 2) - np.sort(clean, 2)).sum(2) > 30  # whatever order the colours have
    assert moved.any() and (mask[moved] == 255).mean() > 0.99
    assert load_dataset(tmp_path).classes == ("wood_1", "wood_7")
    for variant in range(24):
        made = changed(np.arange(27, dtype=np.uint8).reshape(3, 3, 3), variant)
        assert sorted(np.minimum(made, 255 - made).flatten()) == list(range(27)), variant
    with pytest.raises(InputError, match="choose from 1 to 144"):
        list(pictures(145, 16))
