"""Peak memory, the processor and the commit, wherever a benchmark runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import hvqlib
from benchmarks import measure
from benchmarks.measure import PeakMemory, commit, cost, processor_name, resident_memory
from hvqlib.errors import InputError

LIBRARY = Path(hvqlib.__file__).parent
needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here to compare with")


def test_the_peak_counts_though_it_is_over() -> None:
    before = resident_memory() / 2**20
    with PeakMemory() as memory:
        for _ in range(3):
            block = np.ones(200 * 2**17)  # 200 MB
            del block
    assert 180 < memory.megabytes - before < 300


def test_memory_is_what_psutil_tells() -> None:
    psutil = pytest.importorskip("psutil")
    assert resident_memory() == pytest.approx(psutil.Process().memory_info().rss, rel=0.02)


def test_each_block_has_a_peak_of_its_own() -> None:
    with PeakMemory() as first:
        block = np.ones(200 * 2**17)
        during = first.megabytes
        del block
    with PeakMemory() as second:
        pass
    assert first.megabytes >= during > second.megabytes + 150
    told = second.megabytes
    block = np.ones(200 * 2**17)
    assert second.megabytes == told  # nothing counts after the block
    del block


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps VmHWM, the peak that this compares with")
def test_the_peak_is_that_of_the_system() -> None:
    code = """
import numpy as np
from pathlib import Path
from benchmarks.measure import PeakMemory
with PeakMemory() as memory:
    total = sum(np.sort(np.random.default_rng(0).random(2_000_000))[0] for _ in range(20))
lines = Path("/proc/self/status").read_text().splitlines()
print(memory.megabytes, next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")))
"""
    told = subprocess.run([sys.executable, "-c", code], cwd=LIBRARY.parent, capture_output=True, text=True, check=True)
    ours, counted = map(float, told.stdout.split())
    assert ours == pytest.approx(counted, abs=8)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not count the peak of a process that has ended")
def test_each_command_has_a_cost_of_its_own() -> None:
    code = (
        "import os, time; time.sleep(0.5); assert os.environ['OMP_NUM_THREADS'] == '3'; block = bytearray({} * 2**20)"
    )
    peaks = [cost([sys.executable, "-c", code.format(size)], 3) for size in (300, 0)]
    assert 280 < peaks[0][0] - peaks[1][0] < 320 and all(seconds > 0.5 for _, seconds in peaks)
    with pytest.raises(RuntimeError, match="what is wrong"):
        cost([sys.executable, "-c", "raise SystemExit('what is wrong')"], 1)


def test_the_processor_has_a_name() -> None:
    assert processor_name().strip()


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder; return what it printed."""
    name = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "core.autocrlf=false")
    done = subprocess.run(["git", *name, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a library of that name in it, taken for hvqlib's, and another one around the working folder."""
    root = tmp_path / "checkout"
    (root / "hvqlib").mkdir(parents=True)
    (root / "hvqlib" / "__init__.py").write_text("", encoding="utf-8")
    (root / "README.md").write_text("", encoding="utf-8")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for folder in (root, elsewhere):
        git(folder, "init", "--quiet")
        (folder / "same").write_text(folder.name, encoding="utf-8")
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--message", folder.name)
    monkeypatch.setattr(measure.hvqlib, "__file__", str(root / "hvqlib" / "__init__.py"))
    monkeypatch.chdir(elsewhere)
    return root


@needs_git
def test_the_commit_is_that_of_the_library_wherever_one_works(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(checkout.parent / "elsewhere" / ".git"))  # as inside of a hook
    name = commit()
    monkeypatch.delenv("GIT_DIR")
    assert name == git(checkout, "rev-parse", "--short", "HEAD") != "unknown"
    (checkout / "README.md").write_text("other words", encoding="utf-8")
    assert commit() == name
    (checkout / "hvqlib" / "new.py").write_text("", encoding="utf-8")
    assert commit() == f"{name}-dirty"


@needs_git
def test_an_installed_copy_inside_another_repository_has_no_commit(checkout: Path) -> None:
    assert commit() != "unknown"
    library = checkout / "hvqlib"
    for folder in ("environment/site-packages", "vendored"):  # one ignored, one tracked
        copy = checkout / folder / "hvqlib"
        shutil.copytree(library, copy)
        measure.hvqlib.__file__ = str(copy / "__init__.py")  # the fixture puts it back
        assert commit() == "unknown"
        git(checkout, "add", "vendored") if folder == "vendored" else None
        assert commit() == "unknown"
    git(checkout, "rm", "--quiet", "--cached", "hvqlib/__init__.py")
    measure.hvqlib.__file__ = str(library / "__init__.py")
    assert commit() == "unknown"  # at the root of a repository that does not track it


@needs_git
def test_a_repository_without_a_commit(checkout: Path) -> None:
    assert commit() != "unknown"
    git(checkout, "update-ref", "-d", "HEAD")
    assert commit() == "unknown"


def test_outside_of_a_repository_and_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hvqlib").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(measure.hvqlib, "__file__", str(tmp_path / "hvqlib" / "__init__.py"))
        assert commit() == "unknown"
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit() == "unknown" and processor_name().strip()


def test_the_ablations_run_without_resource_and_without_git(small_data: Path, tmp_path: Path) -> None:
    (tmp_path / "resource.py").write_text("raise ImportError('as on Windows')", encoding="utf-8")
    options = ["--data", str(small_data), "--out", "a.csv", "--variants", "nearest neighbour", "--seeds", "0", "--json",
               "--cache", "cache"]  # fmt: skip
    code = f"""
import sys
sys.modules["resource"] = None
from benchmarks.ablate import main
if __name__ == "__main__":
    sys.exit(main({options!r}))
"""
    paths = os.pathsep.join((str(tmp_path), str(LIBRARY.parent)))  # of the processes that it starts, too
    env = os.environ | {"PATH": str(tmp_path), "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"trained": 1, "rows": "a.csv"}
    assert ",unknown," in (tmp_path / "a.csv").read_text(encoding="utf-8")


def test_rows_are_added_below_their_own_columns_alone(tmp_path: Path) -> None:
    measure.append_rows(tmp_path / "a.csv", ("x", "y"), [{"x": 1, "y": "ü"}])
    measure.append_rows(tmp_path / "a.csv", ("x", "y"), [{"x": 2, "y": ""}])
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "x,y\n1,ü\n2,\n"
    with pytest.raises(InputError, match="other columns"):
        measure.append_rows(tmp_path / "a.csv", ("x", "z", "y"), [{"x": 1}])
