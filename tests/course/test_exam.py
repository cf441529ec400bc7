"""The exam: questions and answers belong together, sums are right, numbers and programs are what the answers say."""

from __future__ import annotations

import ast
import io
import json
import math
import re
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import ot
import pytest
import torch
from scipy import optimize, stats
from scipy.spatial.distance import mahalanobis
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, precision_score, r2_score, roc_auc_score
from sklearn.metrics import precision_recall_curve as recall_curve
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from hvqlib.course.copies import copy_course

ROOT = Path(__file__).resolve().parents[2]
EXAM, NOTEBOOKS = ROOT / "teaching" / "exam", ROOT / "notebooks"
KINDS = {"Explain", "Compute", "Read", "Fault", "Design"}
SOURCES = {path.name[:2]: path for path in sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))}
NUMBER = r"-?\d+(?:,\d{3})*(?:\.\d+)?"


class Question(NamedTuple):
    kind: str
    points: int
    minutes: int
    text: str


def parts(file: str) -> dict[str, tuple[str, str]]:
    """Read what stands under each `### NN.N`: number -> rest of the heading, text."""
    found = re.split(r"^### (\d\d\.\d)(.*)\n", (EXAM / file).read_text("utf-8").split("\n## Papers\n")[0], flags=re.M)
    texts = [re.split(r"^## ", text, flags=re.M)[0] for text in found[3::3]]
    return {number: (head, text) for number, head, text in zip(found[1::3], found[2::3], texts, strict=True)}


def question(head: str, text: str) -> Question:
    said = re.fullmatch(r" · (\w+) · (\d+) points · (\d+) minutes", head)
    assert said, head
    return Question(said[1], int(said[2]), int(said[3]), text)


QUESTIONS = {number: question(*part) for number, part in parts("questions.md").items()}
ANSWERS = {number: text for number, (_, text) in parts("answers.md").items()}
FAULTY = [number for number, one in QUESTIONS.items() if one.kind == "Fault"]
each = pytest.mark.parametrize("number", QUESTIONS)


def cells(number: str) -> list[dict[str, Any]]:
    return json.loads(SOURCES[number[:2]].read_text("utf-8"))["cells"]


def printed(number: str) -> set[str]:
    """Lines that the notebook of a question printed, with single spaces."""
    outputs = [out for cell in cells(number) for out in cell.get("outputs", ())]
    lines = "".join("".join(out.get("text", "")) for out in outputs).splitlines()
    return {" ".join(line.split()) for line in lines}


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.M | re.S)


def inline(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))


def given(number: str) -> dict[str, Any]:
    """What a question gives as `name = value`."""
    pairs = [code.split(" = ", 1) for code in inline(QUESTIONS[number].text) if " = " in code]
    return {name: ast.literal_eval(value) for name, value in pairs}


def run(program: str) -> tuple[str, dict[str, Any]]:
    """What a program prints, and the names that it leaves."""
    names: dict[str, Any] = {"np": np, "torch": torch, "math": math}
    with redirect_stdout(io.StringIO()) as out:
        exec(compile(program, "exam", "exec"), names)
    return out.getvalue().strip(), names


def cautious(higher: int, number: int) -> float:
    """Clopper and Pearson's upper end at 80 %, by scipy."""
    return stats.binomtest(higher, number, alternative="less").proportion_ci(0.8, "exact").high


# Structure


def test_questions_and_answers_have_the_same_numbers() -> None:
    assert list(QUESTIONS) == list(ANSWERS) == sorted(QUESTIONS)
    assert Counter(number[:2] for number in QUESTIONS) == dict.fromkeys(SOURCES, 3) and len(SOURCES) == 14
    assert {one.kind for one in QUESTIONS.values()} == KINDS
    for file in ("questions.md", "answers.md"):
        headings = re.findall(r"^## Notebook (\d\d) · (.+)$", (EXAM / file).read_text("utf-8"), flags=re.M)
        assert headings == [
            (number, "".join(cells(number)[0]["source"]).split("\n")[0].split(" · ", 1)[1]) for number in SOURCES
        ]


