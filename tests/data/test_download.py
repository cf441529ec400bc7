"""Downloads from a server in this process that misbehaves by a script: one entry an answer, then it behaves."""

from __future__ import annotations

import hashlib
import io
import tarfile
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from hvqlib import cli
from hvqlib.data import download
from hvqlib.errors import InputError, RunError

CONTENT = b"".join(hashlib.sha256(bytes([i])).digest() for i in range(250)) * 25  # 200,000 bytes
SIZE, SHA256 = len(CONTENT), hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """What it did wrong is in `script`, what it was asked for in `asked`: (Range, If-Range)."""

    script: list
    asked: list
    etag = '"one"'

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file"


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append((wanted, self.headers.get("If-Range")))
        fault = self.server.script.pop(0) if self.server.script else {}
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if "ignore" in fault or self.headers.get("If-Range") not in (None, self.server.etag):
            start = 0
        body = fault.get("body", CONTENT[start:])
        self.send_response(fault.get("status", 206 if start else 200))
        if "to" in fault:
            self.send_header("Location", fault["to"])
        if start:
            piece = f"bytes {start}-{SIZE - 1}/{SIZE}"
            self.send_header("Content-Range", fault.get("range", piece))
        self.send_header("ETag", fault.get("etag", self.server.etag))
        if "no length" not in fault:
            self.send_header("Content-Length", str(fault.get("length", len(body))))
        self.end_headers()
        self.wfile.write(body[: fault.get("drop", len(body))])  # HTTP 1.0: then the connection is closed

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    running = Server(("127.0.0.1", 0), Answer)
    running.script, running.asked = [], []
    thread = Thread(target=partial(running.serve_forever, poll_interval=0.01), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()


def fetch(server: Server, path: Path, *script: dict, url: str | None = None) -> list:
    """Download with a script of faults; returns the requests that it took, and sees that the file is right."""
    server.script[:] = script
    download.download(url or server.url, path, SIZE, SHA256, attempts=3, pause=0.001)
    assert path.read_bytes() == CONTENT and [p.name for p in path.parent.iterdir()] == [path.name]
    return server.asked


def fails(server: Server, path: Path, *script: dict) -> str:
    server.script[:] = script
    with pytest.raises(RunError) as raised:
        download.download(server.url, path, SIZE, SHA256, attempts=3, pause=0.001)
    assert not path.exists()
    return str(raised.value)


def test_one_request_where_nothing_goes_wrong(server, tmp_path):
    assert fetch(server, tmp_path / "new/file") == [(None, None)]
    assert fetch(server, tmp_path / "new/file") == [(None, None)]  # it is there: not asked for again
    (tmp_path / "new/file").write_bytes(CONTENT[::-1])
    with pytest.raises(InputError, match="not the file expected"):
        fetch(server, tmp_path / "new/file")


def test_goes_on_where_the_server_dropped(server, tmp_path):
    drops = [{"drop": 30_000} for _ in range(5)]  # more than `attempts`, but each brings something
    asked = fetch(server, tmp_path / "file", *drops)
    assert asked == [(None, None), *((f"bytes={30_000 * i}-", '"one"') for i in range(1, 6))]


def test_goes_on_in_the_next_call(server, tmp_path):
    for wanted in (None, "bytes=50000-"):
        (tmp_path / "file").unlink(missing_ok=True)
        if wanted:
            (tmp_path / "file.part").write_bytes(CONTENT[:50_000])
        server.asked.clear()
        assert fetch(server, tmp_path / "file") == [(wanted, None)]
    for part in (CONTENT, CONTENT + b"more"):  # all of it; not the beginning of it
        (tmp_path / "file").unlink()
        (tmp_path / "file.part").write_bytes(part)
        server.asked.clear()
        assert fetch(server, tmp_path / "file") == [(None, None)] * (len(part) > SIZE)


def test_a_file_that_changes_meanwhile_is_fetched_from_the_start(server, tmp_path):
    old = {"drop": 70_000, "body": CONTENT[::-1], "etag": '"old"'}
    assert fetch(server, tmp_path / "file", old) == [(None, None), ("bytes=70000-", '"old"')]


def test_a_weak_etag_is_not_used(server, tmp_path):
    weak = {"drop": 70_000, "etag": 'W/"one"'}
    assert fetch(server, tmp_path / "file", weak)[1] == ("bytes=70000-", None)


@pytest.mark.parametrize(
    "fault",
    [
        {"ignore": True},  # the whole file instead of its rest
        {"range": f"bytes 0-{SIZE - 1}/{SIZE}"},
        {"range": f"bytes 70000-{SIZE - 1}/{SIZE + 1}"},
        {"range": f"bytes 70000-70001/{SIZE}"},
        {"range": "nonsense"},
        {"status": 416, "body": b""},
    ],
)
def test_a_server_that_cannot_go_on(server, tmp_path, fault):
    asked = fetch(server, tmp_path / "file", {"drop": 70_000}, fault)
    assert asked[1][0] == "bytes=70000-" and asked[2:] == ([] if "ignore" in fault else [(None, None)])


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 404, "body": b"no such file"},
        {"status": 500, "body": b""},
        {"status": 503, "body": b"later" * 100},
        {"drop": 0},
        {"length": SIZE + 7},
        {"length": SIZE - 7},
        {"length": "many"},
        {"body": b"<html>sign in to the network</html>"},
        {"no length": True, "drop": 0},
    ],
)
def test_recovers_once_but_gives_up_after_three(server, tmp_path, fault):
    assert len(fetch(server, tmp_path / "a/file", fault)) == 2
    server.asked.clear()
    told = fails(server, tmp_path / "b/file", *[fault] * 9)
    assert "cannot be fetched" in told and "start the same command again" in told
    assert "nothing was kept" in told and server.asked == [(None, None)] * 3


