"""Say in words what the pictures of a notebook show, for readers who hear a page: from what the course says of them.

A picture's text is what the function that draws it says of itself, then how the paragraph **What to see.** begins.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENOUGH = 60  # letters; a sentence shorter than that takes the next one with it


def described(node: ast.AST) -> dict[str, str]:
    """What each function in a piece of code says of itself, in its first line; "" where it says nothing."""
    functions = (one for one in ast.walk(node) if isinstance(one, ast.FunctionDef))
    return {one.name: (ast.get_docstring(one) or "").split("\n")[0] for one in functions}


@cache
def module(name: str) -> dict[str, str]:
    """The same for a module or a package of hvqlib; nothing for any other."""
    at = ROOT / name.replace(".", "/")
    found = [path for path in (at.with_suffix(".py"), at / "__init__.py") if path.is_file()]
    return described(ast.parse(found[0].read_text(encoding="utf-8"))) if found else {}


class Functions:
    """What the functions that a notebook has met so far say of themselves, by the name it calls them by."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def read(self, code: str) -> list[str]:
        """Take in a cell, and return what is said of the functions whose pictures it shows."""
        tree = ast.parse(code)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    called = alias.asname or alias.name
                    self.known[called] = module(str(node.module)).get(alias.name, "")
                    inside = module(f"{node.module}.{alias.name}")
                    self.known |= {f"{called}.{name}": text for name, text in inside.items()}
        self.known |= described(tree)
        shown = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "show"]
        drawn = [call.args[0] for call in shown if isinstance(call.args[0], ast.Call)]
        return [self.known.get(ast.unparse(call.func), "") for call in drawn]


def sentences(markdown: str) -> str:
    """The beginning of a paragraph **What to see.** as plain words, a sentence or a few short ones; "" of another."""
    start = re.match(r"\*\*What to see\.\*\*\s+(.+?)(?:\n\n|\Z)", markdown, re.DOTALL)
    words = ""
    for sentence in re.split(r"(?<=[.!?])\s+", start[1]) if start else []:
        if len(words) < ENOUGH:
            words += f" {sentence}"
    words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", words)  # a link is what it says
    return " ".join(re.sub(r"[*`$\\{}]", "", words).split())


def alt_text(said: list[str], markdown: str) -> str:
    """Join what is said of the pictures of a cell, each once, with what the paragraph under it says first."""
    words = []
    for line in dict.fromkeys(said):
        line = re.sub(r" \((?:\w+, ?)+\w*\)", "", line.removeprefix("Draw ")).replace("`", "")  # the shapes of arrays
        words.append(line[:1].upper() + line[1:])
    return " ".join([*filter(None, words), sentences(markdown)]).strip()