@each
def test_points_add_up(number: str) -> None:
    asked, answer = QUESTIONS[number], ANSWERS[number]
    assert 2 <= asked.points <= 8 and 4 <= asked.minutes <= 12
    earned = re.findall(r"^- (\d) points?: ", answer, flags=re.M)
    assert len(earned) >= 2 and sum(map(int, earned)) == asked.points
    worth = re.findall(rf"(\d)\s+of\s+{asked.points}\b", answer.split("**Wrong answer to expect.**")[1])
    assert len(worth) == 1 and 0 <= int(worth[0]) < asked.points


@each
def test_links_lead_to_headings(number: str) -> None:
    links = re.findall(r"\[([^\]]+)\]\(\.\./\.\./notebooks/(\w+\.ipynb)#(.+?)\)(?=[\s.,;]|$)", ANSWERS[number])
    assert links and ANSWERS[number].count("](") == len(links)
    assert SOURCES[number[:2]].name in {file for _, file, _ in links} and "**Where.**" in ANSWERS[number]
    for head, file, anchor in links:
        texts = ["".join(cell["source"]) for cell in cells(file) if cell["cell_type"] == "markdown"]
        assert re.search(rf"^##+ {re.escape(head)}$", "\n".join(texts), flags=re.M), head
        assert anchor == head.replace(" ", "-")


@each
def test_what_a_notebook_is_said_to_print_it_printed(number: str) -> None:
    quoted = [line for block in blocks(QUESTIONS[number].text, "text") for line in block.splitlines()]
    assert {" ".join(line.split()) for line in quoted} <= printed(number)
    if QUESTIONS[number].kind == "Read":
        assert quoted


def papers() -> dict[str, list[tuple[str, int, int]]]:
    text = (EXAM / "questions.md").read_text("utf-8").split("\n## Papers\n")[1]
    found = {
        part.split("\n")[0]: re.findall(r"^\| (\S+) \| (\d+) \| (\d+) \|$", part, re.M)
        for part in text.split("\n### ")[1:]
    }
    return {name: [(n, int(p), int(m)) for n, p, m in rows] for name, rows in found.items()}


def test_papers_add_up() -> None:
    made = papers()
    assert len(made) == 2
    for name, rows in made.items():
        minutes, first, last = map(int, re.findall(r"\d+", name))
        *asked, (word, points, stated) = rows
        assert (word, points, stated) == ("sum", sum(row[1] for row in asked), sum(row[2] for row in asked))
        assert stated == minutes - 5
        for number, of_it, long in asked:
            assert (of_it, long) == QUESTIONS[number][1:3] and first <= int(number[:2]) <= last
    numbers = [row[0] for rows in made.values() for row in rows[:-1]]
    assert len(set(numbers)) == len(numbers)


def test_no_copy_holds_the_exam(tmp_path: Path) -> None:
    for students in (True, False):
        copy_course(tmp_path / str(students), students=students)
        held = {path.name for path in (tmp_path / str(students)).rglob("*")}
        assert held and not held & {"teaching", "exam", "questions.md", "answers.md"}


# Numbers


def a_00_1(scores: list[float], highest: list[float]) -> dict[str, Any]:
    at_least = [sum(h >= s for h in highest) for s in scores]
    assert all(s >= min(highest) for s in scores)  # the other 37 cannot matter
    return {"p_values": [100 * cautious(h, 42) for h in at_least], "counted": [100 * h / 42 for h in at_least]}


def a_01_1(normal: list[float], defective: list[float]) -> dict[str, Any]:
    def area(good: list[float], bad: list[float]) -> float:
        return roc_auc_score([0] * len(good) + [1] * len(bad), good + bad)

    more = [[100 if x == max(some) else x for x in some] for some in (normal, defective)]
    squares = [[x**2 for x in some] for some in (normal, defective)]
    return {"auroc": area(normal, defective), "high_normal": area(more[0], defective),
            "high_defective": area(normal, more[1]), "squared": area(*squares)}  # fmt: skip


def a_01_2(prevalence: float, tpr: float, fpr: float) -> dict[str, Any]:
    bad = round(10_000 * prevalence)
    label, call = [1, 1, 0, 0], [1, 0, 1, 0]  # the four cells of the table of mistakes, and how many parts are in each
    weight = [bad * tpr, bad * (1 - tpr), (10_000 - bad) * fpr, (10_000 - bad) * (1 - fpr)]
    return {"found": weight[0], "alarmed": weight[2], "true_alarms": precision_score(label, call, sample_weight=weight),
            "accuracy": accuracy_score(label, call, sample_weight=weight),
            "lazy": accuracy_score(label, [0] * 4, sample_weight=weight)}  # fmt: skip


