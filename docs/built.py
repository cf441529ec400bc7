"""Put what was built in the place of what was built before, and of nothing else."""

from __future__ import annotations

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
