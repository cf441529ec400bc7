"""Fetch a public data set: a download that goes on where it stopped, then `unpack`.

VisA (Zou et al., ECCV 2022; CC BY 4.0) lies open on its authors' server. MVTec AD (Bergmann et al., CVPR 2019;
CC BY-NC-SA 4.0) is handed out behind a form in which one accepts its licence, so everyone fetches it for themselves.
"""

from __future__ import annotations

import hashlib
import re
import ssl
import sys
import time
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from tqdm.auto import tqdm

from hvqlib.data.archives import need_empty, unpack_archive
from hvqlib.errors import InputError, RunError

VISA = "https://amazon-visual-anomaly.s3.us-west-2.amazonaws.com/VisA_20220922.tar"


VISA_SIZE = 1_929_840_640  # bytes


VISA_SHA256 = "2eb8690c803ab37de0324772964100169ec8ba1fa3f7e94291c9ca673f40f362"


LIMITS = {"visa": (4 * 10**9, 30_000), "mvtec": (15 * 10**9, 30_000)}  # unpacked bytes and entries; twice what is known


MVTEC_STEPS = """\
MVTec AD is free for research and teaching, not for commercial use (CC BY-NC-SA 4.0), and its authors ask
everyone to accept that themselves. Three steps:

  1. Open https://www.mvtec.com/company/research/datasets/mvtec-ad in a browser.
  2. Accept the licence and download mvtec_anomaly_detection.tar.xz, the whole data set (4.9 GB).
  3. Unpack and look it over:
       hvq data get mvtec --archive mvtec_anomaly_detection.tar.xz
       hvq data check data/mvtec"""


CHUNK = 1 << 20  # bytes read at a time


TIMEOUT = 30  # seconds of silence after which a connection counts as dropped


def fetch_dataset(name: str, out: Path, archive: Path | None = None) -> bool:
    """Fetch "visa", or unpack the archive of "visa" or "mvtec" that is already here, into the folder `out`.

    Returns
    -------
    False where there is nothing to fetch without a person: MVTec AD without an archive. See `MVTEC_STEPS`.

    Raises
    ------
    InputError : `out` is not empty, or the archive is not the one it should be.
    RunError : the server cannot be reached or sends something else.
    """
    if archive is None and name == "mvtec":
        return False
    need_empty(out)
    if archive is None:
        archive = out.resolve().parent / VISA.rsplit("/", 1)[1]
        download(VISA, archive, VISA_SIZE, VISA_SHA256)
        print(f"{archive}: kept; delete it when you like.", file=sys.stderr)
    elif name == "visa":
        _verify(archive, VISA_SIZE, VISA_SHA256)
    unpack_archive(archive, out, *LIMITS[name])
    return True


def download(url: str, path: Path, size: int, sha256: str, attempts: int = 5, pause: float = 1.0) -> None:
    """Fetch one file of known size and SHA-256; `path` appears only when it is whole.

    What has come so far lies in ``path.part``: after a dropped connection, or in the next call, only the
    rest is asked for. A server that sends the whole file instead is listened to from the start.

    Parameters
    ----------
    url : https only; http is allowed for this machine itself.
    attempts : failures in a row, without a byte more than before, after which to give up.
    pause : seconds before the second attempt, doubled with each further one.

    Raises
    ------
    InputError : `path` is there and is another file.
    RunError : the file cannot be fetched, or is not the one expected.
    """
    _need_safe(url)
    if path.exists():
        return _verify(path, size, sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    opener = build_opener(_Redirects)
    etag, whole, best, failed = "", False, 0, 0
    with tqdm(desc=path.name, total=size, unit="B", unit_scale=True) as bar:
        while (have := _length(part)) != size:
            if have > size:
                part.unlink()  # not the beginning of this file
                continue
            headers = {} if whole or not have else {"Range": f"bytes={have}-"}
            if headers and etag:
                headers["If-Range"] = etag  # the rest only if the file is still the same
            try:
                with opener.open(Request(url, headers=headers), timeout=TIMEOUT) as answer:
                    start = _start(answer, have, size)
                    etag = answer.headers.get("ETag", "")
                    etag = "" if etag.startswith("W/") else etag  # a weak one says nothing about bytes
                    _receive(answer, part, start, size, bar)
            except (URLError, HTTPException, ConnectionError, TimeoutError, ssl.SSLError) as error:
                whole = isinstance(error, _WrongRange) or getattr(error, "code", None) == 416
                have = _length(part)
                failed = failed + 1 if have <= best else 1
                best = max(best, have)
                if failed >= attempts:
                    kept = f"{have:,} of {size:,} bytes are kept in '{part}'" if have else "nothing was kept"
                    raise RunError(
                        f"'{url}' cannot be fetched ({error}); {kept}. Look after the network, and start the same "
                        "command again."
                    ) from error
                time.sleep(min(pause * 2 ** (failed - 1), 30))
    if _sha256(part) != sha256:
        part.unlink()
        raise RunError(f"What '{url}' sent is not the file expected (another SHA-256), so it was removed: try again.")
    part.replace(path)


class _WrongRange(HTTPException):
    """The server sends another piece than was asked for: ask for the whole file."""


class _Redirects(HTTPRedirectHandler):
    """Follows a server only to addresses that one may ask for directly."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        _need_safe(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _need_safe(url: str) -> None:
    parts = urlsplit(url)
    here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and not (parts.scheme == "http" and here):
        raise RunError(f"'{url}' is not fetched: only https can be trusted.")


def _start(answer: HTTPResponse, have: int, size: int) -> int:
    """Where in the file an answer begins: where we stopped, or 0 if the server sends all of it."""
    start = 0
    if answer.status == 206:
        given = answer.headers.get("Content-Range", "")
        if not re.fullmatch(rf"bytes {have}-{size - 1}/({size}|\*)", given):
            raise _WrongRange(f"bytes {have} to {size - 1} were asked for, the server sends '{given}'")
        start = have
    length = answer.headers.get("Content-Length")
    if length not in (None, str(size - start)):
        raise HTTPException(f"the server sends {length} bytes, not {size - start}")
    return start


def _receive(answer: HTTPResponse, part: Path, start: int, size: int, bar: tqdm) -> None:
    """Write the body of an answer behind the first `start` bytes of a file, up to `size` bytes and no more."""
    bar.n = start
    bar.refresh()
    with part.open("ab" if start else "wb") as file:
        while start < size and (chunk := answer.read(min(CHUNK, size - start))):
            file.write(chunk)
            start += len(chunk)
            bar.update(len(chunk))
    if start < size:
        raise ConnectionError(f"the connection ended after {start:,} bytes")


def _length(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verify(path: Path, size: int, sha256: str) -> None:
    if not path.is_file():
        raise InputError(f"'{path}' is no file: give the archive as it was downloaded.")
    if path.stat().st_size != size or _sha256(path) != sha256:
        raise InputError(f"'{path}' is not the file expected (another size or SHA-256): move it away, fetch it again.")
