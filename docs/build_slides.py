"""Make slides of the notebooks as they are saved, the handout and the report: slides/lecture.html (`make slides`).

    python docs/build_slides.py [OUT] [--no-pdf]

Writes a deck for the lecture of 90 minutes and one for each notebook, with speaker notes (press S), a PDF of each, the
lecture with its notes as `lecture_notes.pdf`, and `handout.pdf` and `report.pdf` to print. All works from disk, without
a network. Needs npm for reveal.js, and Chromium for the PDFs.

A cell that is shown on a slide says so in its metadata, `slide`, a list of what comes after one another:

    "---"             begins a slide
    "--- lecture"     begins one that is also in the lecture; "--- lecture, last", one that ends it
    any other text    of a markdown cell: a passage of it, word for word; one that begins with # is the slide's title
    "code", "output", "picture", "printed"    of a code cell: its code, all its outputs, or those of one kind
    "answer"          of a code cell that says what was measured after a prediction: that
    "question"        of a code cell that makes a widget: what the reader is asked

So a slide says nothing that its page does not; a passage that is no longer there is an error.
"""

from __future__ import annotations

import argparse
import base64
import html
import io
import json
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from PIL import Image
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

import hvqlib
from hvqlib.errors import InputError

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT / "docs"), str(ROOT / "web")]
from alt_texts import Functions, alt_text  # noqa: E402
from built import prediction, put, refuse_other  # noqa: E402
from npm import install  # noqa: E402

PARTS = ROOT / "docs" / "slides"
MATHJAX = ROOT / "docs" / "site" / "static" / "mathjax"
REVEAL = ROOT / "web" / "node_modules" / "reveal.js"
MUCH = 600  # letters on a slide without a picture, above which they are smaller
TALL = 1.4  # a picture not wider than so many times its height stands beside the words, not below them
CREDITS = """The course: *hvqlib: visual anomaly detection with HVQ-Trans, by reading and running*, version
{version}, MIT licence.

The method: R. Lu et al., *Hierarchical Vector Quantized Transformer for Multi-class Unsupervised Anomaly Detection*,
NeurIPS 2023.

Photographs of `ballscrew`: BSData, Schlagenhauf and Landwehr 2021, CC BY-SA 4.0."""
SOLAR_CELLS = """

Photographs of solar cells: ELPV, Buerhop-Lutz et al. 2018, Deitsch et al. 2019 and 2021, CC BY-NC-SA 4.0."""
KINDS = {  # what an item shows of a cell
    "code": (),
    "output": ("picture", "printed", "table"),
    "picture": ("picture",),
    "printed": ("printed",),
    "answer": ("answer",),
}
NUMBER = re.compile(r"^(\d+|Exercise \d+) · ")  # which a title loses in the lecture: it takes parts of several pages
ANSWER = r"^Your prediction: none\. Measured: (.+)$"
QUESTION = "question"


@dataclass
class Slide:
    """Hold what one slide shows, in HTML, and says to the speaker, in Markdown."""

    title: str
    at: str  # notebook and section, as a link
    lecture: bool = False
    last: bool = False
    body: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)  # their ids


def renderer() -> MarkdownIt:
    """A reader of Markdown that leaves formulas to MathJax."""
    reader = MarkdownIt("commonmark", {"html": True}).enable("table").use(dollarmath_plugin, double_inline=True)
    for kind, left, right in (("math_inline", "\\(", "\\)"), ("math_block", "\\[", "\\]")):
        reader.add_render_rule(
            kind, lambda self, tokens, i, *_, a=left, b=right: f"{a}{html.escape(tokens[i].content)}{b}"
        )
    return reader


READER = renderer()


def plain_links(markdown: str) -> str:
    """Keep of each link only what it says: on a slide there is nothing to click."""
    return re.sub(r"(?<!!)\[([^\]]+)\]\([^)]*\)", r"\1", markdown)


def read(markdown: str) -> str:
    """Turn a passage of a page into HTML."""
    return str(READER.render(plain_links(markdown)))


