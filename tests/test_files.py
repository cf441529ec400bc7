"""Where data is, and files that are whole or not there: each rule by hand."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hvqlib import files
from hvqlib.errors import InputError, RunError
from hvqlib.files import data_folder, refuse_filled, sole_writer, whole_folder, write_atomic


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A working folder without data, hvqlib as if it lay in site-packages (beside another package's data)."""
    (tmp_path / "site-packages/data").mkdir(parents=True)
    monkeypatch.setattr(files, "__file__", str(tmp_path / "site-packages/hvqlib/files.py"))
    monkeypatch.delenv("HVQ_DATA", raising=False)
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    return tmp_path


def test_where_nothing_is_found_the_three_places_are_named(nowhere):
    with pytest.raises(InputError, match=r"HVQ_DATA is not set.*empty.*folder above it.*site-packages.*checkout"):
        data_folder()
    assert data_folder(make=True) == nowhere / "empty/data" and not (nowhere / "empty/data").exists()


def test_the_nearest_folder_above_then_the_checkout(nowhere, monkeypatch):
    checkout = nowhere / "checkout"
    (checkout / "data").mkdir(parents=True)
    (checkout / "pyproject.toml").touch()
    monkeypatch.setattr(files, "__file__", str(checkout / "hvqlib/files.py"))
    assert data_folder() == data_folder(make=True) == checkout / "data"
    (nowhere / "data").mkdir()
    assert data_folder() == nowhere / "data"  # above the working folder
    (nowhere / "empty/data").mkdir()
    assert data_folder() == nowhere / "empty/data"
    monkeypatch.setenv("HVQ_DATA", str(nowhere / "mine"))
    assert data_folder(make=True) == nowhere / "mine"
    with pytest.raises(InputError, match="HVQ_DATA is .*mine"):
        data_folder()
    (nowhere / "mine").mkdir()
    assert data_folder() == nowhere / "mine"


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "deep/file"
    write_atomic(path, b"old")

    def half(beside: Path) -> None:
        beside.write_bytes(b"ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(RunError, match="No space left on device.*kept"):
        write_atomic(path, half)
    assert path.read_bytes() == b"old" and os.listdir(path.parent) == ["file"]
    write_atomic(path, lambda beside: beside.write_bytes(b"new"))
    assert path.read_bytes() == b"new" and os.listdir(path.parent) == ["file"]


def test_one_writer_at_a_time(tmp_path):
    code = """if True:
        import sys
        from pathlib import Path
        from hvqlib.files import sole_writer
        with sole_writer(Path(sys.argv[1])):
            pass"""
    other = [sys.executable, "-c", code, str(tmp_path / "run")]
    with sole_writer(tmp_path / "run"):
        held = subprocess.run(other, capture_output=True, text=True)
    assert held.returncode and "Another training is writing" in held.stderr
    assert subprocess.run(other).returncode == 0 and os.listdir(tmp_path / "run") == []
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="not a folder to write to"), sole_writer(tmp_path / "file"):
        pass


def test_a_link_stays_a_link_and_a_pipe_a_pipe(tmp_path):
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("file")
    write_atomic(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_bytes() == b"new"
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE) as reader:
        write_atomic(tmp_path / "pipe", b"through")
        assert reader.communicate()[0] == b"through"
    assert (tmp_path / "pipe").is_fifo()


def test_a_folder_is_whole_or_not_there(tmp_path):
    out = tmp_path / "deep/out"
    with pytest.raises(ZeroDivisionError), whole_folder(out) as made:
        made.mkdir()
        print(1 / 0, file=(made / "half").open("w"))
    assert os.listdir(out.parent) == []
    out.mkdir()  # empty: taken
    refuse_filled(out)
    with whole_folder(out) as made:
        made.mkdir()
        (made / "file").touch()
    assert os.listdir(out) == ["file"] and os.listdir(out.parent) == ["out"]
    for wrong in (out, out / "file"):
        with pytest.raises(InputError, match="is not empty: choose another --to"):
            refuse_filled(wrong, "choose another --to")


def test_a_link_to_an_empty_folder_becomes_the_folder(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with whole_folder(tmp_path / "link") as made:
        made.mkdir()
        (made / "file").touch()
    assert (tmp_path / "link").is_symlink() and os.listdir(tmp_path / "real") == ["file"]


def test_the_longest_name_is_written_and_a_longer_one_says_so(tmp_path):
    write_atomic(tmp_path / ("n" * 255), b"x")
    with pytest.raises(RunError, match="Choose another folder or a shorter name"):
        write_atomic(tmp_path / ("n" * 256), b"x")
    assert os.listdir(tmp_path) == ["n" * 255]
