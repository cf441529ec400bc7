"""Make .venv and install the course into it, with nothing but the system's Python.

This file and `chores` keep to what Python 3.8 understands, so that an older one than the course needs is refused in a
sentence.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from hvqlib.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
OLDEST = (3, 11, 4)  # Python, as pyproject.toml says
# What a light .venv goes without: compiled tests and C++ headers of torch, tests of other packages.
UNUSED = ("torch/test", "torch/bin/test_*", "torch/bin/*Test", "torch/include", "matplotlib/tests", "pandas/tests",
          "networkx/**/tests", "numpy/**/tests", "scipy/**/tests", "sklearn/**/tests", "sympy/**/tests")  # fmt: skip
NO_CPU_TORCH = (
    "The CPU-only torch could not be installed, for the reason above. It comes from PyTorch's own package index; where "
    "that cannot be reached, add `--torch any`: torch then comes from where all other packages do, on Linux with 4 GB "
    "of libraries for NVIDIA GPUs."
)


class Step(NamedTuple):
    """Hold one command of a chore."""

    arguments: Sequence[str]  # of the interpreter
    variables: Mapping[str, str] = MappingProxyType({})  # that this command alone gets
    failed: str = ""  # what to say where it fails, besides what it says itself


def do(python: Path, commands: Sequence[Step], variables: Mapping[str, str] = MappingProxyType({})) -> int:
    """Run commands one after the other, in the checkout, up to the first that fails; returns its exit status."""
    for i, step in enumerate(commands):
        print("$", Path(python).name, *step.arguments, file=sys.stderr, flush=True)
        interrupted = False
        environment = {**os.environ, **variables, **step.variables}
        with subprocess.Popen([str(python), *step.arguments], cwd=ROOT, env=environment) as process:
            while process.returncode is None:
                try:
                    process.wait()
                except KeyboardInterrupt:  # the command has it too, and ends in its own way or asks
                    interrupted = True
        status = process.returncode
        if status and step.failed and not interrupted:
            print(f"hvqlib: {step.failed}", file=sys.stderr)
        if status or (interrupted and i < len(commands) - 1):
            return 128 - status if status < 0 else status or 130  # as a shell tells of signals
    return 0


def installation(python: Path, light: bool, torch: str | None, own: bool = True) -> list[Step]:
    """List the commands that install the packages for an interpreter: those of the course alone, or all.

    Without a choice of `torch`, "cpu" or "any", the light one is CPU-only where the usual one would bring libraries for
    GPUs in vain. Whether the environment is our `own` says whether to save space there.
    """
    pip, constraints = ["-m", "pip", "install"], ["-c", "constraints.txt"]
    cpu = []
    if torch == "cpu" or (torch is None and light and gpus_in_vain()):
        # uv knows where PyTorch keeps it; a torch that is there already and fits it leaves alone.
        uv = ["-m", "uv", "pip", "install", "--no-cache", "--python", str(python), "--torch-backend", "cpu"]
        cpu = [
            Step([*pip, "uv"]),
            Step([*uv, *constraints, "torch", "torchvision"], failed=NO_CPU_TORCH),
            Step(["-m", "pip", "uninstall", "-q", "-y", "uv"]),
        ]
    saving = ["--no-compile"] if light and own else []  # what is imported is compiled then
    return [*cpu, Step([*pip, *saving, *constraints, "-e", f".[{'course' if light else 'dev'}]"])]


def gpus_in_vain() -> bool:
    """Say whether the usual torch has libraries for NVIDIA GPUs, and this machine no such GPU."""
    return sys.platform == "linux" and not (shutil.which("nvidia-smi") or os.path.exists("/proc/driver/nvidia/version"))


def refuse_system() -> None:
    """Raise InputError on a system for which PyTorch has no package: pip would say so at length."""
    machine = platform.machine().lower()
    what = ""
    if sys.maxsize < 2**32:
        what = "this is a Python of 32 bits: install one of 64"
    elif sys.platform == "darwin" and machine == "x86_64":
        what = "this is an Intel Mac, or a Python made for one: on Apple silicon install a Python for arm64"
    elif sys.platform == "win32" and machine == "arm64":
        what = "this is a Python for Windows on ARM: install the one for x86-64"
    if what:
        raise InputError(f"PyTorch has no package for this Python; {what}. Other ways are in docs/platforms.md.")


def interpreter() -> Path:
    """Name the interpreter of .venv, there or not."""
    return ROOT / ".venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def version_of(python: Path) -> tuple[int, ...]:
    """Ask an interpreter for its version; () where it does not run."""
    told = subprocess.run([str(python), "-c", "import sys; print(*sys.version_info[:3])"], stdout=subprocess.PIPE)
    return tuple(map(int, told.stdout.split()))


def stamp() -> Path:
    """Name the file in .venv that says what is installed there: "full" or "light", and `wanted` or "unfinished"."""
    return ROOT / ".venv" / ".installed"


def wanted() -> str:
    """Name the state of the lists of packages by their contents."""
    lists = (ROOT / name for name in ("pyproject.toml", "constraints.txt"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in lists)).hexdigest()


def installed() -> tuple[str, bool]:
    """Say what was installed into .venv, "full", "light" or "", and whether it is finished and up to date."""
    words = stamp().read_text(encoding="utf-8").split() if stamp().is_file() else []
    return (words[0], words[1] == wanted()) if len(words) == 2 else ("", False)


def set_up(light: bool, torch: str | None = None) -> int:
    """Make .venv and install into it what is not there yet; returns an exit status."""
    kind, done = installed()
    if done and (light or kind == "full"):
        return 0
    refuse_system()
    python = interpreter()
    if not python.with_name("pip.exe" if sys.platform == "win32" else "pip").exists():  # the last thing venv writes
        refuse_old_python(sys.executable, sys.version_info[:3])
        if status := do(Path(sys.executable), [Step(["-m", "venv", ".venv"])]):
            return status
    else:
        refuse_old_python(".venv", version_of(python))
    kind = "light" if light else "full"
    stamp().write_text(f"{kind} unfinished\n", encoding="utf-8")
    if status := do(python, installation(python, light, torch)):
        return status
    if light:
        trim([ROOT / ".venv" / "Lib" / "site-packages", *(ROOT / ".venv").glob("lib/python3*/site-packages")])
    stamp().write_text(f"{kind} {wanted()}\n", encoding="utf-8")
    return 0


def install_here(light: bool, torch: str | None = None) -> int:
    """Install for the interpreter that runs this, in whatever environment it is; returns an exit status."""
    refuse_system()
    refuse_old_python(sys.executable, sys.version_info[:3])
    python = Path(sys.executable)
    return do(python, installation(python, light, torch, own=False))


def refuse_old_python(name: str, version: tuple[int, ...]) -> None:
    """Raise InputError where an interpreter of that version is too old for the course."""
    if version < OLDEST:
        said = ".".join(map(str, version)) or "none that runs"
        raise InputError(
            f"hvqlib needs Python 3.11.4 or newer, and '{name}' is {said}: name a newer one, as in `python3.12 -m "
            "hvqlib.course setup` or `make setup PYTHON=python3.12` (remove .venv first if it was made with an older "
            "one)."
        )


def trim(folders: Iterable[Path]) -> None:
    """Remove from folders of packages what nobody runs there."""
    for folder in folders:
        for pattern in UNUSED:
            for path in list(folder.glob(pattern)):
                if path.is_dir():
                    shutil.rmtree(path)
                elif path.is_file():
                    path.unlink()
