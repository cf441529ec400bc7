from __future__ import annotations

import csv
import io
import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvqlib.course.material import fresh
from hvqlib.course.photo_list import read_photographs, sort_photographs, too_few
from hvqlib.data import listing
from hvqlib.data.dataset import load_dataset
from hvqlib.errors import InputError

ROWS = [("file", "product", "inspected"), ("IMG_1.png", "Häkchen", "good"), ("IMG_2.png", "häkchen ", "bad"),
        ("IMG_3.png", "", "")]  # fmt: skip


def photographs(folder: Path, *names: str) -> Path:
    random = np.random.default_rng(0)
    for name in names or ("IMG_1.png", "IMG_2.png", "IMG_3.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (8, 8, 3), np.uint8)).save(folder / name)
    return folder


def listed(rows: list[tuple], mark: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=mark).writerows(rows)
    return text.getvalue()


def said(folder: Path) -> list[tuple[str, str, str]]:
    return [(one.path.name, one.product, one.said) for one in read_photographs(folder).photographs]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"])
def test_lists_as_excel_saves_them(tmp_path: Path, mark: str, encoding: str) -> None:
    (photographs(tmp_path) / "list.csv").write_bytes(listed(ROWS, mark).encode(encoding))
    wanted = [("IMG_1.png", "Häkchen", "good"), ("IMG_2.png", "Häkchen", "bad"), ("IMG_3.png", "", "")]
    assert said(tmp_path) == wanted and read_photographs(tmp_path).remarks == []


@pytest.mark.parametrize(
    ("good", "bad"),
    [("good", "bad"), ("Good", "BAD"), ("OK", "NOK"), ("ok ", "n.ok"), ("i.O.", "n.i.O."), ("pass", "Defective")],
)
def test_words_of_inspectors(tmp_path: Path, good: str, bad: str) -> None:
    rows = [("Photo", "CLASS", "Result"), ("img_1.PNG", "hook", good), ("IMG_2", "Hook", bad)]
    (photographs(tmp_path) / "inspection 2024.csv").write_text("sep=;\n" + listed(rows, ";"))
    assert said(tmp_path)[:2] == [("IMG_1.png", "hook", "good"), ("IMG_2.png", "hook", "bad")]
    assert read_photographs(tmp_path).remarks == ["Not in the list: IMG_3.png. They count as not inspected."]


def test_a_list_without_products_and_with_paths_of_another_machine(tmp_path: Path) -> None:
    rows = [("file name", "quality"), ("C:\\shots\\IMG_1.png", "ok"), ("IMG_9.png", "ok"), ("./IMG_2.png", "-")]
    folder = photographs(tmp_path / "hooks")
    (folder / "list.txt").write_text(listed(rows, "\t"))
    (folder / "notes.txt").write_text("taken on Monday")
    assert said(folder) == [("IMG_1.png", "hooks", "good"), ("IMG_2.png", "", ""), ("IMG_3.png", "", "")]
    missing, *_, product = read_photographs(folder).remarks
    assert missing == "In the list but not in the folder, or not to be read: IMG_9.png. Left out."
    assert product == "The list names no product: all count as one, 'hooks'."


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("list.csv", "", "'list.csv' has no column 'file'"),
        ("list.csv", "file,product\nIMG_1.png,a\n", "no column 'inspected', its first line says 'file, product'"),
        ("list.csv", "file,inspected\nIMG_1.png,good\nIMG_2.png,maybe\n", "Line 3 of 'list.csv' says 'maybe': write"),
        ("list.csv", "file,inspected\nIMG_1.png,good\nIMG_1.png,bad\n", "Lines 2 and 3 of 'list.csv' say different"),
        ("list.csv", "file,inspected\nDSC_1.png,good\n", "names no photograph of .* such as IMG_1.png"),
        ("list.xlsx", "PK", "'list.xlsx' is a workbook: save it as 'CSV UTF-8'"),
    ],
)
def test_what_cannot_be_understood_is_a_sentence(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    (photographs(tmp_path) / name).write_text(text)
    with pytest.raises(InputError, match=sentence):
        read_photographs(tmp_path)


def test_two_lists_are_not_chosen_from(tmp_path: Path) -> None:
    for name in ("monday.csv", "tuesday.csv"):
        (photographs(tmp_path) / name).write_text(listed(ROWS))
    with pytest.raises(InputError, match="monday.csv, tuesday.csv: call the list of photographs list.csv"):
        read_photographs(tmp_path)
    (tmp_path / "List.CSV").write_text(listed(ROWS))
    assert len(said(tmp_path)) == 3


def test_folders_without_photographs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder: put"):
        read_photographs(tmp_path / "gone")
    (tmp_path / "a.heic").write_bytes(b"")
    (tmp_path / "b.cr2").write_bytes(b"")
    kinds = listing.EXTENSIONS
    with pytest.MonkeyPatch.context() as patch, pytest.raises(InputError, match="holds no photograph") as refused:
        patch.setattr(listing, "EXTENSIONS", kinds - listing.HEIF)
        read_photographs(tmp_path)
    assert "a.heic (HEIC, HEIF or AVIF, for which pip install pillow-heif" in str(refused.value)
    assert "b.cr2 (a camera's raw format: save them as PNG or TIFF)" in str(refused.value)


def test_without_a_list_all_are_good_and_heic_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = photographs(tmp_path / "test")
    (folder / "IMG_4.HEIC").write_bytes(b"")
    monkeypatch.setattr(listing, "EXTENSIONS", listing.EXTENSIONS - listing.HEIF)
    found = read_photographs(folder)
    assert {(one.product, one.said) for one in found.photographs} == {("product test", "good")}
    assert found.told().splitlines() == [
        "   3 photographs: product test, good",
        "There is no list: all 3 photographs count as good, of one product, 'product test'.",
        "Left out: IMG_4.HEIC (HEIC, HEIF or AVIF, for which pip install pillow-heif is needed; or save them as PNG or "
        "JPEG).",
    ]


def test_without_a_list_folders_speak(tmp_path: Path) -> None:
    photographs(tmp_path, "hook/good/1.png", "hook/good/2.png", "hook/bad/1.png")
    assert sorted(said(tmp_path)) == [("1.png", "hook", "bad"), ("1.png", "hook", "good"), ("2.png", "hook", "good")]


def sorted_in(out: Path) -> dict[str, int]:
    places = [path.parent.relative_to(out).as_posix() for path in out.glob("*/*/*/*")]
    return {place: places.count(place) for place in sorted(places)}


def test_sorting(tmp_path: Path) -> None:
    names = [f"shift {i % 2}/IMG_{i // 2}.png" for i in range(20)]  # ten names, each twice
    folder, out = photographs(tmp_path / "heap", *names, "c.png"), tmp_path / "sorted"
    rows = [("file", "product", "inspected")] + [
        (name, "a/b", "bad" if i < 2 else "good") for i, name in enumerate(names)
    ]
    (folder / "list.csv").write_text(listed([*rows, ("c.png", "few", "good")]))
    found = read_photographs(folder)
    originals = sort_photographs(found, out)
    assert sorted_in(out) == {"a_b/test/defective": 2, "a_b/test/good": 3, "a_b/train/good": 15}
    assert len(set(originals.values())) == 20  # none took another's place
    assert all(copy.read_bytes() == path.read_bytes() for copy, path in originals.items())
    assert too_few(found) == "Left out, for want of 5 good photographs: few."
    data = load_dataset(out)
    assert (data.classes, len(data.train), len(data.test), data.left_out) == (("a_b",), 15, 5, ())

    good = [one.path for one in found.photographs if one.said == "good"]
    sort_photographs(found, out, good[:9])  # again, and only its own are removed
    assert sorted_in(out) == {"a_b/test/defective": 2, "a_b/test/good": 1, "a_b/train/good": 8}
    mine = photographs(out, "a_b/train/good/mine.png") / "a_b/train/good/mine.png"
    with pytest.raises(InputError, match=re.escape(f"'{mine}' was not put there by this page")):
        sort_photographs(found, out)
    assert mine.exists()


def test_too_few_good_ones_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No product has 5 good photographs"):
        sort_photographs(read_photographs(photographs(tmp_path / "a")), tmp_path / "b")


def test_only_what_a_training_made_is_removed(tmp_path: Path) -> None:
    assert not fresh(tmp_path / "new").exists()
    for name, key in (("run/config.json", "backbone_fingerprint"), ("onnx/detector.json", "model_sha256"),
                      ("mine/deep/diary.doc", "dear")):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(f'{{"{key}": 1}}')
    assert not fresh(tmp_path / "run").exists() and not fresh(tmp_path / "onnx").exists()
    with pytest.raises(InputError, match="holds something that no training made"):
        fresh(tmp_path / "mine")
    assert (tmp_path / "mine/deep/diary.doc").exists()


@pytest.mark.parametrize("name, text", [("config.json", '{"architectures": ["Vit"]}'), ("config.json", "no json"),
                                        ("detector.json", "[]"), ("checkpoint.safetensors", "")])  # fmt: skip
def test_what_another_program_made_is_not_removed(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / name).write_text(text)
    (tmp_path / "model/thesis.docx").touch()
    with pytest.raises(InputError, match="no training made"):
        fresh(tmp_path / "model")
    assert (tmp_path / "model/thesis.docx").exists()


def test_umlauts_in_one_part_and_in_two_are_the_same(tmp_path: Path) -> None:
    apart, whole = (unicodedata.normalize(form, "Gehäuse 1.png") for form in ("NFD", "NFC"))
    assert apart != whole
    (photographs(tmp_path, apart) / "list.csv").write_text(
        f"file,product,inspected\n{whole},hook,ok\n", encoding="utf-8"
    )
    (one,) = read_photographs(tmp_path).photographs
    assert (one.path.name, one.product, one.said) == (apart, "hook", "good")