def anchor(heading: str) -> str:
    """What JupyterLab calls a heading in an address."""
    return heading.replace(" ", "-")


def asked(source: str) -> str:
    """What the cell of a prediction asks, and the answers it offers."""
    found = prediction(source)
    if found is None:
        raise ValueError("it makes no prediction")
    listed = "".join(f"<li>{html.escape(answer)}</li>" for answer in found[1])
    return f'<div class="asked"><p>{html.escape(found[0])}</p>{listed and f"<ul>{listed}</ul>"}</div>'


def outputs(cell: dict[str, Any], kinds: tuple[str, ...], told: str) -> Iterator[str]:
    """What a cell put out, of these kinds, in HTML; what it printed in one piece."""
    printed = "".join("".join(output["text"]) for output in cell["outputs"] if output.get("name") == "stdout")
    measured = re.findall(ANSWER, printed, re.MULTILINE)  # of the page as saved, where nobody predicted
    printed = re.sub(ANSWER, "", printed, flags=re.MULTILINE).strip("\n")
    if printed.strip() and "printed" in kinds:
        yield f'<pre class="{fitting(printed)}">{html.escape(printed)}</pre>'
    if measured and ("printed" in kinds or "answer" in kinds):
        yield "".join(f'<p class="answer">Measured: {html.escape(one)}</p>' for one in measured)
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "image/png" in data and "picture" in kinds:
            png = "".join(data["image/png"]).strip()
            width, height = Image.open(io.BytesIO(base64.b64decode(png))).size
            kind = "wide" if width > TALL * height else "tall"
            yield f'<img class="{kind}" src="data:image/png;base64,{png}" alt="{html.escape(told)}">'
        elif "text/html" in data and "table" in kinds:
            yield "".join(data["text/html"])


def fitting(text: str) -> str:
    """How large code may be: its lines must not be cut off."""
    return "narrow" if max(map(len, text.splitlines())) <= 82 else "broad"


def code(source: str) -> str:
    """A cell's code, coloured."""
    return str(highlight(source, PythonLexer(), HtmlFormatter(cssclass=f"highlight {fitting(source)}")))


def slides(path: Path) -> list[Slide]:
    """Make the slides of one notebook. Raises InputError where a cell asks for what it does not hold."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    made: list[Slide] = []
    heading, functions = "", Functions()  # the last one met
    name = path.relative_to(ROOT / "notebooks").as_posix()
    cells = notebook["cells"]
    for cell, below in zip(cells, [*cells[1:], {"source": "", "cell_type": "markdown"}], strict=True):
        source = "".join(cell["source"])
        markdown = cell["cell_type"] == "markdown"
        told = "" if markdown else alt_text(functions.read(source), "".join(below["source"]))
        end = 0  # how far the speaker's notes have come in this cell
        for item in cell["metadata"].get("slide", ()):
            where = f"{name}, cell {cell['id']}"
            if item.startswith("---"):
                made.append(Slide(heading, f"{name}#{anchor(heading)}", "lecture" in item, "last" in item))
                continue
            if not made:
                raise InputError(f'{where}: nothing was begun for "{item[:40]}"; write "---" before it.')
            slide = made[-1]
            slide.cells.append(cell["id"])
            if markdown:
                found = source.find(item)
                if found < 0:
                    raise InputError(f'{where}: the page does not say "{item[:60]}"; quote it as it stands there.')
                if item.startswith("#"):
                    slide.title = item.lstrip("# ")
                    heading = slide.title
                    slide.at = f"{name}#{anchor(heading)}"
                    end = max(end, found + len(item))
                else:
                    slide.body.append(read(item))
                    paragraph = source.find("\n\n", found + len(item))
                    stop = len(source) if paragraph < 0 else paragraph
                    begin = max(end, source.rfind("\n\n", 0, found) + 1)
                    if begin < stop:
                        slide.notes.append(source[begin:stop].strip())
                    end = max(end, stop)
            else:
                try:
                    slide.body += [asked(source)] if item == QUESTION else shown(cell, item, source, told)
                except ValueError as error:
                    raise InputError(f'{where}: it cannot show "{item}": {error}.') from error
                said = re.match(r"\*\*What to see\.\*\*.+?(?=\n\n|\Z)", "".join(below["source"]), re.DOTALL)
                if said and item in ("output", "picture") and below["cell_type"] == "markdown":
                    slide.notes.append(said[0])
        if markdown and (heads := re.findall(r"^#+ (.+)", source, re.MULTILINE)):
            heading = heads[-1]
    return made


def shown(cell: dict[str, Any], item: str, source: str, told: str) -> list[str]:
    """What a code cell shows of itself."""
    if item not in KINDS:
        raise ValueError(f"known are {', '.join((*KINDS, QUESTION))}")
    found = [code(source)] if item == "code" else list(outputs(cell, KINDS[item], told))
    if not found:
        raise ValueError("nothing of that kind was saved")
    return found


def opening(path: Path) -> tuple[str, str]:
    """A notebook's title and its question."""
    first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
    question = re.search(r"\*\*Question\.\*\* (.*?\?)", first, re.DOTALL)
    return first.splitlines()[0].removeprefix("# "), " ".join(question[1].split()) if question else ""


