"""Build the photographs that results call *real* and *real5* from clones of the repositories they come from.

    python -m benchmarks.build_real --clones DIR --out DIR [--classes bottle cookie | real | real5]

`real.csv` names repository, commit and path of every file, with SHA-256 of its source and of the pixels that were
measured on. What is built has those pixels, all of it or nothing. *real* is bottle, magnetic_tile and cookie; *real5*
adds ballscrew and pillqc. A clone lies in DIR under its repository's name, as `git clone` makes it, or bare, NAME.git.

How a source becomes a file: a photograph that is listed as .jpg stays as it is; one listed as .png is turned to RGB and
resized to 256 x 256 (bilinear). A mask that is an image has 255 where its palette index is not 0 or, without a palette,
where its grey is over 127, and is resized likewise (nearest); one that is a list of polygons has them filled with 255.
Three masks of cookie (015, 018, 026) come out empty: their sources have no palette, and mark the defect in a green
whose grey is 113. The results were measured with them so.

The photographs are their authors': bottle is of MVTec AD (CC BY-NC-SA 4.0), ballscrew of BSData and cookie of an AWS
sample (both CC BY-SA 4.0), magnetic_tile of Huang et al. (2018), pillqc of MathWorks. Read what their repositories say
before you use them.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageDraw

from hvqlib.cli_options import Parser
from hvqlib.errors import InputError, exit_status

TABLE = Path(__file__).parent / "real.csv"
SETS = {"real": ["bottle", "magnetic_tile", "cookie"],
        "real5": ["bottle", "magnetic_tile", "cookie", "ballscrew", "pillqc"]}  # fmt: skip
SIZE = (256, 256)
Row = dict[str, str]  # file, repository, commit, path, sha256_of_source, sha256_of_pixels


def rows_of(classes: Sequence[str]) -> list[Row]:
    """Read the rows of some classes, or of the sets "real" and "real5"."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    known = sorted({row["file"].split("/")[0] for row in rows})
    wanted = {name for asked in classes for name in SETS.get(asked, [asked])}
    if unknown := sorted(wanted - set(known)):
        raise InputError(f"--classes: '{unknown[0]}' is none of {', '.join([*known, *SETS])}.")
    return [row for row in rows if row["file"].split("/")[0] in wanted]


def git(folder: Path, *arguments: str) -> bytes | None:
    """Ask git about a clone, and return what it answers; None where it fails."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True)
    except FileNotFoundError:
        raise InputError("The command 'git' is not there: install git, which reads the clones.") from None
    return None if done.returncode else done.stdout


def find_clones(clones: Path, rows: Sequence[Row]) -> dict[str, Path]:
    """Find the clone of each repository, by its name; raises InputError that says which to make."""
    found, missing = {}, []
    for repository, commit in sorted({(row["repository"], row["commit"]) for row in rows}):
        name = repository.split("/")[1]
        folders = [folder for folder in (clones / name, clones / f"{name}.git") if folder.is_dir()]
        having = [folder for folder in folders if git(folder, "cat-file", "-e", f"{commit}^{{commit}}") is not None]
        if having:
            found[repository] = having[0]
        elif folders:
            missing.append(f"git -C {folders[0]} fetch origin {commit}")
        else:
            missing.append(f"git clone --bare https://github.com/{repository} {clones / name}.git  # for {commit}")
    if missing:
        told = f"'{clones}' lacks {len(missing)} of {len(found) + len(missing)} clones: make them, and repeat."
        raise InputError("\n  ".join([told, *missing]))
    return found


def read_source(clone: Path, row: Row) -> bytes:
    """Read a file of a commit from a clone; raises InputError where it is not the one that was measured on."""
    source = git(clone, "cat-file", "blob", f"{row['commit']}:{row['path']}")
    if source is None:
        raise InputError(f"'{clone}' has no '{row['path']}' in commit {row['commit']}: clone it anew, and whole.")
    if sha256(source).hexdigest() != row["sha256_of_source"]:
        raise InputError(f"'{row['path']}' of '{clone}' differs from {TABLE.name}: clone the repository anew.")
    return source


def convert(row: Row, source: bytes) -> Image.Image:
    """Turn the bytes of a source into the image (H, W, 3) or the mask (H, W) of 0 and 255 that a row lists."""
    if row["path"].endswith(".json"):
        label = json.loads(source)
        mask = Image.new("L", (label["imageWidth"], label["imageHeight"]))
        for shape in label["shapes"]:
            ImageDraw.Draw(mask).polygon([(int(x), int(y)) for x, y in shape["points"]], fill=255)
        return mask
    image: Image.Image = Image.open(io.BytesIO(source))
    if "/ground_truth/" in row["file"]:
        marked = np.asarray(image) > 0 if image.mode == "P" else np.asarray(image.convert("L")) > 127
        return Image.fromarray(marked.astype(np.uint8) * 255).resize(SIZE, Image.Resampling.NEAREST)
    image = image.convert("RGB")
    return image if row["file"].endswith(".jpg") else image.resize(SIZE, Image.Resampling.BILINEAR)


def build(clones: Path, out: Path, rows: Sequence[Row]) -> None:
    """Build the files of some rows in the folder `out`, which must not exist; raises InputError where one differs."""
    if out.exists():
        raise InputError(f"'{out}' is there already: move it away or choose another --out.")
    found = find_clones(clones, rows)
    beside = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        for row in rows:
            source = read_source(found[row["repository"]], row)
            image = convert(row, source)
            if sha256(image.tobytes()).hexdigest() != row["sha256_of_pixels"]:
                raise InputError(
                    f"The pixels of '{row['file']}' differ from {TABLE.name}, although its source is the same: Pillow "
                    f"{PIL.__version__} here decodes or resizes in another way; try the version of constraints.txt."
                )
            path = beside / row["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".jpg":
                path.write_bytes(source)
            else:
                image.save(path)
        beside.rename(out)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    print(f"{out}: {len(rows)} files, each with the pixels of {TABLE.name}", file=sys.stderr)


def _command(arguments: Sequence[str] | None) -> None:
    """Do what the options ask for."""
    name = "python -m benchmarks.build_real"
    parser = Parser(name, description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--clones", type=Path, required=True, metavar="DIR", help="where the clones lie")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    parser.add_argument("--classes", nargs="+", default=["real5"], metavar="NAME", help="default: real5, all five")
    given = parser.parse_args(arguments)
    build(given.clones, given.out, rows_of(given.classes))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return exit_status("benchmarks.build_real", lambda: _command(arguments), "stopped; nothing was built.")


if __name__ == "__main__":
    sys.exit(main())