def a_01_3() -> dict[str, Any]:
    def precision(n: float) -> float:
        return precision_score([1, 0], [1, 1], sample_weight=[0.80, 0.012 * n])

    return {"normal_pixels": optimize.brentq(lambda n: precision(n) - 0.40, 1, 10_000)}


def a_03_1(r: int, D: int) -> dict[str, Any]:  # noqa: N803
    rng = np.random.default_rng(0)
    kept = np.linalg.svd(rng.normal(size=(500, D)), full_matrices=False)[2][:r]
    noise = rng.normal(size=(20_000, D))
    slope = np.linalg.lstsq(noise.reshape(-1, 1), (noise @ kept.T @ kept).ravel(), rcond=None)[0][0]
    return {"noise_survival": slope}


def a_03_2(delta: list[list[float]], rebuilt: list[list[float]]) -> dict[str, Any]:
    first, later = np.ravel(delta), np.ravel(rebuilt)
    slope = np.linalg.lstsq(first[:, None], later, rcond=None)[0][0]
    return {"survival": slope, "length_ratio": np.linalg.norm(later) / np.linalg.norm(first)}


def a_03_3() -> dict[str, Any]:
    lines = blocks(QUESTIONS["03.3"].text, "text")[0].splitlines()
    found = [re.findall(r"(?:worst|defect) ([\d.]+)", line) for line in lines]
    hvq, continuous = (float(defect) / float(worst) for worst, defect in found)
    return {"hvq_ratio": hvq, "continuous_ratio": continuous}


def a_04_1(prototypes: list[float], z: float, target: float, beta: float, rate: float) -> dict[str, Any]:
    def nearest(token: torch.Tensor) -> torch.Tensor:
        return min(torch.tensor(prototypes), key=lambda e: abs(e - token))

    token = torch.tensor(z, requires_grad=True)
    code = nearest(token.detach())
    pull = beta * (token - code) ** 2
    loss = (token + (code - token).detach() - target) ** 2 + pull
    slope, bare = (torch.autograd.grad(x, token, retain_graph=True)[0].item() for x in (loss, pull))
    moved = token.detach() - rate * slope
    return {"code": code.item(), "loss": loss.item(), "gradient": slope, "bare_gradient": bare, "moved": moved.item(),
            "new_code": nearest(moved).item()}  # fmt: skip


def a_04_2(N: float, S: list[float], gamma: float, tokens: list[list[float]]) -> dict[str, Any]:  # noqa: N803
    count, sums = [N], [np.array(S, float)]
    for batch in (np.array(tokens), np.zeros((0, 2))):
        count.append(np.average([count[-1], len(batch)], weights=[gamma, 1 - gamma]))
        sums.append(np.average([sums[-1], batch.sum(0)], axis=0, weights=[gamma, 1 - gamma]))
    places = [s / n for s, n in zip(sums, count, strict=True)]
    return {"before": places[0], "count": count[1], "sums": sums[1], "after": places[1], "later_count": count[2],
            "later_sums": sums[2], "later": places[2]}  # fmt: skip


def a_05_1(ids: list[int], K: int) -> dict[str, Any]:  # noqa: N803
    shares = np.bincount(ids, minlength=K) / len(ids)
    even = (shares > 0) / (shares > 0).sum()
    return {"usage": np.mean(shares > 0), "perplexity": np.exp(stats.entropy(shares)), "most": 196 / 512,
            "even_usage": np.mean(even > 0), "even_perplexity": np.exp(stats.entropy(even))}  # fmt: skip


def a_05_2() -> dict[str, Any]:
    start = np.linalg.norm([0.0, 2.0])
    wrong, right = (run(blocks(text, "python")[0])[1]["codebook"] for text in (QUESTIONS["05.2"].text, ANSWERS["05.2"]))
    return {"times": np.linalg.norm(wrong[1]) / start, "length": np.linalg.norm(right[1]).round(3)}


