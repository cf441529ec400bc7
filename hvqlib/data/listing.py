"""List the image files of a folder, and what looks like an image there but is not used."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from PIL import Image

HEIF = frozenset({".heic", ".heif", ".hif", ".avif"})
with suppress(ImportError):  # the extra `heif`; Pillow alone opens none of them, newer ones AVIF
    import_module("pillow_heif").register_heif_opener()
# No pictures made of pixels, or of a film, or read only with a program from elsewhere.
NOT_OPENED = ("BUFR", "EPS", "FLI", "GRIB", "HDF5", "IPTC", "MPEG", "WMF")
EXTENSIONS = frozenset(
    ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN and kind not in NOT_OPENED
)
RAW = (".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".nef",
       ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f")  # fmt: skip
# What may lie beside images without being one.
TEXTS = (".cfg", ".csv", ".db", ".doc", ".docx", ".htm", ".html", ".ini", ".ipynb", ".json", ".jsonl", ".log", ".md",
         ".py", ".rst", ".sh", ".toml", ".tsv", ".txt", ".url", ".xls", ".xlsx", ".xml", ".yaml", ".yml")  # fmt: skip
HIDDEN = (".", "@eaDir", "__MACOSX")  # how names begin that file systems and archives use for themselves


def images(folder: Path) -> list[Path]:
    """List visible image files in a folder and the folders inside it, by relative path; none if it does not exist."""
    return [path for path in _files(folder) if path.suffix.lower() in EXTENSIONS and path.is_file()]


def folders(folder: Path) -> list[Path]:
    """List visible folders inside a folder, sorted by name; none if it does not exist."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(HIDDEN))


def left_out(root: Path, used: set[Path], classes: set[Path], skip: set[Path]) -> list[Path]:
    """List what looks like an image under `root` and is not `used`: files, dead links, folders that hold such only.

    In the folders inside those of `classes` every file looks like one but a text or a table. Folders to `skip` are not
    looked at. No file is opened.
    """
    busy = {root}.union(*(path.parents for path in used))
    found: dict[Path, None] = {}
    for path in _files(root, skip):
        if path in used or not _looks_like_an_image(path, not classes.isdisjoint(path.parents[1:])):
            continue
        while path.parent not in busy:
            path = path.parent
        found[path] = None
    return list(found)


def reason(path: Path) -> str:
    """Say why an entry of `left_out` is not used, and what to do."""
    file = path
    if path.is_dir():  # named for the first of its files, but for an image that could be read if there is one
        inside = [one for one in _files(path) if _looks_like_an_image(one, True)]
        file = next((one for one in inside if one.suffix.lower() in EXTENSIONS and not _is_dead(one)), inside[0])
    suffix = file.suffix.lower()
    if _is_dead(file):
        return "links whose file is not there: link them anew, or remove them"
    if suffix in HEIF - EXTENSIONS:
        return "HEIC, HEIF or AVIF, for which pip install pillow-heif is needed; or save them as PNG or JPEG"
    if suffix in RAW:
        return "a camera's raw format: save them as PNG or TIFF"
    if suffix not in EXTENSIONS:
        return f"files of a kind ({suffix or 'no ending'}) that is not read: save them as PNG or JPEG, or remove them"
    if not {"ground_truth", "masks"}.isdisjoint(part.lower() for part in path.parts):
        return "masks that no defective test image takes: call them ground_truth/DEFECT/STEM_mask.png, or remove them"
    return ("images in a place where none is read: move them into train/good, test/good or test/DEFECT (masks into "
            "ground_truth/DEFECT), or remove them")  # fmt: skip


def _looks_like_an_image(path: Path, inside: bool) -> bool:
    suffix = path.suffix.lower()
    return suffix in EXTENSIONS or suffix in HEIF or suffix in RAW or (inside and suffix not in TEXTS) or _is_dead(path)


def _is_dead(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def _files(folder: Path, skip: Collection[Path] = ()) -> list[Path]:
    """List visible files and dead links in a folder and the folders inside it, by relative path."""
    found: list[Path] = []
    if not folder.is_dir():
        return found
    seen = {folder.resolve(), *folder.resolve().parents}  # links may lead to where the walk has been
    for place, inside, names in os.walk(folder, onerror=_refuse, followlinks=True):
        top = Path(place)
        fresh = []
        for name in sorted(inside, key=lambda name: ((top / name).is_symlink(), name)):  # links last
            real = (top / name).resolve()
            if not name.startswith(HIDDEN) and top / name not in skip and real not in seen:
                fresh.append(name)
                seen.add(real)
        inside[:] = fresh
        found += [top / name for name in names if not name.startswith(HIDDEN)]
    return sorted(found)


def _refuse(error: OSError) -> None:
    raise error
