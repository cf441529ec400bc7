"""Settings of Sphinx for the site; docs/build_site.py lays its pages out and builds it."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import Any

from sphinx.application import Sphinx

project = "hvqlib"
author = "The hvqlib authors"
copyright = "The hvqlib authors; MIT"  # noqa: A001 (its name in Sphinx)
html_title = "Visual anomaly detection, by reading and running"
extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc", "sphinx.ext.mathjax"]
nb_execution_mode = "off"  # pages show what was saved, and tests compare that with what runs
nb_merge_streams = True
nb_code_prompt_show = "Show the solution"
nb_code_prompt_hide = "Hide the solution"
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
default_role = "py:obj"  # a name in backticks leads to what it names, if that is on the same page
add_module_names = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
numpydoc_show_class_members = False  # they stand under their class
html_theme = "sphinx_book_theme"
html_theme_options = {
    "show_toc_level": 2,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "show_navbar_depth": 1,
    "navbar_persistent": [],  # one search field is enough
}
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system has it
html_domain_indices = False  # the packages are in the margin already
templates_path = ["templates"]
html_static_path = ["static"]
html_css_files = ["style.css"]
mathjax_path = "mathjax/tex-svg.js"  # from this folder: nothing is fetched
html_copy_source = False
html_show_sphinx = False
suppress_warnings = ["myst.header", "toc.not_included"]  # the glossary has no second level; pages linked from one page


SECTION = re.compile(r"^(Parameters|Returns|Yields|Raises|Attributes)\n-+\n", re.MULTILINE)
FIELD = re.compile(r"^    (\w+): ([^#\n]+?)(?:  # (.+))?$", re.MULTILINE)


def has_fields(obj: Any) -> bool:
    """Whether a class is a dataclass or a named tuple, whose fields have their comments beside them."""
    return inspect.isclass(obj) and (dataclasses.is_dataclass(obj) or hasattr(obj, "_fields"))


def read_docstring(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Write out for numpydoc what our docstrings leave to the eye.

    A drawing becomes a literal block; what a parameter is, which may be a sentence, its description and not its type;
    a paragraph after the sections ("Raises InputError where ...") one before them; what is returned, said in prose, the
    description of its type; the fields of a dataclass, with their comments, its parameters.
    """
    prose, *rest = SECTION.split("\n".join(lines).strip())
    sections = []
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        listed, *after = body.strip().split("\n\n")
        prose += "".join(f"\n\n{paragraph}" for paragraph in after)
        entries = re.sub(r"^(\S.*?) : ", r"\1\n    ", listed, flags=re.MULTILINE)
        if title == "Returns" and entries == listed:
            returned = getattr(obj, "__annotations__", {}).get("return", "value")
            entries = f"{returned}\n    " + listed.replace("\n", "\n    ")
        sections.append((title, entries))
    if what == "class" and has_fields(obj):
        found = FIELD.findall(re.split(r"\n    (?:def |@)", inspect.getsource(obj))[0])
        fields = [f"{n} : {kind}\n    {comment}" if comment else f"{n}\n    {kind}" for n, kind, comment in found]
        sections.insert(0, ("Parameters", "\n".join(fields)))
    prose = re.sub(r"(?<=[ (])\*(?=\w)", r"\\*", prose)  # `(B, *size)`: our docstrings emphasise nothing
    prose = re.sub(r"\n\n(?= +\S)", "\n\n::\n\n", prose)
    text = prose + "".join(f"\n\n{title}\n{'-' * len(title)}\n{entries}" for title, entries in sections)
    lines[:] = [*text.split("\n"), ""]


def leave_out_fields(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    """Leave out the fields of named tuples: they are listed as parameters."""
    return True if type(obj).__name__ == "_tuplegetter" else None


def short_signature(app: Sphinx, what: str, name: str, obj: Any, *rest: Any) -> tuple[str, str] | None:
    """Leave out the signature of a class whose fields are listed."""
    return ("", "") if has_fields(obj) else None


def name_by_text(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Let what folds a solution be called what is written on it, for who hears the page or speaks to it."""
    if "body" in context:
        context["body"] = context["body"].replace('<summary aria-label="Toggle hidden content">', "<summary>")


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-docstring", read_docstring, priority=100)  # before numpydoc
    app.connect("autodoc-process-signature", short_signature, priority=100)
    app.connect("autodoc-skip-member", leave_out_fields)
    app.connect("html-page-context", name_by_text)
