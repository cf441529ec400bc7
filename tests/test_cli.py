"""The command as people type it: what it writes, what it says when it cannot, and with which exit status."""

import json
import shutil
import subprocess
import sys

import pytest

from hvqlib import cli, config
from hvqlib.errors import exit_status

pytestmark = pytest.mark.usefixtures("own_data")


@pytest.fixture
def small_preset(monkeypatch, small_config):
    monkeypatch.setitem(config.PRESETS, "tiny", small_config)


def test_train_evaluate_predict(small_preset, small_data, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", "--data", str(small_data), "--out", "run", "--seed", "3"]) == 0
    assert cli.main(["evaluate", "--run", "run", "--data", str(small_data), "--json", "copy.json"]) == 0
    printed = capsys.readouterr().out
    assert "cloth" in printed and "stone" in printed and "mean" in printed
    written = {p.name for p in (tmp_path / "run").iterdir()}
    assert written == {
        "config.json",
        "images.json",
        "checkpoint.safetensors",
        "curves.png",
        "metrics.json",
        "gallery.png",
    }
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert set(metrics) == {"classes", "mean", "n", "labels", "class_accuracy"}
    assert metrics["classes"]["stone"]["aupro"] is None
    assert json.loads((tmp_path / "copy.json").read_text()) == metrics

    images = [str(small_data / "cloth/test/spot/000.png"), str(small_data / "stone/test/good/000.png")]
    assert cli.main(["predict", "--run", "run", "--out", "judged", *images]) == 0
    rows = json.loads((tmp_path / "judged/scores.json").read_text())
    assert [r["class"] for r in rows] == ["cloth", "stone"] and [r["image"] for r in rows] == images
    assert [r["verdict"] for r in rows][0] == "defective" and rows[0]["p_value"] <= rows[0]["false_alarm"] + 1e-9 < 0.56
    assert cli.main(["evaluate", "--run", "run", "--data", str(small_data), "--labels", "inferred"]) == 0
    assert "class accuracy: good 1.000" in capsys.readouterr().out
    heat_maps = {tmp_path / r["heat_map"] for r in rows}
    assert len(heat_maps) == 2 and all(p.exists() for p in heat_maps)


def test_what_is_left_out_and_how_many_images_are_needed_is_said(small_preset, small_data, tmp_path, capsys):
    data = tmp_path / "data"
    shutil.copytree(small_data, data)
    (data / "cloth/train/good/gone.png").symlink_to(tmp_path / "nowhere.png")
    run = str(tmp_path / "run")
    assert cli.main(["train", "--data", str(data), "--out", run, "--method", "knn"]) == 0
    said = capsys.readouterr().err
    assert "Left out, though like images: 1: " in said and "train/good/gone.png'" in said
    assert "16 normal training images can promise no false-alarm rate below" in said
    assert cli.main(["evaluate", "--run", run, "--data", str(data)]) == 0
    assert "train/good/gone.png'" in capsys.readouterr().err


def test_rivals_and_resume(small_preset, small_data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for method in ("knn", "continuous"):
        assert cli.main(["train", "--data", str(small_data), "--out", method, "--method", method]) == 0
        assert cli.main(["evaluate", "--run", method, "--data", str(small_data)]) == 0
    assert cli.main(["train", "--data", str(small_data), "--out", "knn", "--method", "knn", "--resume"]) == 0


@pytest.mark.parametrize("given", [("--tiles", "40"), ("--fit", "letterbox")])
def test_images_that_are_cut_or_padded(small_preset, small_data, tmp_path, capsys, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    data, image = str(small_data), str(small_data / "cloth/test/spot/000.png")
    assert cli.main(["train", "--data", data, "--out", "run", *given]) == 0
    told = {"--tiles": "squares of 40 pixels, rows x columns: cloth 2 x 2, stone 2 x 2", "--fit": "padded to squares"}
    assert told[given[0]] in capsys.readouterr().err
    assert cli.main(["evaluate", "--run", "run", "--data", data]) == 0
    fresh = [str(path) for path in sorted((small_data / "cloth/test/good").glob("*.png"))]
    assert cli.main(["recalibrate", "--run", "run", "--class", "cloth", "--out", "new", "--add", *fresh]) == 0
    capsys.readouterr()
    for run in ("new", "run"):
        assert cli.main(["predict", "--run", run, "--out", run + " judged", "--masks", image]) == 0
        (judged,) = json.loads((tmp_path / (run + " judged/scores.json")).read_text())
        assert judged["verdict"] != "normal" and judged["boxes"]


def test_foundry_is_drawn_once(tmp_path, monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(
        "hvqlib.course.foundry.dataset.draw_foundry", lambda out, seed: calls.append((out.name, seed)) or True
    )
    assert cli.main(["data", "foundry", "--out", str(tmp_path / "f"), "--seed", "2"]) == 0
    assert calls == [("f", 2)] and "drawn" in capsys.readouterr().err
    assert cli.main(["data", "foundry"]) == 0 and calls[1] == ("foundry", 0)
    said = capsys.readouterr().err
    assert str(tmp_path / "own_data/foundry") in said  # in the data folder, if nothing else is said
    assert "photographs of ballscrew come with a checkout" in said and "six drawn products only" in said
    for folder in ("ballscrew/train", "foundry"):
        (tmp_path / "own_data" / folder).mkdir(parents=True)
    monkeypatch.setattr("hvqlib.course.foundry.dataset.draw_foundry", lambda out, seed: False)
    assert cli.main(["data", "foundry"]) == 0 and "photographs of ballscrew copied" in capsys.readouterr().err
    assert cli.main(["data", "foundry"]) == 0
    assert capsys.readouterr().err.strip() == f"{tmp_path / 'own_data/foundry'}: already there"


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("", "required"),
        ("train", "--data"),
        ("fly", "invalid choice"),
        ("train --data nowhere --out r", "nowhere"),
        ("train --data {data} --out {tmp}/r --preset huge", "huge"),
        ("train --data {data} --out {tmp}/r --minutes -1", "minutes"),
        ("train --data {data} --out {tmp}/r --minutes x", "minutes"),
        ("train --data {data} --out {tmp}/r --steps 0", "steps"),
        ("train --data {data} --out {tmp}/r --seed -1", "seed"),
        ("train --data {data} --out {tmp}/r --device abacus", "abacus"),
        ("data foundry --out {tmp}/f --seed -1", "seed"),
        ("data", "WHAT"),
        ("data foundries", "invalid choice"),
        ("data check nowhere", "nowhere"),
        ("data get pets", "visa"),
        ("data get visa --archive nowhere", "nowhere"),
        ("data get mvtec --archive nowhere", "nowhere"),
        ("train --data {data} --out {tmp}/r --checkpoint-every 0", "checkpoint_every"),
        ("train --data {data} --out {tmp}/r --minutes 12 --steps 900", "not allowed with"),
        ("train --data {data} --out=", "the name is empty"),
        ("predict --run {tmp} --smallest 5 x.png", "--smallest goes with --masks"),
        ("predict --run {tmp} --masks --smallest -5 x.png", "is 1 or more"),
        ("train --data {data} --out {tmp}/r --backbone resnet_of_dreams", "resnet_of_dreams"),
        ("evaluate --run {tmp} --data {data}", "no run"),
        ("evaluate --run {tmp}/gone --data {data}", "no such folder"),
        ("predict --run {tmp} --out {tmp}/p x.png", "no run"),
    ],
)
def test_bad_arguments_are_one_sentence_and_status_two(line, word, small_data, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(line.format(data=small_data, tmp=tmp_path).split()) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and word in printed.err and len(printed.err.strip().splitlines()) == 1


def test_no_traceback_and_a_status_from_the_real_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "hvqlib", "train", "--data", str(tmp_path), "--out", str(tmp_path / "r")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "No class found" in done.stderr and "Traceback" not in done.stderr


def test_missing_weights_of_the_papers_backbone_are_a_sentence(small_data, tmp_path, capsys, monkeypatch):
    import timm

    monkeypatch.setattr("huggingface_hub.get_session", lambda: (_ for _ in ()).throw(OSError("no network")))
    monkeypatch.setattr(timm, "create_model", lambda *a, **k: (_ for _ in ()).throw(OSError("no network")))
    arguments = ["train", "--data", str(small_data), "--out", str(tmp_path / "r"), "--preset", "paper"]
    assert cli.main(arguments) == 2
    assert "weights of 'tf_efficientnet_b4.aa_in1k' are not on this machine" in capsys.readouterr().err


def test_json_for_machines(small_preset, small_data, tmp_path, capsys, monkeypatch):
    """Of every command: standard output is one JSON document, whatever is said beside it."""
    monkeypatch.chdir(tmp_path)
    image = str(small_data / "cloth/test/spot/000.png")
    lines = {
        "check": f"data check {small_data} --json",
        "train": f"train --data {small_data} --out run --json",
        "evaluate": f"evaluate --run run --data {small_data} --json",
        "predict": f"predict --run run --json {image}",
        "export": "export --run run --out small --json",
    }
    found = {}
    for name, line in lines.items():
        assert cli.main(line.split()) == 0
        found[name] = json.loads(capsys.readouterr().out)
    assert found["train"]["run"] == "run" and found["train"]["step"] == 12 and found["train"]["done"]
    assert found["evaluate"] == json.loads((tmp_path / "run/metrics.json").read_text())
    assert [row["image"] for row in found["predict"]] == [image]
    assert (tmp_path / "predictions/scores.json").exists()  # where they go, if nothing else is said
    assert found["check"]["usable"] and found["export"] == {"run": "small"}


def test_what_is_measured_is_printed_where_it_cannot_be_written(small_preset, small_data, tmp_path, capsys):
    run = str(tmp_path / "run")
    assert cli.main(["train", "--data", str(small_data), "--out", run, "--method", "knn"]) == 0
    (tmp_path / "file").touch()
    nowhere = str(tmp_path / "file" / "x.json")
    capsys.readouterr()
    assert cli.main(["evaluate", "--run", run, "--data", str(small_data), "--json", nowhere]) == 1
    printed = capsys.readouterr()
    assert "mean" in printed.out and "x.json cannot be written" in printed.err


def test_a_rate_that_cannot_be_promised_is_refused_before_anything_is_announced(
    small_preset, small_data, tmp_path, capsys
):
    run = str(tmp_path / "run")
    assert cli.main(["train", "--data", str(small_data), "--out", run, "--method", "knn"]) == 0
    capsys.readouterr()
    for rate in ("0.001", "0", "2", "nan"):
        asked = ["--out", str(tmp_path / "out"), "--false-alarm", rate, str(small_data)]
        assert cli.main(["predict", "--run", run, *asked]) == 2
        printed = capsys.readouterr()
        assert printed.out == "" and len(printed.err.strip().splitlines()) == 1 and "false-alarm rate" in printed.err
    assert not (tmp_path / "out").exists()


def test_more_memory_than_there_is_and_a_closed_pipe_are_no_tracebacks(capsys):
    def greedy():
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 256 GB")

    assert exit_status("hvq", greedy, "") == 1
    assert "needs more memory than is free" in capsys.readouterr().err
    with pytest.raises(RuntimeError, match="illegal memory access"):  # a fault of another kind
        exit_status("hvq", lambda: (_ for _ in ()).throw(RuntimeError("CUDA error: an illegal memory access")), "")
    with pytest.raises(RuntimeError, match="another"):
        exit_status("hvq", lambda: (_ for _ in ()).throw(RuntimeError("another fault")), "")
    code = "from hvqlib.errors import exit_status; exit(exit_status('x', lambda: print('line\\n' * 100_000), ''))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"line\n"
        process.stdout.close()
        assert process.wait(60) == 1 and process.stderr.read() == b""


def test_public_names_can_be_completed():
    import hvqlib

    assert set(hvqlib.__all__) <= set(dir(hvqlib))