def a_06_1(a: list[float], b: list[float], M: list[list[float]]) -> dict[str, Any]:  # noqa: N803
    costs = np.array(M, float)
    to = costs.argmin(1)
    best = ot.emd(np.array(a, float), np.array(b, float), costs)
    f, g = [0, -1], [1, 4, 4]
    assert (np.add.outer(f, g) <= costs).all()
    assert np.add.outer(f, g)[best > 0] == pytest.approx(costs[best > 0])
    return {"nearest_cost": np.dot(a, costs.min(1)), "columns": np.bincount(to, weights=a, minlength=3),
            "plan": best.ravel(), "cost": ot.emd2(np.array(a, float), np.array(b, float), costs), "f": f, "g": g,
            "bill": np.dot(a, f) + np.dot(b, g)}  # fmt: skip


def a_06_2(E: list[list[float]]) -> dict[str, Any]:  # noqa: N803
    half, costs = np.full(2, 0.5), -np.log(E)
    rows = 0.5 * torch.softmax(-torch.tensor(costs), 1).numpy()
    with pytest.warns(UserWarning, match="Sinkhorn"):  # POT: one round is not enough; it begins with columns, hence T
        both = ot.sinkhorn(half, half, costs.T, 1.0, numItermax=1).T
    return {"rows_right": rows.ravel(), "column_sums": rows.sum(0), "columns_right": both.ravel(),
            "row_sums": both.sum(1)}  # fmt: skip


def a_07_1(q: list[float], keys: list[list[float]], values: list[list[float]]) -> dict[str, Any]:
    query, k, v = (torch.tensor(x, dtype=torch.float64) for x in ([q], keys, values))
    attend = torch.nn.functional.scaled_dot_product_attention
    eye = torch.eye(3, dtype=torch.float64)
    return {"scores": (query @ k.T / 2)[0], "weights": attend(query, k, eye)[0], "answer": attend(query, k, v)[0],
            "cold": attend(1e4 * query, k, v)[0], "hot": attend(1e-9 * query, k, v)[0],
            "undivided": attend(query, k, eye, scale=1.0)[0]}  # fmt: skip


def a_08_1(decay: float, images: int, batch: int, start: float) -> dict[str, Any]:
    def below(count: float) -> int:
        steps = 0
        while count >= 0.1:
            count, steps = decay * count, steps + 1
        return steps

    return {"steps": below(1.0), "epochs": below(1.0) / math.ceil(images / batch), "sooner": below(start)}


def a_09_1(mu: list[float], Sigma: list[list[float]], r1: Any, r2: Any, n: int, s: int) -> dict[str, Any]:  # noqa: N803
    inverse = np.linalg.inv(Sigma)
    assert 3 * inverse == pytest.approx(np.array([[2, -1], [-1, 2]]))
    return {"lengths": [math.dist(r, mu) for r in (r1, r2)], "weight": n / (n + s),
            "distances": [mahalanobis(r, mu, inverse) for r in (r1, r2)],
            "no_mean": [mahalanobis(r, [0, 0], inverse) for r in (r1, r2)]}  # fmt: skip


def a_09_2(labels: list[int]) -> dict[str, Any]:
    label, score = np.array(labels), -np.arange(len(labels))
    twice = np.where(label == 0, 2, 1)
    walk = [f1_score(label, np.arange(6) < called) for called in range(1, 7)]
    precision, recall, _ = recall_curve(label, score)
    assert max(walk) == pytest.approx(np.max(2 * precision * recall / (precision + recall + 1e-12)))
    return {"ap": average_precision_score(label, score), "f1": walk, "f1max": max(walk),
            "called": 1 + int(np.argmax(walk)), "auroc": roc_auc_score(label, score),
            "doubled_ap": average_precision_score(label, score, sample_weight=twice),
            "doubled_auroc": roc_auc_score(label, score, sample_weight=twice)}  # fmt: skip


def a_10_2(
    unseen: list[float], codes: list[str], places: list[str], code_means: Any, place_means: Any
) -> dict[str, Any]:
    return {"by_code": r2_score(unseen, [code_means[k] for k in codes]),
            "by_place": r2_score(unseen, [place_means[k] for k in places])}  # fmt: skip


