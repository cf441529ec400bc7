"""Downloads from a server in this process that misbehaves by a script; archives that are small, damaged or others."""

from __future__ import annotations

import hashlib
import io
import tarfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from hvqlib import cli
from hvqlib.data import download
from hvqlib.errors import RunError


def tar(files: dict[str, bytes], compression: str = "") -> bytes:
    with tarfile.open(fileobj=(stream := io.BytesIO()), mode=f"w:{compression}") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.uid = len(content), 0o444, 12345
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def known(content: bytes, url: str = "") -> download.Archive:
    return download.Archive(len(content), hashlib.sha256(content).hexdigest(), url)


FILES = {f"{name}.JPG": hashlib.sha256(name.encode()).digest() * 900 for name in ("a/1", "a/2", "b/1", "b/2")}
CONTENT = tar(FILES)
SIZE = len(CONTENT)


class Answer(BaseHTTPRequestHandler):
    """Answers the next fault of `server.script`, notes Range and If-Range in `server.asked`."""

    def do_GET(self) -> None:
        wanted, condition = self.headers.get("Range"), self.headers.get("If-Range")
        self.server.asked.append((wanted, condition))
        fault = self.server.script.pop(0) if self.server.script else {}
        start = int(wanted[len("bytes=") : -1]) if wanted and "all" not in fault and condition in (None, '"one"') else 0
        body = fault.get("body", CONTENT[start:])
        self.send_response(fault.get("status", 416 if start > SIZE else 206 if start else 200))
        headers = {"ETag": '"one"', "Content-Length": len(body), "Content-Range": f"bytes {start}-{SIZE - 1}/{SIZE}"}
        for name, value in (headers | fault.get("headers", {})).items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body[: fault.get("drop", len(body))])  # HTTP 1.0: then the connection is closed

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download, "PAUSES", (0, 0))
    running = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    running.url = f"http://127.0.0.1:{running.server_port}/VisA.tar"
    Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield running
    running.shutdown()
    running.server_close()


def fetch(server, folder: Path, *script: dict, fails: str = "") -> list:
    """Download with a script of faults, and see that the file is right or is not there; returns the requests."""
    server.script, server.asked = list(script), []
    if fails:
        with pytest.raises(RunError, match=fails):
            download.download(known(CONTENT, server.url), folder / "file")
        assert not (folder / "file").exists()
    else:
        download.download(known(CONTENT, server.url), folder / "file")
        assert (folder / "file").read_bytes() == CONTENT and [p.name for p in folder.iterdir()] == ["file"]
    return server.asked


REST = ("bytes=70000-", '"one"')
LIES = [f"bytes 0-{SIZE - 1}/{SIZE}", f"bytes 70000-70001/{SIZE}", "nonsense"]


@pytest.mark.parametrize(
    "first, second, asked",
    [
        ({}, {}, [REST]),
        ({"body": CONTENT[::-1], "headers": {"ETag": '"old"'}}, {}, [("bytes=70000-", '"old"')]),  # changed meanwhile
        ({"headers": {"ETag": 'W/"one"'}}, {}, [("bytes=70000-", None)]),  # weak: says nothing about bytes
        ({}, {"all": True}, [REST]),
        ({}, {"status": 416, "body": b""}, [REST, (None, None)]),
        *(({}, {"headers": {"Content-Range": lie}}, [REST, (None, None)]) for lie in LIES),
    ],
)
def test_goes_on_where_the_server_dropped(server, tmp_path, first, second, asked):
    assert fetch(server, tmp_path, {"drop": 70_000, **first}, second) == [(None, None), *asked]


def test_goes_on_as_often_as_something_comes_and_in_the_next_call(server, tmp_path):
    fetch(server, tmp_path, *[{"drop": 20_000}] * 5)
    for kept, asked in ((50_000, ["bytes=50000-"]), (SIZE, []), (SIZE + 4, [f"bytes={SIZE + 4}-", None])):
        (tmp_path / "file").unlink()
        (tmp_path / "file.part").write_bytes((CONTENT + b"more")[:kept])
        assert [wanted for wanted, _ in fetch(server, tmp_path)] == asked


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 404, "body": b"no such file"},
        {"status": 503, "body": b"later"},
        {"headers": {"Content-Length": SIZE + 7}},
        {"headers": {"Content-Length": "many", "ETag": '"portal"'}, "body": b"x" * 10**6},
        {"body": b"<html>sign in to the network</html>", "headers": {"ETag": '"portal"'}},
    ],
)
def test_recovers_once_but_gives_up_after_three(server, tmp_path, fault):
    first, fault = {"drop": 70_000}, {"all": True, **fault}
    assert fetch(server, tmp_path / "a", first, fault) == [(None, None), REST, REST]
    kept = f"cannot be fetched.*70,000 of {SIZE:,} bytes are kept in .*file.part.*start the same command again"
    assert len(fetch(server, tmp_path / "b", first, *[fault] * 9, fails=kept)) == 3
    assert (tmp_path / "b/file.part").read_bytes() == CONTENT[:70_000]