def test_what_has_come_is_kept(server, tmp_path):
    portal = {"status": 200, "body": b"<html>sign in</html>", "ignore": True}
    told = fails(server, tmp_path / "file", {"drop": 60_000}, *[portal] * 9)
    assert f"60,000 of 200,000 bytes are kept in '{tmp_path / 'file.part'}'" in told
    assert (tmp_path / "file.part").read_bytes() == CONTENT[:60_000]


def test_never_more_than_the_size(server, tmp_path):
    fetch(server, tmp_path / "file", {"no length": True, "body": CONTENT + b"x" * 10**6})
    told = fails(server, tmp_path / "other", {"no length": True, "body": b"x" * 10**6})
    assert "another SHA-256" in told and not (tmp_path / "other.part").exists()


def test_wrong_bytes_are_removed(server, tmp_path):
    told = fails(server, tmp_path / "file", {"body": CONTENT[::-1]})
    assert "another SHA-256" in told and list(tmp_path.iterdir()) == []


def test_a_server_that_always_starts_again_does_not_go_on_for_ever(server, tmp_path):
    fails(server, tmp_path / "file", *[{"ignore": True, "drop": 70_000}] * 50)
    assert len(server.asked) == 3


def test_only_safe_addresses(server, tmp_path):
    for url in ("http://example.org/x", "ftp://127.0.0.1/x", "file:///etc/passwd", "http://127.0.0.1@example.org/x"):
        with pytest.raises(RunError, match="only https"):
            download.download(url, tmp_path / "file", SIZE, SHA256)
    for url in ("http://example.org/x", "ftp://127.0.0.1/x", "http://127.0.0.1@example.org/x"):
        assert "only https" in fails(server, tmp_path / "file", {"status": 302, "to": url, "body": b""})
    fetch(server, tmp_path / "file", {"status": 302, "to": server.url + "2", "body": b""})


def test_no_network_is_a_sentence_and_status_one(server, tmp_path, monkeypatch, capsys):
    server.shutdown()
    server.server_close()
    monkeypatch.setattr(download, "VISA", server.url)
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)
    assert cli.main(["data", "get", "visa", "--out", str(tmp_path / "visa")]) == 1
    told = capsys.readouterr()
    assert told.out == "" and "cannot be fetched" in told.err and "Traceback" not in told.err
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_visa(monkeypatch):
    """VisA in small: a table, two images that train and one that does not."""
    rows = [f"candle,train,normal,candle/Data/Images/Normal/{i}.JPG," for i in (0, 1)]
    rows += ["candle,test,anomaly,candle/Data/Images/Anomaly/0.JPG,candle/Data/Masks/Anomaly/0.png"]
    files = {"split_csv/1cls.csv": "\n".join(["object,split,label,image,mask", *rows]).encode()}
    files |= {name: b"" for row in rows for name in row.split(",")[3:] if name}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    content = stream.getvalue()
    monkeypatch.setattr(download, "VISA_SIZE", len(content))
    monkeypatch.setattr(download, "VISA_SHA256", hashlib.sha256(content).hexdigest())
    return content


def test_visa_from_server_to_data_set(server, tmp_path, monkeypatch, small_visa, capsys):
    from hvqlib.data.dataset import load_dataset

    monkeypatch.setattr(download, "VISA", server.url + "/VisA.tar")
    server.script[:] = [{"body": small_visa}]
    assert cli.main(["data", "get", "visa", "--out", str(tmp_path / "visa")]) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["VisA.tar", "visa"]
    data = load_dataset(tmp_path / "visa")
    assert (data.classes, len(data.train), len(data.test)) == (("candle",), 2, 1)
    assert cli.main(["data", "get", "visa", "--out", str(tmp_path / "visa")]) == 2
    assert "not empty" in capsys.readouterr().err and len(server.asked) == 1


def test_archives_that_are_already_here(tmp_path, small_visa, capsys):
    (tmp_path / "a.tar").write_bytes(small_visa)
    for name in ("visa", "mvtec"):
        arguments = ["data", "get", name, "--archive", str(tmp_path / "a.tar"), "--out", str(tmp_path / name)]
        assert cli.main(arguments) == 0 and (tmp_path / name / "split_csv/1cls.csv").is_file()
    (tmp_path / "b.tar").write_bytes(small_visa[:-1])
    (tmp_path / "c.tar").write_bytes(bytes(len(small_visa)))
    for archive in ("b.tar", "c.tar", "d.tar"):
        arguments = ["data", "get", "visa", "--archive", str(tmp_path / archive), "--out", str(tmp_path / "new")]
        assert cli.main(arguments) == 2 and not (tmp_path / "new").exists()
    assert capsys.readouterr().err.count("not the file expected") == 2


def test_mvtec_is_fetched_by_hand(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["data", "get", "mvtec"]) == 0
    printed = capsys.readouterr().out
    assert "Accept the licence" in printed and "hvq data get mvtec --archive" in printed
    assert list(tmp_path.iterdir()) == []