def a_11_1(d1: list[float], d2: list[float]) -> dict[str, Any]:
    found: dict[str, Any] = {"seeds": 4 * len(d1)}
    for i, d in enumerate((d1, d2), 1):
        t = stats.ttest_1samp(d, 0).confidence_interval(0.95)
        wide = stats.t.interval(0.95, len(d) - 1, np.mean(d), np.std(d, ddof=1))
        found |= {f"mean{i}": np.mean(d), f"s{i}": np.std(d, ddof=1), f"interval{i}": t, f"undivided{i}": wide}
    shown = [np.prod(found[f"interval{i}"]) > 0 and abs(found[f"mean{i}"]) >= 0.5 for i in (1, 2)]
    assert shown == [True, False] and len(set(np.sign(d2))) == 1
    return found


def a_12_1(products: int, each: int) -> dict[str, Any]:
    promising = products * (each // 5) // 2

    def least(rate: float) -> int:
        return next(n for n in range(1, 1000) if cautious(0, n) <= rate)

    assert cautious(0, promising) > 0.05
    return {"promising": promising, "least_rate": cautious(0, promising), "missing": least(0.05) - promising,
            "needed": least(0.02)}  # fmt: skip


def a_13_1(images: int, passes: int, batch: int, seconds: float) -> dict[str, Any]:
    left = np.arange(images - images // 5)
    steps, fewer = (passes * len(np.array_split(left, range(size, len(left), size))) for size in (batch, 2 * batch))
    assert fewer * 2 * seconds == steps * seconds
    return {"steps": steps, "hours": steps * seconds / 3600, "larger_batch": fewer, "wrong_pairs": 4.0 / 1.6}


RESULTS: dict[str, Callable[..., dict[str, Any]]] = {
    name[2:].replace("_", "."): value for name, value in list(globals().items()) if re.fullmatch(r"a_\d\d_\d", name)
}
RESULTS["11.2"] = lambda: {"by_luck": 12 * stats.binomtest(3, 3).pvalue}


def as_written(value: str) -> tuple[list[float], list[float], float]:
    """Numbers as they stand, half a unit of the last decimal of each, and 100 where they are in percent."""
    written = re.findall(NUMBER, value)
    halves = [0.5 * 10.0 ** -len(x.partition(".")[2]) for x in written]
    return [float(x.replace(",", "")) for x in written], halves, 100.0 if value.endswith("%") else 1.0


def told(number: str) -> tuple[dict[str, str], dict[str, str]]:
    """What an answer writes as `left = value`: names, and sums to be done."""
    codes = [code.rsplit(" = ", 1) for code in inline(ANSWERS[number]) if " = " in code]
    pairs = [(left, right) for left, right in codes if re.fullmatch(rf"[(),\s]*(?:{NUMBER}[(),\s]*)+%?", right)]
    assert all(right == dict(pairs)[left] for left, right in pairs), "one name, two values"
    names, sums = ({left: right for left, right in pairs if left.isidentifier() == name} for name in (True, False))
    return names, sums


@each
def test_numbers_are_recomputed(number: str) -> None:
    names, sums = told(number)
    computed = RESULTS[number](**given(number)) if number in RESULTS else {}
    assert set(names) == set(computed)
    if QUESTIONS[number].kind == "Compute":
        assert computed
    done = {left: eval(left, {"log": math.log, "exp": math.exp, "sqrt": math.sqrt}) for left in sums}
    for left, value in {**computed, **done}.items():
        written, halves, factor = as_written({**names, **sums}[left])
        exact = factor * np.atleast_1d(np.asarray(value, dtype=float))
        assert len(written) == len(exact), left
        assert all(abs(w - x) <= h + 1e-9 for w, x, h in zip(written, exact, halves, strict=True)), (left, value)


def outside(text: str) -> str:
    """Leave out programs, code and the targets of links."""
    return re.sub(r"^```.*?^```$|`[^`]*`|\]\([^ ]*", " ", text, flags=re.M | re.S)


def numbers(text: str) -> set[str]:
    """Find the numbers of a text that have a decimal or are 10 or more, without sign and commas."""
    found = {x.replace(",", "").lstrip("-") for x in re.findall(NUMBER, text)}
    return {x for x in found if "." in x or len(x) > 1}


@each
def test_no_number_comes_from_nowhere(number: str) -> None:
    """Check numbers outside of code, with a decimal or from 10 on.

    Those of an answer are in its question, its code or a notebook linked to; those of a read result in its notebook.
    """
    asked, answer = QUESTIONS[number], ANSWERS[number]
    files = {SOURCES[number[:2]].name, *re.findall(r"notebooks/(\w+\.ipynb)", answer)}
    pages = "".join((NOTEBOOKS / file).read_text("utf-8") for file in files)
    assert not numbers(outside(answer)) - numbers(asked.text + " ".join(inline(answer)) + pages)
    if asked.kind == "Read":
        assert not numbers(outside(asked.text)) - numbers(pages)


# Programs


def right_00_2(names: dict[str, Any]) -> bool:
    scores = np.array([4.0, 1.0, 1.0, 7.0, 2.0])
    tried = [min(t for t in scores if (scores > t).sum() <= n) for n in range(5)]
    return [names["lowest_threshold"](scores, n) for n in range(5)] == tried


def right_02_2(names: dict[str, Any]) -> bool:
    train, new = names["train"], names["new"]
    scaler = StandardScaler().fit(np.moveaxis(train, 1, 3).reshape(-1, 3))
    theirs = np.moveaxis(scaler.transform(np.moveaxis(new, 1, 3).reshape(-1, 3)).reshape(10, 14, 14, 3), 3, 1)
    return np.allclose(names["standardise"](train, new), theirs)


def right_04_3(names: dict[str, Any]) -> bool:
    z, q = torch.randn(6, requires_grad=True), torch.randn(6)
    out, push = names["straight_through"](z, q), torch.randn(6)
    return torch.allclose(out, q) and torch.allclose(torch.autograd.grad(out @ push, z)[0], push)


def right_05_2(names: dict[str, Any]) -> bool:  # a prototype that nobody chose has not moved
    return np.allclose(names["codebook"][1], [0, 2], atol=1e-3)


def right_07_2(names: dict[str, Any]) -> bool:
    q, k, v = torch.randn(3, 4), torch.randn(5, 4), torch.randn(5, 4)
    theirs = torch.nn.functional.scaled_dot_product_attention(q[None], k[None], v[None])[0]
    return torch.allclose(names["attend"](q, k, v), theirs, atol=1e-5)


def right_08_2(names: dict[str, Any]) -> bool:
    w = torch.tensor(1.0, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        (w**2).backward()
        optimizer.step()
    return bool(torch.isclose(names["w"], w))


def right_12_2(names: dict[str, Any]) -> bool:
    tokens = np.random.default_rng(0).normal(size=(5, 4, 3))
    theirs = [
        NearestNeighbors(n_neighbors=1).fit(np.delete(tokens, j, 0).reshape(-1, 3)).kneighbors(tokens[j])[0].max()
        for j in range(5)
    ]
    return np.allclose(names["leave_one_out"](torch.tensor(tokens)), theirs, atol=1e-6)


def right_13_2(names: dict[str, Any]) -> bool:  # no bias, over many trainings
    looks = 90 + np.random.default_rng(1).normal(0, 1, (300, 50, 15))
    last, best, each_best = (np.array(x) for x in zip(*((one[-1].mean(), one.mean(1).max(), one.max(0).mean())
                                                        for one in looks), strict=True))  # fmt: skip
    assert (last <= best).all() and (best <= each_best).all() and each_best.mean() > 91.5
    return abs(np.mean([names["report"](one) for one in looks]) - 90) < 0.1


RIGHT = {name[6:].replace("_", "."): value for name, value in list(globals().items()) if name.startswith("right_")}


@pytest.mark.parametrize("number", FAULTY)
def test_the_fault_is_the_stated_one(number: str) -> None:
    (wrong,), (right,) = (blocks(text, "python") for text in (QUESTIONS[number].text, ANSWERS[number]))
    assert ast.parse(wrong) and ast.parse(right) and 6 <= sum(map(bool, map(str.strip, wrong.splitlines()))) <= 10
    prints = re.search(r"[Ii]t\s+prints\s+`([^`]+)`;\s+it\s+should\s+print\s+`([^`]+)`", ANSWERS[number])
    assert prints
    for program, expected, good in ((wrong, prints[1], False), (right, prints[2], True)):
        said, names = run(program)
        assert said == expected and bool(RIGHT[number](names)) is good
    assert prints[1] != prints[2]


def test_all_programs_are_tried() -> None:
    assert set(RIGHT) == set(FAULTY) and len(FAULTY) >= 6
    assert {number for number, one in QUESTIONS.items() if blocks(one.text, "python")} == set(FAULTY)