def test_does_not_start_again_for_ever_and_removes_wrong_bytes(server, tmp_path):
    drops = [{"all": True, "drop": 70_000}, {"all": True, "drop": 60_000}] * 9
    assert len(fetch(server, tmp_path, *drops, fails="cannot be fetched")) == 3
    fetch(server, tmp_path, {"all": True, "body": CONTENT[::-1]}, fails="SHA-256")
    assert list(tmp_path.iterdir()) == []


def test_only_safe_addresses(server, tmp_path):
    for url in ("http://example.org/x", "ftp://127.0.0.1/x", "http://127.0.0.1@example.org/x"):
        with pytest.raises(RunError, match="only https"):
            download.download(known(CONTENT, url), tmp_path / "file")
        fetch(server, tmp_path, {"status": 302, "headers": {"Location": url}}, fails="only https")
    fetch(server, tmp_path, {"status": 302, "headers": {"Location": server.url + "2"}})


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def get(name: str, out: Path, *options: object) -> int:
    return cli.main(["data", "get", name, "--out", str(out), *map(str, options)])


def test_visa_from_server_to_folder(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(download.ARCHIVES, "visa", known(CONTENT, server.url))
    server.script, server.asked = [], []
    assert get("visa", tmp_path / "visa") == 0 and sorted(p.name for p in tmp_path.iterdir()) == ["VisA.tar", "visa"]
    assert tree(tmp_path / "visa") == FILES
    assert get("visa", tmp_path / "visa") == 2 and "not empty" in capsys.readouterr().err
    server.shutdown()
    server.server_close()
    assert get("visa", tmp_path / "second") == 0 and len(server.asked) == 1  # from the archive that is kept
    (tmp_path / "VisA.tar").unlink()
    assert get("visa", tmp_path / "third") == 1 and not (tmp_path / "third").exists()
    told = capsys.readouterr()
    assert told.out == "" and "cannot be fetched" in told.err and "Traceback" not in told.err


def test_mvtec_is_fetched_by_hand(tmp_path, monkeypatch, capsys):
    out, archive = tmp_path / "mvtec", tmp_path / "by_hand"
    assert get("mvtec", out) == 0 and list(tmp_path.iterdir()) == []
    assert "hvq data get mvtec --archive" in capsys.readouterr().out
    content = tar({f"top/{name}": FILES[name] for name in FILES}, "xz")
    monkeypatch.setitem(download.ARCHIVES, "mvtec", known(content))
    for wrong in (content[:-1], content[:-1] + b"?", b"PK\3\4"):
        archive.write_bytes(wrong)
        assert get("mvtec", out, "--archive", archive) == 2 and not out.exists()
        assert "is another file: only the archive that its authors publish" in capsys.readouterr().err
    assert get("mvtec", out, "--archive", tmp_path) == 2 and "is no file" in capsys.readouterr().err
    archive.write_bytes(content)
    out.mkdir()
    assert get("mvtec", out, "--archive", archive) == 0 and sorted(tmp_path.iterdir()) == [archive, out]
    assert tree(out) == FILES  # without the folder that holds everything else
    status = (out / "a/1.JPG").stat()
    assert status.st_mode & 0o777 == 0o644 and status.st_uid != 12345  # not read-only, nobody else's


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_all_is_unpacked_or_nothing(tmp_path, monkeypatch, failure):
    def disk(source, target, *_):
        if target.write(b"half") and "b/" in target.name:
            raise failure

    archive, out = tmp_path / "a.tar", tmp_path / "out"
    archive.write_bytes(b"no tar")
    out.mkdir()
    with pytest.raises(RunError, match="cannot be unpacked"):
        download.unpack_archive(archive, out)
    archive.write_bytes(CONTENT)
    monkeypatch.setattr(tarfile, "copyfileobj", disk)
    with pytest.raises(type(failure)) as raised:
        download.unpack_archive(archive, out)
    assert raised.value is failure and sorted(tmp_path.rglob("*")) == [archive, out]
