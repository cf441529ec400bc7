"""Share what site and slides need: read predictions; put what was built in the place of an earlier build."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path


def refuse_other(out: Path, page: str) -> None:
    """Stop with a sentence where a folder holds something, and not the page by which an earlier build is known."""
    if out.exists() and not (out.is_dir() and ((out / page).is_file() or not any(out.iterdir()))):
        raise SystemExit(f"'{out}' holds something else, which would be lost: choose another folder, or empty it.")


def put(made: Path, out: Path) -> None:
    """Move a finished folder to its place."""
    if out.exists():
        shutil.rmtree(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(made, out)


def prediction(source: str) -> tuple[str, list[str]] | None:
    """Read what the cell of a prediction asks, and the answers that it offers; nothing of any other cell."""
    tree = ast.parse(source)
    named = {ast.unparse(node.targets[0]): node.value for node in tree.body if isinstance(node, ast.Assign)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "predict":
            given = next((word.value for word in node.keywords if word.arg == "options"), None)
            if isinstance(given, ast.Call) and ast.unparse(given.func) == "list":
                given = given.args[0]
            given = named[given.id] if isinstance(given, ast.Name) else given
            answers = given.keys if isinstance(given, ast.Dict) else getattr(given, "elts", [])
            return ast.literal_eval(node.args[1]), [ast.literal_eval(answer) for answer in answers]
    return None