def words(slide: Slide) -> int:
    """How many words of prose a slide shows, formulas, code and what was printed apart."""
    text = " ".join(part for part in slide.body if not re.match(r"<(img|pre|table|div class=\"highlight)", part))
    return len(re.sub(r"<[^>]+>|\\\(.*?\\\)|\\\[.*?\\\]", " ", text, flags=re.DOTALL).split())


def section(slide: Slide) -> str:
    """One slide in HTML."""
    notes = read("\n\n".join(dict.fromkeys(slide.notes)) + f"\n\n*{html.escape(slide.at)}*")
    pictures = [part for part in slide.body if part.startswith("<img")]
    body = "\n".join(slide.body)
    letters = len(re.sub(r"<[^>]+>", "", body))
    kind = "with-picture" if pictures else "words-alone much" if letters > MUCH else "words-alone"
    if len(pictures) == 2:
        kind = "with-picture two"
        body = body.replace(pictures[0], "").replace(pictures[1], f"<div>{pictures[0]}{pictures[1]}</div>")
    if len(slide.body) > len(pictures) == 1 and pictures[0].startswith('<img class="tall"'):
        spoken = "\n".join(part for part in slide.body if part not in pictures)
        kind, body = "beside", f'<div class="words">{spoken}</div>{pictures[0]}'
    title = READER.renderInline(plain_links(slide.title))
    cells = " ".join(dict.fromkeys(slide.cells))
    return (
        f'<section data-cells="{cells}"><h2>{title}</h2><div class="slide-body {kind}">{body}</div>'
        f'<p class="at">{html.escape(slide.at.split("#")[0])}</p><aside class="notes">{notes}</aside></section>'
    )


def title_slide(title: str, question: str) -> str:
    """The slide that begins a notebook."""
    return f'<section class="opening"><h1>{html.escape(title)}</h1><p>{READER.renderInline(question)}</p></section>'


def credits(more: str = "") -> str:
    """The slide that ends a deck: whose work it shows."""
    return (
        f'<section class="credits"><h2>Sources</h2>{read(CREDITS.format(version=hvqlib.__version__) + more)}</section>'
    )


def deck(title: str, sections: list[str]) -> str:
    """A whole page."""
    page = (PARTS / "deck.html").read_text(encoding="utf-8")
    style = (PARTS / "slides.css").read_text(encoding="utf-8") + HtmlFormatter(style="friendly").get_style_defs()
    for name, text in {"title": html.escape(title), "style": style, "slides": "\n".join(sections)}.items():
        page = page.replace("{{" + name + "}}", text)
    return page


