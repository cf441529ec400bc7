"""What every notebook keeps to, read from the files; nbval runs them (`make test`)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from tests import ranges

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
ROAD = sorted(FOLDER.glob("*.ipynb"))  # the course
DEEPER = sorted(FOLDER.glob("deeper/*.ipynb"))  # for the curious: nothing of the course needs them
PATHS = [*ROAD, *DEEPER]
ORDER = [path.stem for path in ROAD]
GLOSSARY = FOLDER / "glossary.md"
# What always leaves an output.
PRODUCING = {"print", "show", "check", "equal", "panel", "paint_panel", "display", "predict", "reveal"}
# What each kind of check prints in a saved notebook.
CHECKS = {"check": "○ {}: nothing here yet.", "equal": "equal: {}", "check_solution": ""}


@pytest.fixture(params=PATHS, ids=[path.relative_to(FOLDER).with_suffix("").as_posix() for path in PATHS])
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def notebook(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose(notebook: NotebookNode) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def calls(source: str) -> list[ast.Call]:
    """Calls at the top level of a cell, outside functions, that are statements of their own."""
    return [s.value for s in ast.parse(source).body if isinstance(s, ast.Expr) and isinstance(s.value, ast.Call)]


def name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else ""


def is_check(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and any(name(call) in CHECKS for call in calls(cell.source))


def printed(cell: NotebookNode) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def pictured(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and any("image/png" in output.get("data", {}) for output in cell.outputs)


def test_the_course_is_numbered_without_a_gap() -> None:
    assert ORDER, f"no notebook in {FOLDER}"
    assert [stem[:3] for stem in ORDER] == [f"{i:02d}_" for i in range(len(ORDER))]


def test_file(path: Path, notebook: NotebookNode) -> None:
    nbformat.validate(notebook)
    assert path.stat().st_size < 1_500_000
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata, "run `make tidy`: code hosts cannot show widget state"
    text = prose(notebook)
    assert not re.search(r"!\[[^\]]*\]\(\s*http|<img[^>]*src=.http", text), "a picture from the network"


def test_run_whole_and_in_order_without_complaint(notebook: NotebookNode) -> None:
    cells = code(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "run it whole, in order"
    for cell in cells:
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", f"a warning on screen: {output.text}"
        if any(name(call) in PRODUCING for call in calls(cell.source)):
            assert cell.outputs, f"its output is missing: {cell.source}"


def test_code(notebook: NotebookNode) -> None:
    for cell in code(notebook):
        assert len(cell.source.splitlines()) <= 30, cell.source
        assert not cell.source.rstrip().endswith(";"), "nbval compares what a trailing ; hides"
        assert not re.search(r"\binteract|\bOutput\(|pyplot|^[%!]", cell.source, re.M), cell.source
        loose = "nbval-ignore-output" in cell.metadata.get("tags", ())
        assert len(ranges.of(cell.source)) == loose, "an output that is not compared needs a range in tests/ranges.py"


def test_each_range_is_of_one_cell() -> None:
    sources = [cell.source for path in PATHS for cell in code(nbformat.read(path, as_version=4))]
    for text, condition in ranges.RANGES.items():
        assert sum(text in source for source in sources) == 1, text
        ast.parse(condition, mode="eval")


def test_anatomy(path: Path, notebook: NotebookNode) -> None:
    first = notebook.cells[0].source
    assert first.startswith(f"# {path.stem[:2]} · " if path in ROAD else "# Deeper · ")
    for part in (r"\*\*Question\.\*\* .*\?", r"\*\*You need\.\*\* \w", r"\*\*Time\.\*\* \d+ min to read and run"):
        assert re.search(part, first), part
    if path not in ROAD:
        return
    text = prose(notebook)
    assert text.count("**Predict.**") >= 2
    heads = re.findall(r"^## (.+)", text, re.M)
    assert heads[-3:] == ["Summary", "Recall", "References"], heads
    recall, references = text.split("## Recall")[1].split("## References")
    assert recall.count("<details>") == recall.count("</details>") == recall.count("<summary>") == 5
    assert re.search(r"Lu et al\..*section \d", references), "the paper, with its section"
    equation = next(
        (i for i, cell in enumerate(notebook.cells) if "$" in cell.source and not cell.get("outputs")), 10**6
    )
    picture = next(i for i, cell in enumerate(notebook.cells) if pictured(cell))
    assert picture < equation, "a picture comes before the first equation"


of_the_course = pytest.mark.parametrize("path", ROAD, ids=ORDER)


@of_the_course
def test_no_cell_of_code_is_over_twelve_lines(path: Path, notebook: NotebookNode) -> None:
    assert [cell.source for cell in code(notebook) if len(cell.source.splitlines()) > 12] == []


@of_the_course
def test_a_sentence_says_what_to_see_in_each_picture(path: Path, notebook: NotebookNode) -> None:
    """It stands right under the picture; under a widget's static picture for both."""
    cells = notebook.cells
    for cell, after in zip(cells, [*cells[1:], None], strict=True):
        if pictured(cell):
            assert after is not None and after.cell_type == "markdown", cell.source
            assert after.source.startswith("**What to see.** "), cell.source


@of_the_course
def test_predictions_are_kept_and_shown_against_what_was_measured(path: Path, notebook: NotebookNode) -> None:
    made: dict[str, list[tuple[int, str]]] = {"predict": [], "reveal": []}
    for i, cell in enumerate(code(notebook)):
        for call in calls(cell.source):
            if name(call) in made:
                first = call.args[0]
                assert isinstance(first, ast.Constant) and str(first.value).startswith(path.stem[:2] + " "), cell.source
                made[name(call)].append((i, first.value))
    asked, shown = ({what: i for i, what in found} for found in (made["predict"], made["reveal"]))
    assert len(asked) >= 2 and asked.keys() == shown.keys() and all(i < shown[what] for what, i in asked.items())


