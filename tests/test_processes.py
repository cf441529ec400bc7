"""Several processes do what one does, and agree with each other to the bit."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import distributed as dist

from hvqlib import processes
from hvqlib.detector.run_folder import read_checkpoint
from hvqlib.errors import InputError

# Trains 20 steps of batches of 5 (the last of an epoch has 2), and keeps what this process holds at the end.
SCRIPT = """
import sys
from dataclasses import replace
import torch
from safetensors.torch import save_file
from hvqlib import Config, load_dataset, processes, train
torch.set_num_threads(1)
data, out, method, optimizer = sys.argv[1:]
config = Config(image_size=64, grid=4, width=16, heads=2, feedforward=32, layers=2, codes=40, batch_size=5, steps=20,
                method=method, score="combined" if method == "hvq" else "residual",
                optimizer=optimizer, lr=1e-2 if optimizer == "muon" else 3e-3)

def watch(model, history):
    if len(history) == 20:
        state = {name: value.clone() for name, value in model.state_dict().items()}
        state["history"] = torch.tensor(history, dtype=torch.float64)
        save_file(state, f"{out}.{processes.rank()}.safetensors")

train(config, load_dataset(data), out, cache=out + "-cache", device="cpu", progress=False, watch=watch)
"""


def free_port() -> str:
    """Find a port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def start(number: int, *arguments: str) -> None:
    """Run SCRIPT in that many processes that know of each other."""
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": str(number), "OMP_NUM_THREADS": "1"}
    running = []
    for i in range(number):
        env = os.environ | common | {"RANK": str(i), "LOCAL_RANK": str(i)}
        running.append(subprocess.Popen([sys.executable, "-c", SCRIPT, *arguments], env=env, stderr=subprocess.PIPE))
    for process in running:
        _, told = process.communicate(timeout=240)
        assert process.returncode == 0, told.decode()


def close(name: str, one: torch.Tensor, other: torch.Tensor) -> bool:
    """Losses and codebooks within 1e-5, other weights within 1e-4. Attention does not see the keys' biases: what moves
    them is rounding, which Adam makes as large as any gradient."""
    tolerance = 1e-5 if name == "history" or name.startswith("quantizer") else 1e-4
    return name.endswith("key.bias") or torch.allclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True)


def as_measured(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Take a run's fitted reading and calibration, in a form in which those of two runs can be compared.

    Directions are eigenvectors, which may point either way, and where the variance is 0 anywhere: only the matrices
    that they make together, with their `gains`, enter into what is measured.
    """
    found = {name: value for name, value in tensors.items() if name.startswith(("reading.", "calibration."))}
    along = found.pop("reading.place.directions").float()  # (classes, L, rank, C)
    found["shortened"] = along.mT @ (found["reading.place.gains"][..., None] * along)  # (classes, L, C, C)
    along = found.pop("reading.picture.directions").float()  # (classes, 160, D), each sqrt(D) long
    found["explained"] = along.mT @ along / along.shape[-1]
    return found


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_two_processes_equal_one_and_each_other(optimizer: str, small_data: Path, tmp_path: Path) -> None:
    for number, name in ((1, "one"), (2, "two")):
        start(number, str(small_data), str(tmp_path / name), "hvq", optimizer)
    one, two, other = (load_file(tmp_path / f"{name}.safetensors") for name in ("one.0", "two.0", "two.1"))
    for name in one:
        assert torch.equal(torch.nan_to_num(two[name]), torch.nan_to_num(other[name])), name
        assert close(name, one[name], two[name]), name
    assert (one["quantizer.top.usage"].sum(1) > 0).all()
    kept, state = read_checkpoint(tmp_path / "two")  # process 0 wrote it, finished and calibrated
    assert state["step"] == 20 and state["done"]
    assert torch.equal(kept["model.head_weight"], two["head_weight"])
    # The noise of an inverse is as large in its small entries as in the largest. Directions are kept in float16, so
    # products of two are right to two of its roundings.
    of_largest = {"reading.place.whiten": 1e-4, "shortened": 2**-10, "explained": 2**-10}
    only, kept = (as_measured(tensors) for tensors in (read_checkpoint(tmp_path / "one")[0], kept))
    assert only.keys() == kept.keys() and {"calibration.mean", "reading.place.whiten"} < kept.keys()
    assert (kept["reading.place.settled"] > 0).all()  # every class was fitted
    assert (kept["shortened"].abs().amax((1, 2, 3)) > 0.1).all()
    for name, value in only.items():
        if name in of_largest:
            error = float((value - kept[name]).abs().max() / value.abs().max())
            assert error < of_largest[name], (name, error)
        else:  # a score in spreads magnifies what rounding did to the score
            of = {"calibration.scores": "image", "calibration.peaks": "map"}.get(name)
            size = only[f"calibration.{of}_mean"].abs() / only[f"calibration.{of}_spread"] if of else torch.ones(1)
            assert torch.allclose(value, kept[name], rtol=1e-4, atol=1e-4 * max(1.0, float(size.max()))), (name, size)


def test_more_processes_than_images_in_a_batch(small_data: Path, tmp_path: Path) -> None:
    for number, name in ((1, "one"), (3, "three")):
        start(number, str(small_data), str(tmp_path / name), "continuous", "adamw")
    one, three = (load_file(tmp_path / f"{name}.0.safetensors") for name in ("one", "three"))
    for name in one:
        assert close(name, one[name], three[name]), name


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command `hvq` in two processes started by torchrun."""
    launch = ["torch.distributed.run", "--nproc-per-node", "2", "--master-port", free_port(), "-m", "hvqlib"]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-m", *launch, *arguments], capture_output=True, text=True, env=env,
                          timeout=300)  # fmt: skip


