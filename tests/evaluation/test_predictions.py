"""Judging folders of photographs: what is taken, what is written, and what happens to what was there before."""

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from hvqlib.detector.prediction import Prediction
from hvqlib.errors import InputError
from hvqlib.evaluation.predictions import LONGEST, photographs, predict, regions
from hvqlib.files import sole_writer


class Brightness:
    """A judge that calls bright pictures defective, at once, so that files are what is tested."""

    white = None

    def judge(self, images, class_names, false_alarm):
        assert len(images) <= 16
        return [
            Prediction(None, "cloth", float(i.mean()), 128.0, 0.05, 0.01 if i.mean() > 128 else 0.5, 1.0, 0.0, 0.2,
                       i[..., 0].astype(np.float32), 128.0)
            for i in images
        ]  # fmt: skip


def save(path, value=50, size=(24, 16)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value,) * 3).save(path)
    return path


def judge(paths, out, **options):
    told = []
    rows, unread = predict(Brightness(), paths, out, tell=lambda *about: told.append(about), **options)
    assert [path for path, _ in told] == list(paths)
    return rows, unread


def test_folders_and_patterns_are_expanded_in_order_and_each_image_is_taken_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b/2.png", "b/1.jpg", "b/deep/3.png", "a.png", "odd[1].png"):
        save(tmp_path / name)
    (tmp_path / "b/notes.txt").write_text("no image")
    assert [str(path) for path in photographs(["b"])[0]] == ["b/1.jpg", "b/2.png", "b/deep/3.png"]
    assert [str(path) for path in photographs(["a.png", "b/*.png", "b/2.png"])[0]] == ["a.png", "b/2.png"]
    assert [str(path) for path in photographs(["odd[1].png", "gone.png"])[0]] == ["odd[1].png", "gone.png"]
    for empty in ("nothing*.png", str(tmp_path / "b/notes.txt") + "*x"):
        with pytest.raises(InputError, match="holds no image"):
            photographs([empty])


def test_nothing_is_overwritten_and_a_second_call_adds(tmp_path):
    paths = [save(tmp_path / name, value) for name, value in (("a.png", 10), ("b/a.png", 20), ("a_2.png", 30))]
    out = tmp_path / "out"
    rows, _ = judge(paths, out)
    heat = [row["heat_map"] for row in rows]
    assert len(set(heat)) == 3 and all(os.path.exists(path) for path in heat)
    for path, picture in zip(paths, heat, strict=True):  # each heat map shows its own photograph
        assert np.asarray(Image.open(picture))[0, 0, 0] == np.asarray(Image.open(path))[0, 0, 0]
    before = {path: Path(path).read_bytes() for path in heat}
    new = save(tmp_path / "c/a.png", 40)
    judge([new], out)
    known = json.loads((out / "scores.json").read_text())
    assert [row["image"] for row in known] == [str(path) for path in (*paths, new)]
    assert {path: Path(path).read_bytes() for path in heat} == before
    save(paths[0], 200)
    judge([paths[0]], out)  # judged again: its row and its heat map are the new ones, and there are no more of them
    again = json.loads((out / "scores.json").read_text())
    assert [row["verdict"] for row in again] == ["defective", "normal", "normal", "normal"]
    assert [row["heat_map"] for row in again] == [row["heat_map"] for row in known]
    assert sorted(os.listdir(out)) == sorted([*(os.path.basename(row["heat_map"]) for row in again), "scores.csv",
                                              "scores.json"])  # fmt: skip


def test_own_pictures_are_never_taken_for_photographs(tmp_path):
    paths = [save(tmp_path / f"{i}.png", 20 * i) for i in range(3)]
    judge(paths, tmp_path, masks=True)  # into the photographs' own folder
    taken, own, _ = photographs([tmp_path])
    assert taken == paths and len(own) == 6 and all("heatmap" in path.name or "mask" in path.name for path in own)


