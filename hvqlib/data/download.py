"""Fetch a public data set: a download that goes on where it stopped, then unpacking.

VisA (Zou et al., ECCV 2022; CC BY 4.0) lies open on its authors' server. MVTec AD (Bergmann et al., CVPR 2019;
CC BY-NC-SA 4.0) is handed out behind a form in which one accepts its licence, so everyone fetches it for themselves.
An archive is unpacked only after its SHA-256 has been seen to be the known one: no zip, nothing that was packed anew.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tarfile
import time
from http.client import HTTPException
from pathlib import Path
from ssl import SSLError
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import BaseHandler, Request, build_opener

from tqdm.auto import tqdm

from hvqlib.errors import InputError, RunError
from hvqlib.files import refuse_filled, sole_writer


class Archive(NamedTuple):
    size: int  # bytes
    sha256: str
    url: str = ""  # none where it is handed out by hand


VISA = "https://amazon-visual-anomaly.s3.us-west-2.amazonaws.com/VisA_20220922.tar"
ARCHIVES = {
    "visa": Archive(1_929_840_640, "2eb8690c803ab37de0324772964100169ec8ba1fa3f7e94291c9ca673f40f362", VISA),
    "mvtec": Archive(5_264_982_680, "cf4313b13603bec67abb49ca959488f7eedce2a9f7795ec54446c649ac98cd3d"),
}
MVTEC_STEPS = """\
MVTec AD is free for research and teaching, not for commercial use (CC BY-NC-SA 4.0), and its authors ask
everyone to accept that themselves. Four steps:
  1. Open https://www.mvtec.com/company/research/datasets/mvtec-ad in a browser.
  2. Accept the licence and download mvtec_anomaly_detection.tar.xz, the whole data set (4.9 GB).
  3. Unpack it:      hvq data get mvtec --archive mvtec_anomaly_detection.tar.xz
  4. Inspect it:     hvq data check data/mvtec"""
PAUSES = (1, 2, 4, 8)  # seconds to wait after failures in a row; after one more, give up


def fetch_dataset(name: str, out: Path, archive: Path | None = None) -> bool:
    """Fetch "visa", or unpack the archive of "visa" or "mvtec" that is already here, into the folder `out`.

    False where there is nothing to fetch without a person: MVTec AD without an archive. See `MVTEC_STEPS`.
    Raises InputError if `out` is not empty or the archive not the known one, RunError as the functions below.
    """
    known = ARCHIVES[name]
    if archive is None and not known.url:
        return False
    refuse_filled(out, "choose another folder, or move what is in it away")
    path = archive or out.resolve().parent / known.url.rsplit("/", 1)[1]
    if archive is None and not path.exists():
        download(known, path)
    elif not path.is_file():
        raise InputError(f"'{path}' is no file: give the archive that you downloaded.")
    elif not _is_known(path, known):
        rule = "only the archive that its authors publish is unpacked, known by its SHA-256; no zip, no other edition"
        raise InputError(f"'{path}' is another file: {rule}. Move it away, fetch anew.")
    unpack_archive(path, out)
    return True


def download(known: Archive, path: Path) -> None:
    """Fetch an archive; `path` appears only when it is whole. Raises RunError if it cannot be fetched, or is another.

    What has come lies in ``path.part``: after a dropped connection, or in the next call, only the rest is asked for.
    """
    part = path.with_name(path.name + ".part")
    with sole_writer(part.parent, "Another download"):
        _fetch(path, part, known)


def _fetch(path: Path, part: Path, known: Archive) -> None:
    """Download a known file, of which `part` may hold the beginning, as its only writer."""
    opener, etag, whole, furthest, failures = build_opener(_OnlySafe), "", False, 0, 0
    with part.open("ab") as file:
        while (have := file.tell()) != known.size:
            headers = {} if whole or not have else {"Range": f"bytes={have}-"}
            if headers and etag.startswith('"'):  # a weak one, W/"...", says nothing about bytes
                headers["If-Range"] = etag  # the rest only if the file is still the same
            try:
                with opener.open(Request(known.url, headers=headers), timeout=30) as answer:  # seconds of silence
                    start = have if answer.status == 206 else 0  # 200: the server sends the file from its start
                    if start and f"bytes {start}-{known.size - 1}/" not in answer.headers.get("Content-Range", ""):
                        raise HTTPError(answer.url, 416, "another piece than was asked for", answer.headers, None)
                    if answer.length != known.size - start:  # None if the server does not say
                        raise HTTPException(f"the server sends {answer.length} bytes, not {known.size - start}")
                    etag = answer.headers.get("ETag", "")
                    file.truncate(start)
                    file.seek(start)
                    with tqdm.wrapattr(file, "write", known.size, desc=path.name, initial=start) as watched:
                        shutil.copyfileobj(answer, watched)
                if file.tell() < known.size:
                    raise ConnectionError(f"the connection ended after {file.tell():,} bytes")
            except (URLError, HTTPException, ConnectionError, TimeoutError, SSLError) as error:
                whole = isinstance(error, HTTPError) and error.code == 416  # the server cannot go on there
                failures = 1 if file.tell() > furthest else failures + 1
                furthest = max(furthest, file.tell())
                if failures > len(PAUSES):
                    kept = f"{file.tell():,} of {known.size:,} bytes are kept in '{part}': start the same command again"
                    raise RunError(f"'{known.url}' cannot be fetched ({error}). {kept}.") from error
                time.sleep(PAUSES[failures - 1])
    if not _is_known(part, known):
        part.unlink()
        raise RunError(f"'{known.url}' sent another file than the known one (by SHA-256); it was removed: try again.")
    part.replace(path)
    print(f"{path}: kept; delete it when you like.", file=sys.stderr)


def unpack_archive(archive: Path, folder: Path) -> None:
    """Unpack a trusted tar into an empty or a new folder, all or nothing; RunError if this Python cannot read it."""
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside, tarfile.open(archive) as tar:
            content = Path(beside, "content")
            tar.extractall(content, tqdm(tar, desc=f"unpacking {archive.name}", unit=" files"), filter="data")
            tops = list(content.iterdir())  # one folder that holds everything else is left out of the names
            if folder.exists():
                folder.rmdir()  # empty
            (tops[0] if len(tops) == 1 and tops[0].is_dir() else content).rename(folder)
    except tarfile.TarError as error:
        raise RunError(f"'{archive}' cannot be unpacked ({error}): has this Python its module lzma?") from error


class _OnlySafe(BaseHandler):
    """Lets no request out that others could read or change, not even one that a server redirects to."""

    def default_open(self, request: Request) -> None:
        local = request.type == "http" and urlsplit(request.full_url).hostname in ("localhost", "127.0.0.1", "::1")
        if request.type != "https" and not local:
            raise RunError(f"'{request.full_url}' is not fetched: only https can be trusted.")


def _is_known(path: Path, known: Archive) -> bool:
    with path.open("rb") as file:
        return path.stat().st_size == known.size and hashlib.file_digest(file, "sha256").hexdigest() == known.sha256
