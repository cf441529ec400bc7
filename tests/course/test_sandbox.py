"""A process that confined itself writes, signals and connects nowhere but where it may."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hvqlib.course import sandbox
from hvqlib.errors import InputError

PROBE = """
import os, signal, socket, sys
from pathlib import Path
from hvqlib.course.sandbox import confine
mine, other, parent = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
confine([mine])
(mine / "a").write_text("a"), (mine / "b").mkdir(), (mine / "a").rename(mine / "b" / "a")
print((other / "kept").read_text())
actions = {
    "write": lambda: (other / "new").write_text("x"), "append": lambda: (other / "kept").open("a"),
    "cut": lambda: os.truncate(other / "kept", 0), "remove": lambda: (other / "kept").unlink(),
    "folder": lambda: (other / "new").mkdir(), "move": lambda: (other / "kept").rename(mine / "kept"),
    "link": lambda: (other / "new").symlink_to(mine), "connect": lambda: socket.create_connection(("127.0.0.1", 9), 1),
    "program": lambda: os.system(f"rm -rf {other}/kept") and exec("raise OSError"),
}
for name, action in actions.items():
    try:
        action()
        print(name)
    except ConnectionRefusedError:
        print(name)
    except OSError:
        pass
"""


@pytest.mark.skipif(sandbox.version() < sandbox.LEAST, reason="needs Linux 6.12; the refusal elsewhere is tested below")
def test_nothing_goes_beyond_the_folder(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    mine.mkdir(), other.mkdir()
    (other / "kept").write_text("kept")
    command = [sys.executable, "-c", PROBE, mine, other, str(os.getpid())]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "kept\n", done.stdout + done.stderr
    assert (other / "kept").read_text() == "kept" and len(list(other.iterdir())) == 1
    assert (mine / "b" / "a").read_text() == "a"


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux; marking is refused elsewhere")
def test_a_process_ends_with_its_parent() -> None:
    child = """
import time
from hvqlib.course.sandbox import end_with_parent
end_with_parent()
print("on", flush=True)
time.sleep(600)
"""
    parent = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {child!r}])
print(child.pid, flush=True)
child.wait()
"""
    started = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    said = {started.stdout.readline().strip(), started.stdout.readline().strip()}
    pid = next(int(word) for word in said if word.isdigit())
    started.kill()
    started.wait()
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or "State:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return
        time.sleep(0.1)
    raise AssertionError("it goes on without its parent")


def test_a_system_that_cannot_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "version", lambda: 0)
    with pytest.raises(InputError, match="cannot confine"):
        sandbox.confine([tmp_path])