@pytest.mark.parametrize("number", [3, 70])
def test_a_damaged_file_does_not_stop_the_others(tmp_path, number):
    paths = [save(tmp_path / f"{i:02d}.png") for i in range(number)]
    paths[1].write_bytes(paths[1].read_bytes()[:50])
    paths[-1].unlink()
    rows, unread = judge(paths, tmp_path / "out")
    assert unread == [paths[1], paths[-1]] and len(rows) == number - 2
    assert len(json.loads((tmp_path / "out/scores.json").read_text())) == number - 2


def test_any_name_of_a_file_is_written_and_excel_can_open_the_table(tmp_path):
    names = ["x" * 246, "布料", "a,b;\"c'", "=1+1"]
    paths = [save(tmp_path / f"{name}.png") for name in names]
    odd = os.fsdecode(b"clo\xffth.png")
    os.rename(save(tmp_path / "odd.png"), os.path.join(tmp_path, odd))
    rows, unread = judge([*paths, tmp_path / odd], tmp_path / "out", masks=True)
    assert not unread and len(rows) == 5
    assert all(len(os.fsencode(os.path.basename(row["heat_map"]))) <= LONGEST + len("_heatmap.png") for row in rows)
    assert (tmp_path / "out/scores.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    with (tmp_path / "out/scores.csv").open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["image"] for row in table][:4] == [str(path) for path in paths]
    assert [float(row["score"]) for row in table] == [row["score"] for row in rows]


def test_a_kill_leaves_what_was_there_whole(tmp_path, monkeypatch):
    paths = [save(tmp_path / f"{i:02d}.png") for i in range(40)]
    judge(paths[:2], tmp_path / "out")
    monkeypatch.setattr(Brightness, "judge", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        judge(paths, tmp_path / "out")
    assert len(json.loads((tmp_path / "out/scores.json").read_text())) == 2


def test_foreign_scores_are_not_overwritten(tmp_path):
    (tmp_path / "scores.json").write_text('{"mine": 1}')
    with pytest.raises(InputError, match="not what hvq predict writes"):
        judge([save(tmp_path / "a.png")], tmp_path)
    assert (tmp_path / "scores.json").read_text() == '{"mine": 1}'


def test_regions_equal_a_loop():
    random = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(random.normal(size=(40, 40)), 3).astype(np.float32)
    threshold = float(np.quantile(smooth, 0.8))
    mask, found = regions(smooth, threshold, (40, 40), smallest=20)
    labels, number = ndimage.label(smooth > threshold)
    expected = np.zeros((40, 40), bool)
    areas = []
    for i in range(1, number + 1):
        inside = labels == i
        if inside.sum() >= 20:
            expected |= inside
            areas.append(int(inside.sum()))
    assert np.array_equal(mask, expected) and [one["area"] for one in found] == sorted(areas, reverse=True)
    for one in found:
        left, top, right, bottom = one["box"]
        assert one["highest"] == pytest.approx(smooth[top:bottom, left:right][mask[top:bottom, left:right]].max())
        assert mask[top:bottom, left:right].any(0).all() and mask[top:bottom, left:right].any(1).all()
    wide, _ = regions(smooth, threshold, (40, 120))
    assert wide.shape == (40, 120) and regions(smooth, 1e9, (40, 40))[1] == []


def test_files_of_one_name_in_two_working_folders_are_two(tmp_path, monkeypatch):
    out = tmp_path / "out"
    for place in ("a", "b"):
        save(tmp_path / place / "1.png")
        monkeypatch.chdir(tmp_path / place)
        judge([Path("1.png")], Path("../out"), masks=True)
    known = json.loads((out / "scores.json").read_text())
    assert [row["image"] for row in known] == [str(tmp_path / place / "1.png") for place in ("a", "b")]
    assert {row["heat_map"] for row in known} == {str(out / name) for name in ("1_heatmap.png", "1_2_heatmap.png")}
    assert all(os.path.isabs(row["mask"]) for row in known)


def test_ones_own_file_is_never_taken_for_a_mask(tmp_path):
    mine = save(tmp_path / "part_mask.png", 77)
    before = mine.read_bytes()
    (row,), _ = judge([save(tmp_path / "part.png", 200)], tmp_path, masks=True)
    assert mine.read_bytes() == before and row["mask"] == str(tmp_path / "part_2_mask.png")


def test_an_image_that_cannot_be_judged_is_named_and_does_not_stop_the_others(tmp_path, monkeypatch):
    paths = [save(tmp_path / f"{i:02d}.png", size=(24, 16) if i != 18 else (16, 24)) for i in range(20)]
    whole = Brightness.judge

    def upright_only(self, images, *asked):
        if any(image.shape[0] > image.shape[1] for image in images):
            raise InputError("The image 'in memory' is cut into 2 x 1 tiles.")
        return whole(self, images, *asked)

    monkeypatch.setattr(Brightness, "judge", upright_only)
    told = []
    rows, unread = predict(Brightness(), paths, tmp_path / "out", tell=lambda *about: told.append(about))
    assert unread == [paths[18]] and len(rows) == 19 and [path for path, _ in told] == paths
    assert str(told[18][1]) == f"The image '{paths[18]}' is cut into 2 x 1 tiles."


def test_what_was_judged_before_an_interruption_is_kept(tmp_path, monkeypatch):
    paths = [save(tmp_path / f"{i:02d}.png") for i in range(40)]
    monkeypatch.setattr("hvqlib.evaluation.predictions.UNHURRIED", 1e9)  # nothing is written in between

    def tell(path, row):
        if path == paths[20]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(Brightness(), paths, tmp_path / "out", tell=tell)
    known = json.loads((tmp_path / "out/scores.json").read_text())
    assert [row["image"] for row in known] == [str(path) for path in paths[:21]]
    assert len(list((tmp_path / "out").glob("*_heatmap.png"))) == 21


def test_what_looks_like_a_photograph_and_is_left_out_is_listed(tmp_path):
    kept = save(tmp_path / "a.png")
    for name in ("b.cr2", "deep/c.mp4", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "dead.png").symlink_to(tmp_path / "gone.png")
    assert photographs([tmp_path, kept]) == ([kept], [], [tmp_path / name for name in ("b.cr2", "dead.png", "deep")])
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/1.nef").touch()
    with pytest.raises(InputError, match="raw' holds no image .*1.nef': a camera's raw format"):
        photographs([tmp_path / "raw"])


def test_of_several_pages_the_first_is_judged_and_their_number_is_said(tmp_path):
    first, second = (Image.new("RGB", (24, 16), (value,) * 3) for value in (20, 200))
    first.save(tmp_path / "two.tif", save_all=True, append_images=[second])
    rows, _ = judge([tmp_path / "two.tif", save(tmp_path / "one.tif")], tmp_path / "out")
    assert [row.get("pages") for row in rows] == [2, None] and rows[0]["score"] == 20


def test_a_file_is_no_folder_to_write_to(tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(InputError, match="taken' is a file: choose another --out"):
        judge([save(tmp_path / "a.png")], tmp_path / "taken")


def test_two_calls_do_not_write_into_one_folder(tmp_path):
    paths = [save(tmp_path / "a.png")]
    with sole_writer(tmp_path / "out"), pytest.raises(InputError, match="Another hvq predict is writing"):
        judge(paths, tmp_path / "out")
    judge(paths, tmp_path / "out")
    assert sorted(os.listdir(tmp_path / "out")) == ["a_heatmap.png", "scores.csv", "scores.json"]


def test_a_mask_of_an_earlier_call_does_not_stay(tmp_path):
    paths = [save(tmp_path / "a.png", 200)]
    judge(paths, tmp_path / "out", masks=True)
    rows, _ = judge(paths, tmp_path / "out")
    assert "mask" not in rows[0] and not (tmp_path / "out/a_mask.png").exists()
    judge(paths, tmp_path / "out", masks=True)
    shutil.copytree(tmp_path / "out", tmp_path / "copy")
    judge(paths, tmp_path / "copy")
    assert (tmp_path / "out/a_mask.png").exists() and not (tmp_path / "copy/a_mask.png").exists()


def test_pixels_that_touch_at_corners_are_one_region():
    mask, found = regions(np.eye(8), 0.5, (8, 8), 2)
    assert mask.sum() == 8 and [region["area"] for region in found] == [8]