@of_the_course
def test_words_are_linked_to_the_glossary(path: Path, notebook: NotebookNode) -> None:
    anchors = {
        re.sub(r"\W+", "-", head.lower()) for head in re.findall(r"^### (.+)", GLOSSARY.read_text("utf-8"), re.M)
    }
    linked = re.findall(r"\]\(glossary\.md#([\w-]+)\)", prose(notebook))
    assert len(linked) == len(set(linked)) and len(linked) >= 3 and set(linked) <= anchors


def test_every_widget_has_a_static_twin(path: Path, notebook: NotebookNode) -> None:
    cells = code(notebook)
    moved = [
        i for i, cell in enumerate(cells) if any(name(call) in ("panel", "paint_panel") for call in calls(cell.source))
    ]
    assert moved or path in DEEPER, "nothing to move"
    for i in moved:
        moves, below = calls(cells[i].source)[-1], cells[i + 1].source
        drawn = f"{ast.unparse(moves.args[0])}("  # an easel is given an answer, which is shown as a picture
        assert f"show({drawn}" in below or name(moves) == "paint_panel", cells[i].source
        assert pictured(cells[i + 1]) and "show(" in below and drawn in below, cells[i].source


def test_checks_answer_in_a_sentence(path: Path, notebook: NotebookNode) -> None:
    """Nothing but checks in their cell, the reader's code inside a lambda: a wrong answer is no traceback.

    `make test` also gives each of them wrong answers: tests/wrong_answers.py.
    """
    found = [cell for cell in code(notebook) if is_check(cell)]
    for cell in found:
        statements = ast.parse(cell.source).body
        made = calls(cell.source)
        assert len(made) == len(statements) and all(name(call) in CHECKS for call in made), cell.source
        for call in made:
            what, mine, truth, *_ = call.args
            assert isinstance(what, ast.Constant)
            assert isinstance(mine, ast.Lambda) and isinstance(truth, ast.Lambda), cell.source
            hints = [keyword.value for keyword in call.keywords if keyword.arg == "hints"]
            assert len(hints) == (name(call) == "check")
            for pair in hints:
                first, second = (hint.value for hint in pair.elts)
                assert min(len(first), len(second)) > 15 and max(len(first), len(second)) <= 170, (first, second)
        wanted = [CHECKS[name(call)].format(call.args[0].value) for call in made if CHECKS[name(call)]]
        assert printed(cell).splitlines() == wanted  # untouched exercises show no hint, solutions nothing
    assert len(found) > 2 or path in DEEPER


def test_exercises_have_a_stub_a_check_and_a_folded_solution(path: Path, notebook: NotebookNode) -> None:
    cells = notebook.cells
    starts = [i for i, cell in enumerate(cells) if cell.source.startswith("### Exercise ")]
    assert (2 if path in ROAD else 0) <= len(starts) <= 4
    assert [int(cells[i].source.split()[2]) for i in starts] == list(range(1, len(starts) + 1))
    for i in starts:
        stub, asked, fold, solution, solved, after = cells[i + 1 : i + 7]
        assert "..." in stub.source
        assert is_check(asked) and printed(asked).startswith("○"), asked.source
        assert fold.source.startswith("### Solution")
        assert fold.metadata.get("jp-MarkdownHeadingCollapsed") is True
        assert solution.cell_type == "code" and "..." not in solution.source
        assert is_check(solved) and not printed(solved), solved.source
        assert {name(call) for call in calls(solved.source)} == {"check_solution"}
        assert re.match("##+ ", after.source), "a heading must end the folded part"


def bound(source: str) -> set[str]:
    """Names that a cell binds, outside its functions and comprehensions."""
    names: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif not isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            waiting += ast.iter_child_nodes(node)
    return names


def needed(function: str, sources: list[str]) -> set[str]:
    """Names outside of a function that it reads, itself and what it calls included."""
    found = {n.name: n for source in sources for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef)}
    names, waiting = set(), [function]
    while waiting:
        name = waiting.pop()
        if name not in names:
            names.add(name)
            if name in found:
                inside = [n for n in ast.walk(found[name]) if isinstance(n, ast.Name)]
                local = {n.id for n in inside if isinstance(n.ctx, ast.Store)}
                local |= {n.arg for n in ast.walk(found[name]) if isinstance(n, ast.arg)}
                waiting += [n.id for n in inside if n.id not in local]
    return names


def rebound(sources: list[str]) -> list[tuple[str, set[str]]]:
    """Drawing functions of widgets, and names they need that a later cell binds anew, so that they draw nonsense."""
    found = []
    for i, source in enumerate(sources):
        for call in calls(source):
            if name(call) in ("panel", "paint_panel") and call.args and isinstance(call.args[0], ast.Name):
                names = needed(call.args[0].id, sources)
                found += [(call.args[0].id, names & bound(later)) for later in sources[i + 1 :] if names & bound(later)]
    return found


def test_no_later_cell_takes_a_name_from_a_widget(notebook: NotebookNode) -> None:
    assert rebound([cell.source for cell in code(notebook)]) == []
    toy = ["scale = 2\ndef line(x):\n    return scale * x\ndef draw(x):\n    return line(x)", "panel(draw, x=1)"]
    assert rebound([*toy, "rest = [scale for scale in (1, 2)]"]) == []
    assert rebound([*toy, "for scale in (1, 2):\n    pass"]) == [("draw", {"scale"})]
