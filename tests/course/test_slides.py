"""The slides: what they show stands on the pages they are made of, and no slide holds too much."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from hvqlib.errors import InputError
from tests.conftest import script

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
PAGES = sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))


@pytest.fixture(scope="module")
def build() -> ModuleType:
    return script("build_slides")


def wanted(page: Path) -> list[tuple[str, str]]:
    """What the cells of a page ask for, with the ids of the cells, straight from the file."""
    cells = json.loads(page.read_text(encoding="utf-8"))["cells"]
    return [(cell["id"], item) for cell in cells for item in cell["metadata"].get("slide", ())]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_short_deck_for_each_notebook(build: ModuleType, page: Path) -> None:
    made = build.slides(page)
    assert 7 <= len(made) <= 14
    assert len(made) == sum(item.startswith("---") for _, item in wanted(page))
    for slide in made:
        assert slide.body, f"'{slide.title}' is empty"
        assert slide.title and slide.notes, f"'{slide.title}', {slide.cells}: the speaker has nothing to say"
        limit = 55 if any(part.startswith("<img") for part in slide.body) else 90
        assert build.words(slide) <= limit, f"'{slide.title}': {build.words(slide)} words"
    assert any("<img" in part for slide in made for part in slide.body)


def test_the_lecture_is_of_about_thirty_slides(build: ModuleType) -> None:
    told = {page.stem[:2]: sum(slide.lecture for slide in build.slides(page)) for page in PAGES}
    assert 28 <= sum(told.values()) <= 36
    assert {"00", "01", "03", "04", "07"} <= {number for number, slides in told.items() if slides}  # of the path


def toy(folder: Path, items: list[str], source: str = "## 1 · A heading\n\nSome words, and others.") -> Path:
    code = {
        "cell_type": "code", "id": "b", "source": "1 + 1", "metadata": {"slide": ["printed"]},
        "outputs": [{"output_type": "stream", "name": "stdout", "text": ["a < b\n"]}],
    }  # fmt: skip
    first = {"cell_type": "markdown", "id": "a", "source": source, "metadata": {"slide": items}}
    path = folder / "99_toy.ipynb"
    path.write_text(json.dumps({"cells": [first, code]}), encoding="utf-8")
    return path


def test_a_slide_is_made_of_what_a_page_says(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path)
    (tmp_path / "notebooks").mkdir()
    page = toy(tmp_path / "notebooks", ["--- lecture", "## 1 · A heading", "Some words"])
    [slide] = build.slides(page)
    assert (slide.title, slide.lecture, slide.at) == ("1 · A heading", True, "99_toy.ipynb#1-·-A-heading")
    assert slide.body == ["<p>Some words</p>\n", '<pre class="narrow">a &lt; b</pre>']
    assert slide.notes == ["Some words, and others."]
    assert build.words(slide) == 2


@pytest.mark.parametrize(
    "items, said",
    [
        (["---", "Some other words"], 'the page does not say "Some other words"'),
        (["Some words"], 'nothing was begun for "Some words"'),
    ],
)
def test_a_passage_that_is_gone_is_named(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, items: list[str], said: str
) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path)
    (tmp_path / "notebooks").mkdir()
    with pytest.raises(InputError, match=re.escape(f"99_toy.ipynb, cell a: {said}")):
        build.slides(toy(tmp_path / "notebooks", items))


def test_an_output_that_was_not_saved_is_named(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path)
    (tmp_path / "notebooks").mkdir()
    page = toy(tmp_path / "notebooks", ["---", "Some words"])
    page.write_text(page.read_text(encoding="utf-8").replace('"printed"', '"picture"'), encoding="utf-8")
    with pytest.raises(InputError, match='cell b: it cannot show "picture": nothing of that kind was saved'):
        build.slides(page)


def test_a_prediction_is_shown_as_its_question(build: ModuleType) -> None:
    said = build.asked('predict("04 x", "Is 1 < 2?", options=["yes", "no"])')
    assert "Is 1 &lt; 2?" in said and said.count("<li>") == 2
    with pytest.raises(ValueError, match="no prediction"):
        build.asked("1 + 1")


def bare(formula: str) -> str:
    """A formula without spaces of any kind."""
    return re.sub(r"\\[,!;]|\\q?quad|\s", "", formula)


def test_the_handout_says_what_the_course_says(build: ModuleType) -> None:
    pages = "".join("".join(c["source"]) for p in PAGES for c in json.loads(p.read_text(encoding="utf-8"))["cells"])
    text = (build.PARTS / "handout.md").read_text(encoding="utf-8")
    equations = re.findall(r"^\| \*\*[\w ]+\*\* \| \$(.+?)\$ <br>", text, re.MULTILINE)
    assert len(equations) == 6
    for equation in equations:
        for part in re.split(r",? *\\quad *", equation):
            assert bare(part) in bare(pages), part
    words = re.findall(r"^\| \*\*([\w ,-]+)\*\* \| [^$\n]+\|$", text, re.MULTILINE)
    glossary = (NOTEBOOKS / "glossary.md").read_text(encoding="utf-8").lower()
    for word in ", ".join(words).split(", "):
        assert any(word.lower() in heading for heading in re.findall(r"^### (.+)", glossary, re.MULTILINE)), word
    assert len(words) >= 12
    assert dict(build.sheets())["handout"].count("data:image/png;base64,") == 1


def test_a_folder_with_something_else_is_left_alone(build: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SystemExit, match="holds something else, which would be lost"):
        build.build(tmp_path)
    with pytest.raises(SystemExit, match="holds something else"):
        script("build_site").main(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_site_and_slides_show_the_answers_that_a_prediction_offers(build: ModuleType) -> None:
    site = script("build_site")
    for page in sorted(NOTEBOOKS.glob("**/*.ipynb")):
        for cell in json.loads(page.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "code" and re.search(r"\bpredict\([^)]*options=", source):
                question, answers = build.prediction(source)
                assert question and len(answers) >= 2, (page.stem, cell["id"])
                assert site.html.escape(" / ".join(answers)) in site.widget(source)
