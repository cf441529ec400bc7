"""A class on one server: seconds that students wait and memory that their kernels hold; the rows of classroom.csv.

    python -m benchmarks.classroom [--students 25] [--path "90 minutes"] [--csv FILE]

Starts one Jupyter server with a student's copy of the course for each student, and sends it what they would: at the
beginning of each part of a path of teaching/paths.md everyone opens its notebooks at the same moment, in a kernel of
their own, and runs all cells up to the last section linked there. When everyone is through, memory is read
(proportional set size, what several share divided among them, and what lies in swap), and the next part begins;
kernels of a notebook that a later part does not need are shut down. The server gives each kernel one thread, and
glibc's settings by which memory that was freed goes back to the system. Nobody moves a slider, and no browser draws.
Data sets are drawn and features cached before. Linux alone, whose memory it reads.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import psutil
import websocket

from benchmarks.measure import commit, processor_name, write_rows
from benchmarks.path_times import PAGE, linked, tables
from hvqlib.course.copies import copy_course

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "data" / "results" / "classroom.csv"
FIELDS = [
    *("path", "part", "notebooks", "students", "cores", "median_seconds", "longest_seconds"),
    *("mean_kernel_mb", "largest_kernel_mb", "all_kernels_mb", "server_mb", "cells", "errors"),
    *("machine", "commit", "date"),
]
PATIENCE = 3600  # seconds for a cell


class Server:
    """A Jupyter server on this machine, spoken to as a browser would."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.token = secrets.token_hex(16)
        threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        memory = {
            "MALLOC_MMAP_THRESHOLD_": "1048576",
            "MALLOC_TRIM_THRESHOLD_": "16777216",
        }  # what is freed is given back
        command = [
            *(sys.executable, "-m", "jupyter", "server", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"),
            *(f"--ServerApp.port={self.port}", f"--IdentityProvider.token={self.token}"),
            *(f"--ServerApp.root_dir={folder}", "--ZMQChannelsWebsocketConnection.limit_rate=False"),
        ]
        self.process = subprocess.Popen(
            command, env=os.environ | threads | memory | {"HVQ_SCOREBOARD": ""},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def ask(self, method: str, path: str, content: object = None) -> Any:
        """Send one request; returns what it answers."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api{path}", None if content is None else json.dumps(content).encode(),
            {"Authorization": f"token {self.token}"}, method=method,
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=600) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def wait(self) -> None:
        """Wait until it answers."""
        while self.process.poll() is None:
            try:
                return self.ask("GET", "") and None
            except OSError:
                time.sleep(0.2)
        raise RuntimeError("The Jupyter server ended at once.")


class Kernel:
    """A kernel of a student's notebook."""

    def __init__(self, server: Server, notebook: str) -> None:
        asked = {"path": notebook, "name": notebook, "type": "notebook", "kernel": {"name": "python3"}}
        self.server, self.id = server, server.ask("POST", "/sessions", asked)["kernel"]["id"]
        address = f"ws://127.0.0.1:{server.port}/api/kernels/{self.id}/channels?token={server.token}"
        self.socket = websocket.create_connection(address, timeout=PATIENCE)

    def run(self, code: str) -> bool:
        """Run a cell; returns whether it ended well."""
        name = uuid4().hex
        header = {
            "msg_id": name, "msg_type": "execute_request", "username": "", "session": self.id,
            "date": datetime.datetime.now(datetime.UTC).isoformat(), "version": "5.3",
        }  # fmt: skip
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        self.socket.send(json.dumps(message))
        while True:
            told = self.socket.recv()
            answer = json.loads(told) if isinstance(told, str) else {"parent_header": {}}  # widgets send pictures bare
            if answer.get("msg_type") == "execute_reply" and answer["parent_header"].get("msg_id") == name:
                return bool(answer["content"]["status"] == "ok")

    def close(self) -> None:
        self.socket.close()
        self.server.ask("DELETE", f"/kernels/{self.id}")


@contextmanager
def classroom(students: int) -> Iterator[tuple[Server, list[Path]]]:
    """A server, and the folder of each student on it."""
    with TemporaryDirectory(prefix="classroom-") as name:
        folders = [Path(name, f"student{number:02d}") for number in range(students)]
        for folder in folders:
            copy_course(folder, students=True)
        server = Server(Path(name))
        try:
            server.wait()
            yield server, folders
        finally:
            server.process.terminate()
            server.process.wait(60)


def cells(folder: Path, page: Path, end: int) -> list[str]:
    """The code of a student's notebook up to the cell of the course's that has this number."""
    wanted = {cell["id"] for cell in json.loads(page.read_text(encoding="utf-8"))["cells"][:end]}
    mine = json.loads((folder / "notebooks" / page.name).read_text(encoding="utf-8"))["cells"]
    return ["".join(c["source"]) for c in mine if c["cell_type"] == "code" and c["id"] in wanted]


class Student:
    """One student, and the kernels of the notebooks that they have open."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder = server, folder
        self.open: dict[Path, Kernel] = {}
        self.done: dict[Path, int] = {}

    def work(self, ends: dict[Path, int], together: threading.Barrier) -> tuple[float, int, int]:
        """Run each notebook up to a cell; returns seconds, cells, and how many of them failed."""
        together.wait()
        began, ran, failed = time.perf_counter(), 0, 0
        for page, end in ends.items():
            if page not in self.open:
                name = (self.folder / "notebooks" / page.name).relative_to(self.folder.parent).as_posix()
                self.open[page], self.done[page] = Kernel(self.server, name), 0
            for code in cells(self.folder, page, end)[self.done[page] :]:
                failed += not self.open[page].run(code)
                ran += 1
                self.done[page] += 1
        return time.perf_counter() - began, ran, failed

    def leave(self, needed: set[Path]) -> None:
        """Shut down the kernels of notebooks that are not needed any more."""
        for page in [page for page in self.open if page not in needed]:
            self.open.pop(page).close()


def proportional(process: psutil.Process) -> float:
    """Memory of a process in MB of 2**20 bytes, what it shares divided among those who do, and what lies in swap."""
    held = process.memory_full_info()
    return float((held.pss + held.swap) / 2**20)


def measure(path: str, students: int) -> Iterator[dict[str, object]]:
    """Give a class each part of a path; yields a row for each."""
    rows = tables(PAGE.read_text(encoding="utf-8"))[path]
    parts = [{page: max(one.end for one in those) for page, those in linked(row["where"])} for row in rows]
    with classroom(students) as (server, folders), ThreadPoolExecutor(students) as pool:
        everyone = [Student(server, folder) for folder in folders]
        for number, ends in enumerate(parts, 1):
            together = threading.Barrier(students)
            found = list(pool.map(lambda one, ends=ends, together=together: one.work(ends, together), everyone))
            seconds = [took for took, _, _ in found]
            kernels = [proportional(one) for one in psutil.Process(server.process.pid).children(recursive=True)]
            values = [
                *(path, number, " ".join(page.stem[:2] for page in ends), students, os.cpu_count()),
                *(round(statistics.median(seconds), 1), round(max(seconds), 1)),
                *(round(statistics.mean(kernels)), round(max(kernels)), round(sum(kernels))),
                round(proportional(psutil.Process(server.process.pid))),
                *(sum(ran for _, ran, _ in found), sum(failed for _, _, failed in found)),
                *(processor_name(), commit(), datetime.date.today().isoformat()),
            ]
            yield dict(zip(FIELDS, values, strict=True))
            needed = {page for later in parts[number:] for page in later}
            for one in everyone:
                one.leave(needed)


def main() -> None:
    """Run a class, and write its rows in the place of those of a class as large on the same path."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=25)
    parser.add_argument("--path", default="90 minutes", help="a heading of teaching/paths.md, in lower case")
    parser.add_argument("--csv", type=Path, default=TABLE)
    options = parser.parse_args()
    kept: list[dict[str, object]] = []
    if options.csv.exists():
        with options.csv.open(encoding="utf-8", newline="") as file:
            kept = [dict(row) for row in csv.DictReader(file)]
    mine = (options.path, str(options.students))
    kept = [row for row in kept if (row["path"], str(row["students"])) != mine]
    for row in measure(options.path, options.students):
        print(row, flush=True)
        kept.append(row)
    kept.sort(key=lambda row: (str(row["path"]), int(str(row["students"])), int(str(row["part"]))))
    write_rows(options.csv, FIELDS, kept)


if __name__ == "__main__":
    main()
