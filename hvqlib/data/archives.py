"""Unpack a tar or a zip that nobody vouches for: all of it, or nothing."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from unicodedata import normalize

from tqdm.auto import tqdm

from hvqlib.errors import InputError

CHUNK = 1 << 20  # bytes read at a time
HEADER = 1 << 20  # bytes that a long name or the padding of a tar may take


def unpack_archive(archive: Path, folder: Path, limit_bytes: int, limit_files: int) -> None:
    """Unpack a tar (however compressed) or a zip into a new folder: all of it, or nothing.

    Contents only: every file is new and has mode 0644; owners, dates and rights are not kept. One folder
    that holds everything else is left out of the names.

    Parameters
    ----------
    limit_bytes, limit_files : int
        What may be written at most, and how many entries, folders among them, there may be.

    Raises
    ------
    InputError
        `folder` is not empty. Or the archive is damaged; is over a limit; has a name that leads
        elsewhere, a link, a device, or a file twice (also where only upper and lower case differ).
    """
    need_empty(folder)
    if not archive.is_file():
        raise InputError(f"'{archive}' is no file: give the archive as it was downloaded.")
    folder = folder.resolve()
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        beside.mkdir(parents=True)
        _write(archive, beside, limit_bytes, limit_files)
        tops = list(beside.iterdir())
        if folder.exists():
            folder.rmdir()  # empty
        (tops[0] if len(tops) == 1 and tops[0].is_dir() else beside).rename(folder)
    except _Refused as error:
        raise InputError(f"'{archive}' is not unpacked: {error}. Fetch it again from its authors.") from error
    except Exception as error:  # tarfile and zipfile raise a dozen kinds
        if isinstance(error, OSError) and error.errno:
            raise  # the disk, not the archive
        raise InputError(f"'{archive}' is damaged, or no tar or zip ({error}): fetch it again.") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


class _Refused(Exception):
    """What an archive holds that it should not."""


def _write(archive: Path, root: Path, limit_bytes: int, limit_files: int) -> None:
    """Write every entry of an archive below `root`; the first that is not in order is `_Refused`."""
    with archive.open("rb") as file:
        entries = _zip(archive) if file.read(2) == b"PK" else _tar(archive)
    files: set[tuple[str, ...]] = set()
    folders: set[tuple[str, ...]] = set()
    written = 0
    for number, (name, stream) in enumerate(tqdm(entries, desc=f"unpacking {archive.name}", unit="file"), 1):
        if number > limit_files:
            raise _Refused(f"it has more than {limit_files:,} entries")
        parts = _parts(name)
        folded = tuple(normalize("NFC", part).casefold() for part in parts)  # as some file systems compare names
        above = {folded[:i] for i in range(1, len(folded) + (stream is None))}
        if above & files or (stream is not None and (folded in files or folded in folders or not parts)):
            raise _Refused(f"'{name}' is in it twice, or both a file and a folder")
        folders |= above
        target = root.joinpath(*parts)
        if stream is None:
            target.mkdir(parents=True, exist_ok=True)
            continue
        files.add(folded)
        target.parent.mkdir(parents=True, exist_ok=True)
        with stream, target.open("xb") as copy:
            while chunk := stream.read(CHUNK):
                written += len(chunk)  # counted here: what the archive says of its sizes may be wrong
                if written > limit_bytes:
                    raise _Refused(f"it unpacks to more than {limit_bytes:,} bytes")
                copy.write(chunk)
        target.chmod(0o644)
    if not files:
        raise _Refused("it holds no files")


def _parts(name: str) -> list[str]:
    """The folders and the file of a name inside an archive, if it stays inside on every system."""
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or re.search(r"[\\:]", name) or not name.isprintable() or len(name) > 1000:
        raise _Refused(f"the name {name[:100]!r} leads elsewhere")
    return [part for part in parts if part not in ("", ".")]


def _tar(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Name and content of every file in a tar; folders have no content."""
    with tarfile.open(archive, "r:*", tarinfo=_Header) as tar:
        for member in tar:
            if member.isdir():
                yield member.name, None
            elif member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse():
                yield member.name, tar.extractfile(member)
            else:
                raise _Refused(f"'{member.name}' is a link, a device or another special file")
        assert tar.fileobj is not None
        if tar.fileobj.read(HEADER).strip(b"\0") or tar.fileobj.read(1):  # also reads the checksum of a gz or xz
            raise _Refused("it goes on after its end")


class _Header(tarfile.TarInfo):
    """A header that is an error where it is damaged: to tarfile, one after the first is just the end."""

    @classmethod
    def frombuf(cls, buf, encoding, errors):
        if len(buf) == tarfile.BLOCKSIZE and not any(buf):
            return super().frombuf(buf, encoding, errors)  # the end, as it should be
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from None
        if header.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE) and header.size > HEADER:
            raise _Refused("a header in it is unsafely long")  # tarfile would read it into memory
        return header


def _zip(archive: Path) -> Iterator[tuple[str, IO[bytes] | None]]:
    """Name and content of every file in a zip; folders have no content."""
    with zipfile.ZipFile(archive) as zipped:
        for info in zipped.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _Refused(f"'{info.filename}' is a link, a device or another special file")
            folder = info.is_dir() or kind == stat.S_IFDIR
            yield info.orig_filename, None if folder else zipped.open(info)


def need_empty(folder: Path) -> None:
    """Raise InputError where a folder that is to be made holds something already."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"'{folder}' is not empty: choose another folder, or move what is in it away.")
