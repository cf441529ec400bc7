"""Several processes do what one does, and agree with each other to the bit."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

from hvqlib import processes
from hvqlib.detector.run_folder import read_checkpoint

# Trains 20 steps of batches of 5 (the last of an epoch has 2), and keeps what this process holds at the end.
SCRIPT = """
import sys
from dataclasses import replace
import torch
from safetensors.torch import save_file
from hvqlib import Config, load_dataset, processes, train
torch.set_num_threads(1)
data, out, method = sys.argv[1:]
config = Config(image_size=64, grid=4, width=16, heads=2, feedforward=32, layers=2, codes=40, batch_size=5, steps=20,
                method=method, score="combined" if method == "hvq" else "residual")

def watch(model, history):
    if len(history) == 20:
        state = {name: value.clone() for name, value in model.state_dict().items()}
        state["history"] = torch.tensor(history, dtype=torch.float64)
        save_file(state, f"{out}.{processes.rank()}.safetensors")

train(config, load_dataset(data), out, cache=out + "-cache", device="cpu", progress=False, watch=watch)
"""


def start(number: int, *arguments: str) -> None:
    """Run SCRIPT in that many processes that know of each other."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    about = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(number), "OMP_NUM_THREADS": "1"}
    running = []
    for i in range(number):
        place = about | {"RANK": str(i), "LOCAL_RANK": str(i)}
        running.append(subprocess.Popen([sys.executable, "-c", SCRIPT, *arguments], env=os.environ | place,
                                        stderr=subprocess.PIPE))  # fmt: skip
    for process in running:
        _, told = process.communicate(timeout=240)
        assert process.returncode == 0, told.decode()


def close(name: str, one: torch.Tensor, other: torch.Tensor) -> bool:
    """Losses and codebooks within 1e-5, other weights within 1e-4. Attention does not see the keys' biases: what moves
    them is rounding, which Adam makes as large as any gradient."""
    tolerance = 1e-5 if name == "history" or name.startswith("quantizer") else 1e-4
    return name.endswith("key.bias") or torch.allclose(one, other, rtol=tolerance, atol=tolerance, equal_nan=True)


def test_two_processes_equal_one_and_each_other(small_data: Path, tmp_path: Path) -> None:
    for number, name in ((1, "one"), (2, "two")):
        start(number, str(small_data), str(tmp_path / name), "hvq")
    one, two, other = (load_file(tmp_path / f"{name}.safetensors") for name in ("one.0", "two.0", "two.1"))
    for name in one:
        assert torch.equal(torch.nan_to_num(two[name]), torch.nan_to_num(other[name])), name
        assert close(name, one[name], two[name]), name
    assert (one["quantizer.top.usage"].sum(1) > 0).all()
    kept, state = read_checkpoint(tmp_path / "two")  # process 0 wrote it, finished and calibrated
    assert state["step"] == 20 and state["done"] and "calibration.mean" in kept
    assert torch.equal(kept["model.head_weight"], two["head_weight"])
    only, _ = read_checkpoint(tmp_path / "one")
    assert torch.allclose(only["calibration.mean"], kept["calibration.mean"], rtol=1e-4, atol=1e-4)


def test_more_processes_than_images_in_a_batch(small_data: Path, tmp_path: Path) -> None:
    for number, name in ((1, "one"), (3, "three")):
        start(number, str(small_data), str(tmp_path / name), "continuous")
    one, three = (load_file(tmp_path / f"{name}.0.safetensors") for name in ("one", "three"))
    for name in one:
        assert close(name, one[name], three[name]), name


def test_the_command_under_accelerate_launch(small_data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    launch = "accelerate.commands.launch --cpu --num_processes 2 --num_machines 1 --mixed_precision no"
    train = f"hvqlib train --data {small_data} --out {run} --cache {tmp_path / 'cache'} --steps 2 --device cpu"
    command = [sys.executable, "-m", *launch.split(), "-m", *train.split()]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("2 steps") == 1  # said once
    assert read_checkpoint(run)[1]["done"]


def test_alone_everything_gives_back_what_it_got() -> None:
    tensor = torch.arange(4)
    assert processes.size() == 1 and processes.rank() == processes.local_rank() == 0 and processes.join(True) is None
    assert (
        processes.sum_over(tensor) is tensor
        and processes.from_first(tensor) is tensor
        and processes.tell_all("x") == "x"
    )
    assert processes.gather_rows(tensor)[0] is tensor and processes.gather_rows(tensor)[1] == 0