needs_torchrun = pytest.mark.skipif(
    sys.platform == "win32", reason="torchrun asks for libuv, which PyTorch's builds for Windows are without"
)


@needs_torchrun
@pytest.mark.parametrize("method", ["hvq", "knn"])
def test_the_command_under_torchrun(method: str, small_data: Path, tmp_path: Path) -> None:
    run, cache = str(tmp_path / "run"), str(tmp_path / "cache")
    options = ["--method", method, "--steps", "2", "--device", "cpu"]
    done = torchrun("train", "--data", str(small_data), "--out", run, "--cache", cache, *options)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(" steps, ") == 1  # said once
    assert not re.search("warning|destroy_process_group", done.stderr, re.IGNORECASE), done.stderr
    assert read_checkpoint(tmp_path / "run")[1]["done"]


@needs_torchrun
def test_bad_input_ends_all_processes(small_data: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}", encoding="utf-8")
    done = torchrun("train", "--data", str(small_data), "--out", str(tmp_path / "run"), "--device", "cpu")
    assert done.returncode != 0
    assert "already holds a run: add --resume" in done.stderr


def test_each_process_has_its_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: asked.append(device))
    monkeypatch.setattr(dist, "is_nccl_available", lambda: True)
    monkeypatch.setattr(dist, "init_process_group", lambda backend, **options: asked.append((backend, options)))
    monkeypatch.setenv("LOCAL_RANK", "1")
    own = torch.device("cuda", 1)
    assert processes.join(cpu=False) == own
    assert asked == [own, ("nccl", {"device_id": own, "timeout": processes.PATIENCE})]
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(InputError, match="Process 3 of this machine has no GPU"):
        processes.join(cpu=False)
    asked.clear()
    assert processes.join(cpu=True) == torch.device("cpu") and asked == [("gloo", {"timeout": processes.PATIENCE})]
    assert processes.PATIENCE.total_seconds() >= 12 * 3600  # one may extract features as long


def test_alone_everything_gives_back_what_it_got() -> None:
    tensor = torch.arange(4)
    assert processes.size() == 1 and processes.rank() == processes.local_rank() == 0 and processes.join(True) is None
    assert (
        processes.sum_over(tensor) is tensor
        and processes.from_first(tensor) is tensor
        and processes.tell_all("x") == "x"
    )
    assert processes.gather_rows(tensor)[0] is tensor and processes.gather_rows(tensor)[1] == 0
