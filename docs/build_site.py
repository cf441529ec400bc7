"""Build the site from the pages and the notebooks as they are saved: site/index.html (`make site`).

    python docs/build_site.py [OUT]

Whole and offline: nothing on it is fetched from the network, and it also works when it is opened from disk. A widget
is replaced by a line that says what one could move; its static picture stands under it. Solutions are folded. What the
packages hold is written from their docstrings.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from alt_texts import Functions, alt_text
from built import prediction, put, refuse_other
from sphinx.cmd.build import build_main

import hvqlib

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "build" / "site_source"
READ = ROOT / "build" / "site_read"  # what Sphinx keeps of the pages it read
BUILT = ROOT / "build" / "site"  # beside it MyST-NB leaves a folder with every notebook's outputs
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)]*)?\)")
SECTION = re.compile(r"(\]\([^()\s]+\.ipynb#)((?:[^()\s]|\([^()\s]*\))+)")  # a heading, named as JupyterLab does
PARTS = {  # caption, pages
    "The course": "notebooks/[0-9]*.ipynb",
    "Deeper": "notebooks/deeper/*.ipynb",
    "Words": "notebooks/glossary.md",
    "For teachers": (
        "docs/teaching.md",
        "teaching/paths.md",
        "teaching/misconceptions.md",
        "notebooks/README.md",
        "docs/translating.md",
    ),
    "What was measured": (
        "docs/evidence.md",
        "docs/report.md",
        "docs/questions.md",
        "docs/differences.md",
        "docs/model_card.md",
    ),
    "Using it": (
        "docs/platforms.md",
        "docs/explainer.md",
        "docs/export.md",
        "docs/service.md",
        "docs/full_size.md",
        "docs/faults.md",
        "data/README.md",
    ),
}
PACKAGES = ("data", "features", "model", "rivals", "detector", "training", "evaluation")  # as data goes through them


def widget(source: str) -> str:
    """What stands in the place of the widget that a cell makes."""
    if found := prediction(source):
        question, answers = found
        words = f"<b>Your prediction.</b> {html.escape(question)} {html.escape(' / '.join(answers))}"
        return f'<div class="hvq-static">{words} <i>(To have it kept, run this page.)</i></div>'
    return '<div class="hvq-static"><i>Something to move: run this page. Its first position is shown below.</i></div>'


def page(notebook: dict) -> dict:
    """Make a notebook ready for the site."""
    solution, cells, functions = False, [], Functions()
    for cell, below in zip(notebook["cells"], [*notebook["cells"][1:], {"source": ""}], strict=True):
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            if text.startswith("#"):
                solution = text.startswith("### Solution")
        else:
            cell["outputs"] = [output for output in cell["outputs"] if output.get("data") != {}]  # empty: of a bar
            for output in cell["outputs"]:
                if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
                    output["data"] = {"text/html": widget(text)}
            told = alt_text(functions.read(text), "".join(below["source"]))
            cell["metadata"]["mystnb"] = {"image": {"alt": told}}
            if solution:
                if "check_solution(" in text:
                    continue
                cell["metadata"]["tags"] = [*cell["metadata"].get("tags", []), "hide-cell"]
        cells.append(cell)
    return {**notebook, "cells": cells}


def api() -> list[str]:
    """Write a page for each package, with everything public in its modules; return their names."""
    names = []
    for package in ("", *PACKAGES):
        home = f"hvqlib.{package}".rstrip(".")
        inside = sorted(path.stem for path in (ROOT / "hvqlib" / package).glob("[a-z]*.py"))
        modules = [f"{home}.{name}" for name in inside] if package else ["hvqlib.config", "hvqlib.errors"]
        lines = [home, "=" * 80, "", f".. automodule:: {home}", ""]
        if not package:
            lines += [f"- ``from hvqlib import`` :py:obj:`~{at}.{name}`" for name, at in hvqlib._HOMES.items()]
        for module in modules:
            lines += ["", module, "-" * 80, "", f".. automodule:: {module}", "   :members:"]
        names.append(f"api/{package or 'hvqlib'}")
        (SOURCE / names[-1]).parent.mkdir(parents=True, exist_ok=True)
        (SOURCE / f"{names[-1]}.rst").write_text("\n".join(lines), encoding="utf-8")
    return names


def stage() -> None:
    """Lay out what the site is made of, with the files that its pages link to."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    trees = []
    for caption, wanted in PARTS.items():
        patterns = (wanted,) if isinstance(wanted, str) else wanted
        found = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
        pages += found
        listed = "\n".join(path.relative_to(ROOT).with_suffix("").as_posix() for path in found)
        if found:
            trees.append(f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{listed}\n```\n")
    for path in pages:
        at = SOURCE / path.relative_to(ROOT)
        at.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8")
        for target, _ in LINK.findall(text):
            linked = (path.parent / target).resolve()
            if linked.suffix == ".md" and linked not in pages:
                pages.append(linked)
            elif linked.is_file() and linked not in pages:
                copy = SOURCE / linked.relative_to(ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(linked, copy)
        if path.suffix == ".ipynb":
            text = json.dumps(page(json.loads(text)), ensure_ascii=False)
        text = re.sub(r"(\]\((?:\.\./)+)README\.md", r"\1index.md", text)
        text = SECTION.sub(lambda link: link[1] + re.sub(r"[^\w-]", "", link[2].lower()), text)
        at.write_text(text.replace('href="../site/', 'href="../'), encoding="utf-8")
    index = (SOURCE / "README.md").read_text(encoding="utf-8")
    (SOURCE / "README.md").unlink()
    trees.append("```{toctree}\n:hidden:\n:caption: The library\n\n" + "\n".join(api()) + "\n```\n")
    (SOURCE / "index.md").write_text(index + "\n" + "\n".join(trees), encoding="utf-8")


def main(out: Path) -> int:
    refuse_other(out, "index.html")
    stage()
    shutil.rmtree(BUILT, ignore_errors=True)
    settings = ["-b", "html", "-q", "-E", "-W", "--keep-going", "-c", str(ROOT / "docs" / "site"), "-d", str(READ)]
    status = build_main([*settings, str(SOURCE), str(BUILT)])
    if not status:
        put(BUILT, out)
        status = subprocess.run(
            [sys.executable, ROOT / "web" / "build_explainer.py", out / "explainer.html"]
        ).returncode
    if not status:
        print(f"Open {out / 'index.html'}.")
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "site"))
