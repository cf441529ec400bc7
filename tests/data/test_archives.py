"""Good archives come out as they went in; hostile and damaged ones are refused whole, with nothing left behind."""

from __future__ import annotations

import gzip
import io
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from hvqlib.data.archives import unpack_archive
from hvqlib.errors import InputError

FILES = {"a/1.png": b"one" * 500, "a/b/2.png": b"", "table.csv": bytes(range(256)) * 9}


def tar(path: Path, *members: tuple[str, bytes | dict], mode: str = "w", **options) -> Path:
    """A tar of members (name, content), or (name, attributes of its header)."""
    with tarfile.open(path, mode, **options) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, dict):
                for key, value in content.items():
                    setattr(info, key, value)
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


def zipped(path: Path, *members: tuple[str, bytes], mode: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.filename = info.orig_filename = name  # as it stands: zipfile would mend it
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def refused(archive: Path, words: str, limit_bytes: int = 10**6, limit_files: int = 100) -> None:
    before = sorted(archive.parent.rglob("*"))
    with pytest.raises(InputError, match=words):
        unpack_archive(archive, archive.parent / "out", limit_bytes, limit_files)
    assert sorted(archive.parent.rglob("*")) == before


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz", "zip"])
def test_what_went_in_comes_out(tmp_path, mode):
    archive = (
        zipped(tmp_path / "a", ("a/", b""), *FILES.items())
        if mode == "zip"
        else tar(tmp_path / "a", ("./", {"type": tarfile.DIRTYPE}), *FILES.items(), mode=mode)
    )
    unpack_archive(archive, tmp_path / "new/out", 5000, 10)
    assert tree(tmp_path / "new/out") == FILES
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["out"]


def test_one_top_folder_is_left_out_and_an_empty_one_is_filled(tmp_path):
    archive = tar(tmp_path / "a.tar", *((f"top/{name}", content) for name, content in FILES.items()))
    (tmp_path / "out").mkdir()
    unpack_archive(archive, tmp_path / "out", 5000, 10)
    assert tree(tmp_path / "out") == FILES
    with pytest.raises(InputError, match="not empty"):
        unpack_archive(archive, tmp_path / "out", 5000, 10)
    with pytest.raises(InputError, match="not empty"):
        unpack_archive(archive, archive, 5000, 10)
    with pytest.raises(InputError, match="no file"):
        unpack_archive(tmp_path / "nothing.tar", tmp_path / "new", 5000, 10)


def test_rights_owners_and_dates_are_not_kept(tmp_path):
    info = {"mode": 0o4777, "uid": 12345, "mtime": 1, "type": tarfile.REGTYPE}
    unpack_archive(tar(tmp_path / "a.tar", ("run.sh", info)), tmp_path / "out", 10, 10)
    status = (tmp_path / "out/run.sh").stat()
    assert stat.S_IMODE(status.st_mode) == 0o644 and status.st_mtime > 10**9 and status.st_uid != 12345


@pytest.mark.parametrize("make", [tar, zipped])
@pytest.mark.parametrize(
    "name", ["/etc/x", "../x", "a/../../x", "a/..", "..\\x", "a\\b", "C:/x", "c:x", "a\nb", "\x7f", "x" * 2000]
)
def test_names_that_lead_elsewhere(tmp_path, make, name):
    refused(make(tmp_path / "a", ("fine.png", b"1"), (name, b"2")), "leads elsewhere")


@pytest.mark.parametrize("make", [tar, zipped])
@pytest.mark.parametrize(
    "names",
    [("a", "a"), ("a", "A"), ("a/x", "A/X"), ("a", "./a"), ("a", "a/b"), ("a/b", "a"), ("\xe9", "e\u0301"), ("a", ".")],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_files_that_are_in_it_twice(tmp_path, make, names):
    refused(make(tmp_path / "a", *((name, b"1") for name in names)), "twice")


@pytest.mark.parametrize("kind", ["SYMTYPE", "LNKTYPE", "CHRTYPE", "BLKTYPE", "FIFOTYPE", "CONTTYPE", "GNUTYPE_SPARSE"])
def test_links_and_devices_in_a_tar(tmp_path, kind):
    special = {"type": getattr(tarfile, kind), "linkname": "fine.png"}
    refused(tar(tmp_path / "a", ("fine.png", b"1"), ("odd", special), format=tarfile.GNU_FORMAT), "special file")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_devices_in_a_zip(tmp_path, kind):
    refused(zipped(tmp_path / "a", ("odd", b"/etc/passwd"), mode=kind | 0o777), "special file")


@pytest.mark.parametrize("make", [tar, zipped])
def test_more_than_the_limits(tmp_path, make):
    archive = make(tmp_path / "a", ("1", b"0" * 600), ("2", b"0" * 401))
    refused(archive, "more than 1,000 bytes", limit_bytes=1000)
    refused(archive, "more than 1 entries", limit_files=1)
    refused(tar(tmp_path / "bomb", ("1", bytes(10**6)), mode="w:gz"), "more than 1,000 bytes", limit_bytes=1000)
    unpack_archive(archive, tmp_path / "out", 1001, 2)


def test_a_tar_with_an_endless_header(tmp_path):
    refused(tar(tmp_path / "a", ("x" * 2 * 10**6, b""), format=tarfile.GNU_FORMAT), "damaged|unsafely long")
    refused(tar(tmp_path / "b.gz", ("a", b""), mode="w:gz", pax_headers={"comment": "x" * 2 * 10**6}), "damaged|unsafe")


def test_a_zip_whose_header_lies(tmp_path):
    archive = zipped(tmp_path / "a", ("1", b"0" * 1000))
    content = archive.read_bytes()
    assert content.count(struct.pack("<I", 1000)) == 2  # said twice: before the file, and in the table at the end
    archive.write_bytes(content.replace(struct.pack("<I", 1000), struct.pack("<I", 5)))
    refused(archive, "damaged")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz", "zip"])
def test_cut_short_anywhere(tmp_path, mode):
    members = [(f"{i}.png", bytes([i]) * 700) for i in range(4)]
    archive = zipped(tmp_path / "a", *members) if mode == "zip" else tar(tmp_path / "a", *members, mode=mode)
    content = archive.read_bytes()
    whole = len(content) if mode != "w" else 4 * (512 + 1024)  # of a plain tar only padding lies behind that
    for length in {0, 1, 100, *(whole * i // 7 for i in range(7)), whole - 1}:
        archive.write_bytes(content[:length])
        refused(archive, "damaged|no files")


def test_damaged_in_the_middle(tmp_path):
    members = [(f"{i}.png", bytes([i]) * 700) for i in range(4)]
    plain = tar(tmp_path / "a", *members)
    content = bytearray(plain.read_bytes())
    spoilt = bytearray(content)
    spoilt[2 * 1536 + 3] ^= 1  # the name in the third header: its checksum fails
    plain.write_bytes(spoilt)
    refused(plain, "damaged")
    content[2 * 1536 : 2 * 1536 + 512] = bytes(512)  # an end before the end
    plain.write_bytes(content)
    refused(plain, "goes on after its end")
    packed = bytearray(gzip.compress(tar(tmp_path / "b", *members).read_bytes()))
    packed[-6] ^= 1  # the checksum of the gz itself
    plain.write_bytes(packed)
    refused(plain, "damaged")
    archive = zipped(tmp_path / "c", *members)
    content = bytearray(archive.read_bytes())
    content[content.index(b"0.png") + 8] ^= 0x10
    archive.write_bytes(content)
    refused(archive, "damaged")


def test_what_is_no_archive(tmp_path):
    for content in (b"", b"PK", b"<html>no such file</html>" * 100, bytes(10240)):
        (tmp_path / "a").write_bytes(content)
        refused(tmp_path / "a", "damaged|no files")
    refused(tar(tmp_path / "b", ("folder", {"type": tarfile.DIRTYPE})), "no files")