def decks() -> Iterator[tuple[str, str]]:
    """Each deck's name and page: the lecture, then one for each notebook."""
    lecture: list[Slide] = []
    pages = []
    for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")):
        title, question = opening(path)
        begins = title_slide(title, question)
        mine = slides(path)
        lecture += [replace(slide, title=NUMBER.sub("", slide.title)) for slide in mine if slide.lecture]
        ends = credits(SOLAR_CELLS if path.stem.startswith("12") else "")
        pages.append((path.stem, deck(title, [begins, *map(section, mine), ends])))
    name = "Visual anomaly detection with vector quantisation"
    first = title_slide(name, "One model for many products, trained on normal images only: HVQ-Trans, in 90 minutes")
    yield "lecture", deck(name, [first, *map(section, sorted(lecture, key=lambda slide: slide.last)), credits()])
    yield from pages


def picture(link: str) -> str:
    """The picture that a cell saved, such as 07_transformer.ipynb#07-030, as an address that holds it."""
    name, _, wanted = link.partition("#")
    cells = json.loads((ROOT / "notebooks" / name).read_text(encoding="utf-8"))["cells"]
    [cell] = [one for one in cells if one["id"] == wanted]
    return "data:image/png;base64," + next(
        "".join(output["data"]["image/png"]).strip() for output in cell["outputs"] if "image/png" in output["data"]
    )


def sheets() -> Iterator[tuple[str, str]]:
    """The pages to print, a name and a page each: the handout, with pictures of notebooks, and the report."""
    template = (PARTS / "sheet.html").read_text(encoding="utf-8")
    for name, path, found in (("handout", PARTS / "handout.md", picture), ("report", ROOT / "docs/report.md", beside)):
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"(!\[[^\]]*\])\(([^)]+)\)", lambda match, found=found: f"{match[1]}({found(match[2])})", text)
        title = text.partition("\n")[0].removeprefix("# ")
        yield name, template.replace("{{title}}", title).replace("{{name}}", name).replace("{{text}}", read(text))


def beside(link: str) -> str:
    """A picture in docs/, as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode((ROOT / "docs" / link).read_bytes()).decode()


def print_pages(out: Path, shown: Iterable[str], printed: Iterable[str]) -> None:
    """Print decks and sheets as PDFs, with Chromium."""
    from playwright.sync_api import sync_playwright

    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if not browser:
        raise InputError("The PDFs are made by Chromium: install it, or leave them out with --no-pdf.")
    addresses = {name: f"{name}.html?view=print" for name in shown}
    addresses["lecture_notes"] = "lecture.html?view=print&showNotes=separate-page"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        page = opened.new_page()
        for name, address in addresses.items():
            page.goto(f"{out.resolve().as_uri()}/{address}")
            page.wait_for_function("window.ready && document.querySelector('.pdf-page')", timeout=120_000)
            page.pdf(path=out / f"{name}.pdf", prefer_css_page_size=True, print_background=True)
        for name in printed:
            page.goto(f"{out.resolve().as_uri()}/{name}.html")
            page.wait_for_function("window.ready", timeout=120_000)
            page.pdf(path=out / f"{name}.pdf", prefer_css_page_size=True, print_background=True)
        opened.close()


def build(out: Path, pdf: bool = True) -> None:
    """Write the decks, the handout and the report into a folder, in the place of what was there."""
    refuse_other(out, "lecture.html")
    shown, printed = dict(decks()), dict(sheets())
    install()
    with TemporaryDirectory() as beside:
        made = Path(beside, "slides")
        shutil.copytree(REVEAL / "dist", made / "reveal", ignore=shutil.ignore_patterns("*.d.ts", "*.mjs", "utils"))
        shutil.copyfile(REVEAL / "LICENSE", made / "reveal" / "LICENSE")
        shutil.copytree(MATHJAX, made / "mathjax")
        for name, page in (shown | printed).items():
            (made / f"{name}.html").write_text(page, encoding="utf-8")
        if pdf:
            print_pages(made, shown, printed)
        put(made, out)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", type=Path, default=ROOT / "slides")
    parser.add_argument("--no-pdf", action="store_true", help="pages alone")
    options = parser.parse_args()
    try:
        build(options.out, not options.no_pdf)
    except InputError as error:
        print(f"slides: {error}", file=sys.stderr)
        return 2
    print(f"Open {options.out / 'lecture.html'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
