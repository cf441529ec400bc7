"""A release holds the library and nothing else, and what says which version it is agrees."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from safetensors import safe_open

import hvqlib
from hvqlib.config import Config
from hvqlib.false_alarms import least_rate, promising_images

ROOT = Path(__file__).resolve().parents[1]
CHECKPOINTS = ROOT / "data" / "checkpoints"
NAME = f"hvqlib-{hvqlib.__version__}"
PARTS = ("model.", "reading.")  # of a checkpoint
BESIDE = {"pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "constraints.txt"}


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def run(*command: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if name not in ("HVQ_DATA", "PYTHONPATH")} | more
    return subprocess.run([sys.executable, *command], cwd=cwd, env=env, capture_output=True, text=True)


@pytest.fixture(scope="module")
def tracked() -> list[str]:
    """The files that git knows, less those that somebody is removing; of a tree without git, those of the library."""
    try:
        command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]  # whoever the checkout belongs to
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        library = [path for path in (ROOT / "hvqlib").rglob("*") if path.suffix in (".py", ".js", ".typed")]
        listed = [*BESIDE, *(path.relative_to(ROOT).as_posix() for path in [*library, ROOT / "hvqlib" / "py.typed"])]
    return [name for name in listed if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def library(tracked: list[str]) -> set[str]:
    return {name for name in tracked if name.startswith("hvqlib/")}


@pytest.fixture(scope="module")
def built(tracked: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of a copy of the tracked files, and the wheel built from that sdist. Uses no network."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in tracked:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, source / name)
    done = run("-m", "build", "--no-isolation", "--outdir", str(out), str(source), cwd=out)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name for path in out.iterdir()} == {f"{NAME}.tar.gz", f"{NAME}-py3-none-any.whl"}
    return out


@pytest.fixture(scope="module")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the wheel puts into site-packages."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(built / f"{NAME}-py3-none-any.whl") as wheel:
        wheel.extractall(folder)
    return folder


def test_the_wheel_holds_the_library_and_nothing_else(library: set[str], unpacked: Path) -> None:
    files = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert {name for name in files if not name.startswith(f"{NAME}.dist-info/")} == library
    assert {"hvqlib/py.typed", "hvqlib/course/painting.js"} <= library


def test_the_sdist_holds_what_the_wheel_is_built_from(library: set[str], built: Path) -> None:
    with tarfile.open(built / f"{NAME}.tar.gz") as archive:
        files = {item.name.removeprefix(f"{NAME}/") for item in archive if item.isfile()}
    made = {"PKG-INFO", "setup.cfg"}
    assert {name for name in files - made if not name.startswith("hvqlib.egg-info/")} == library | BESIDE


def test_an_index_would_take_both(built: Path) -> None:
    done = run("-m", "twine", "check", "--strict", *map(str, built.iterdir()), cwd=built)
    assert done.returncode == 0 and done.stdout.count("PASSED") == 2, done.stdout + done.stderr


def test_the_metadata_is_that_of_the_project(unpacked: Path) -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    found = metadata.PathDistribution(unpacked / f"{NAME}.dist-info")
    assert (found.version, found.metadata["Name"]) == (hvqlib.__version__, "hvqlib")
    assert found.metadata["License-Expression"] == project["license"] == "MIT"
    assert found.metadata["Requires-Python"] == project["requires-python"]
    assert found.metadata["Description-Content-Type"] == "text/markdown"
    assert [(entry.name, entry.value) for entry in found.entry_points] == [("hvq", "hvqlib.cli:main")]


def test_the_wheel_works_away_from_a_checkout(unpacked: Path, tmp_path: Path) -> None:
    alone = {"PYTHONPATH": str(unpacked)}
    where = run("-c", "import hvqlib; print(hvqlib.__file__)", cwd=tmp_path, **alone)
    assert Path(where.stdout.strip()) == unpacked / "hvqlib" / "__init__.py", where.stderr
    assert run("-m", "hvqlib", "--version", cwd=tmp_path, **alone).stdout == f"hvqlib {hvqlib.__version__}\n"
    copied = run("-m", "hvqlib", "course", "copy", "mine", cwd=tmp_path, **alone)
    assert copied.returncode == 2 and "the notebooks come with a checkout" in copied.stderr
    assert len(copied.stderr.splitlines()) == 1 and not list(tmp_path.iterdir())


def test_changelog_and_citation_are_of_this_version() -> None:
    releases = re.findall(r"^## \[(.+)\] - (\d{4}-\d\d-\d\d)$", read("CHANGELOG.md"), re.MULTILINE)
    newest, date = releases[0]
    assert newest == hvqlib.__version__ and releases == sorted(releases, key=lambda one: one[1], reverse=True)
    cited = yaml.safe_load(read("CITATION.cff"))
    assert (cited["version"], str(cited["date-released"])) == (newest, date)
    assert (cited["cff-version"], cited["type"], cited["license"]) == ("1.2.0", "software", "MIT")
    assert read("README.md").startswith(f"# {cited['title']}\n")
    (author,) = tomllib.loads(read("pyproject.toml"))["project"]["authors"]
    assert cited["authors"] == [author]
    (data,) = [one for one in cited["references"] if one["type"] == "data"]
    assert data["license"] == "CC-BY-SA-4.0" and data["commit"] in read("data/ballscrew/README.md")


def test_pages_name_this_version() -> None:
    version, year = hvqlib.__version__, yaml.safe_load(read("CITATION.cff"))["date-released"].year
    (cite,) = [part for part in read("README.md").split("\n\n") if part.startswith("**Cite**")]
    assert f"version {version}, {year}" in cite
    assert read("docs/model_card.md").startswith(f"# Model card\n\nOf version {version}.")


def test_the_model_card_says_what_the_files_hold() -> None:
    card = " ".join(read("docs/model_card.md").split())
    config = Config()  # the preset `tiny`
    with safe_open(CHECKPOINTS / "foundry" / "checkpoint.safetensors", "numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    sizes = {part: sum(one.nbytes for name, one in tensors.items() if name.startswith(part)) for part in PARTS}
    codebooks = [one.shape[:2] for name, one in tensors.items() if name.endswith("codebook")]
    assert codebooks == 5 * [(7, config.codes)]
    held_out = len(tensors["calibration.scores"])
    assert held_out == promising_images([60] * 7, config.holdout)
    for said in (
        f"The file has {(CHECKPOINTS / 'foundry' / 'checkpoint.safetensors').stat().st_size / 1e6:.1f} MB",
        f"{sizes['model.'] / 1e6:.1f} MB are weights and codebooks",
        f"{sizes['reading.'] / 1e6:.1f} MB how residuals",
        f"weights alone, {(CHECKPOINTS / 'continuous.safetensors').stat().st_size / 1e6:.1f} MB",
        f"(`pictures.safetensors`, {(CHECKPOINTS / 'pictures.safetensors').stat().st_size / 1e6:.1f} MB",
        f"five codebooks of {config.codes} prototypes",
        f"the other {held_out}, to which nothing is fitted",
        f"({100 * least_rate(held_out):.1f} % or more",
        f"{config.steps} steps",
        f"{len(list((ROOT / 'data' / 'ballscrew' / 'train').rglob('*.jpg')))} are for training",
    ):
        assert said in card, said
