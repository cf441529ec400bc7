"""The set-up: what it makes, keeps and refuses. No package is installed here: commands are written down."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from hvqlib.course import installation
from hvqlib.course.installation import set_up
from hvqlib.errors import InputError

ROOT = Path(__file__).parents[2]


class Project:
    """A project in a folder of its own, whose commands are written down instead of run."""

    def __init__(self, root: Path) -> None:
        self.root, self.ran, self.fails = root, list[str](), ""
        for name in ("pyproject.toml", "constraints.txt"):
            (root / name).write_text(name, encoding="utf-8")

    def do(self, python: Path, steps: list[installation.Step]) -> int:
        for step in steps:
            self.ran.append(" ".join(step.arguments).replace(str(python), "PYTHON"))
            if self.fails and self.fails in self.ran[-1]:
                return 3
            if "venv" in step.arguments:
                scripts = installation.interpreter().parent
                scripts.mkdir(parents=True, exist_ok=True)
                (scripts / "pip").touch()
        return 0


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = Project(tmp_path)
    monkeypatch.setattr(installation, "ROOT", tmp_path)
    monkeypatch.setattr(installation, "do", made.do)
    monkeypatch.setattr(installation.sys, "platform", "linux")
    monkeypatch.setattr(installation, "gpus_in_vain", lambda: True)
    monkeypatch.setattr(installation, "version_of", lambda python: (3, 14, 0))
    return made


VENV, FULL = "-m venv .venv", "-m pip install -c constraints.txt -e .[dev]"
LIGHT = "-m pip install --no-compile -c constraints.txt -e .[course]"
CPU = [
    "-m pip install uv",
    "-m uv pip install --no-cache --python PYTHON --torch-backend cpu -c constraints.txt torch torchvision",
    "-m pip uninstall -q -y uv",
]


def test_a_set_up_is_made_once(project: Project) -> None:
    assert set_up(light=False) == 0 and project.ran == [VENV, FULL]
    assert installation.installed() == ("full", True)
    assert set_up(light=False) == 0 and set_up(light=True) == 0 and len(project.ran) == 2


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_it_follows_the_lists_of_packages(project: Project, name: str) -> None:
    assert set_up(light=False) == 0
    (project.root / name).write_text("more", encoding="utf-8")
    assert set_up(light=False) == 0 and project.ran == [VENV, FULL, FULL]


def test_it_resumes_where_it_failed(project: Project) -> None:
    project.fails = "venv"
    assert set_up(light=True) == 3 and installation.installed() == ("", False)
    project.fails = "[course]"
    assert set_up(light=True) == 3 and installation.installed() == (
        "light",
        False,
    )  # so that lab does not add all tools
    project.fails, project.ran = "", []
    assert set_up(light=True) == 0 and project.ran == [*CPU, LIGHT] and installation.installed() == ("light", True)


def test_a_half_made_folder_is_made_whole_and_a_whole_one_kept(project: Project) -> None:
    (project.root / ".venv" / "bin").mkdir(parents=True)
    assert set_up(light=False) == 0 and project.ran == [VENV, FULL]
    (project.root / ".venv" / ".installed").write_text("", encoding="utf-8")  # as earlier versions left it
    (project.root / ".venv" / "lib").mkdir()
    assert set_up(light=False) == 0 and project.ran == [VENV, FULL, FULL] and (project.root / ".venv" / "lib").is_dir()


def test_a_light_one_grows_into_a_full_one(project: Project) -> None:
    assert set_up(light=True) == 0 and project.ran == [VENV, *CPU, LIGHT]
    assert set_up(light=False) == 0 and project.ran[5:] == [FULL] and installation.installed() == ("full", True)


@pytest.mark.parametrize(
    ("light", "torch", "vain", "commands"),
    [
        (True, None, True, [VENV, *CPU, LIGHT]),
        (True, None, False, [VENV, LIGHT]),
        (True, "any", True, [VENV, LIGHT]),
        (True, "cpu", False, [VENV, *CPU, LIGHT]),
        (False, "cpu", True, [VENV, *CPU, FULL]),
        (False, "any", True, [VENV, FULL]),
    ],
)
def test_torch_is_the_one_asked_for_or_the_one_of_use(
    project: Project, monkeypatch: pytest.MonkeyPatch, light: bool, torch: str | None, vain: bool, commands: list[str]
) -> None:
    monkeypatch.setattr(installation, "gpus_in_vain", lambda: vain)
    assert set_up(light, torch) == 0 and project.ran == commands


def test_gpus_are_in_vain_on_linux_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for system, driver, vain in (
        ("linux", None, True), ("linux", "/usr/bin/nvidia-smi", False), ("win32", None, False), ("darwin", None, False)
    ):  # fmt: skip
        monkeypatch.setattr(installation.sys, "platform", system)
        monkeypatch.setattr(installation.shutil, "which", lambda name, driver=driver: driver)
        monkeypatch.setattr(installation.os.path, "exists", lambda path: False)
        assert installation.gpus_in_vain() == vain


def test_where_pytorch_cannot_be_reached_a_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "gpus_in_vain", lambda: True)
    steps = installation.installation(Path("python"), True, None)
    assert [bool(step.failed) for step in steps] == [False, True, False, False]
    assert "--torch any" in steps[1].failed


def test_here_means_the_python_that_runs_it(project: Project) -> None:
    assert installation.install_here(light=True) == 0
    assert project.ran == [*CPU, LIGHT.replace("--no-compile ", "")] and not (project.root / ".venv").exists()


@pytest.mark.parametrize("version", [(3, 8, 0), (3, 11, 3)])
def test_an_old_python_is_refused_before_anything_is_made(
    project: Project, monkeypatch: pytest.MonkeyPatch, version: tuple[int, ...]
) -> None:
    monkeypatch.setattr(installation.sys, "version_info", version)
    for attempt in (lambda: set_up(light=False), lambda: installation.install_here(light=True)):
        with pytest.raises(InputError, match=rf"3\.11\.4 or newer, and .* is {'.'.join(map(str, version))}: "):
            attempt()
    assert project.ran == [] and not (project.root / ".venv").exists()


def test_an_environment_of_an_old_python_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = project.root / ".venv" / "bin"
    scripts.mkdir(parents=True)
    (scripts / "pip").touch()
    for version, told in (((3, 9, 18), r"3\.9\.18"), ((), "none that runs")):
        monkeypatch.setattr(installation, "version_of", lambda python, version=version: version)
        with pytest.raises(InputError, match=rf"'\.venv' is {told}: .*remove \.venv first"):
            set_up(light=False)
    assert project.ran == []


def test_an_interpreter_tells_its_version() -> None:
    assert installation.version_of(Path(sys.executable)) == sys.version_info[:3]


@pytest.mark.parametrize(
    ("system", "machine", "size", "told"),
    [
        ("darwin", "x86_64", 2**63 - 1, "Intel Mac"),
        ("win32", "ARM64", 2**63 - 1, "Windows on ARM"),
        ("win32", "AMD64", 2**31 - 1, "32 bits"),
        ("darwin", "arm64", 2**63 - 1, None),
        ("win32", "AMD64", 2**63 - 1, None),
        ("linux", "aarch64", 2**63 - 1, None),
    ],
)
def test_a_system_without_torch_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch, system: str, machine: str, size: int, told: str | None
) -> None:
    monkeypatch.setattr(installation.sys, "platform", system)
    monkeypatch.setattr(installation.sys, "maxsize", size)
    monkeypatch.setattr(installation.platform, "machine", lambda: machine)
    if told is None:
        installation.refuse_system()
    else:
        with pytest.raises(InputError, match=f"{told}.* docs/platforms.md"):
            set_up(light=True)
        assert project.ran == []


def test_windows_has_its_own_places(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation.sys, "platform", "win32")
    monkeypatch.setattr(installation.platform, "machine", lambda: "AMD64")
    assert installation.interpreter() == project.root / ".venv" / "Scripts" / "python.exe"
    scripts = project.root / ".venv" / "Scripts"
    scripts.mkdir(parents=True)
    (scripts / "pip.exe").touch()
    site = project.root / ".venv" / "Lib" / "site-packages"
    (site / "torch" / "include").mkdir(parents=True)
    monkeypatch.setattr(installation, "gpus_in_vain", lambda: False)
    assert set_up(light=True) == 0 and project.ran == [LIGHT] and not (site / "torch" / "include").exists()


def test_nothing_but_tests_and_headers_is_removed(tmp_path: Path) -> None:
    gone = ("torch/test/a", "torch/bin/test_api", "torch/bin/FileStoreTest", "torch/include/ATen/a.h",
            "scipy/stats/tests/test_a.py", "scipy/tests/tests/a.py", "numpy/tests/a.py")  # fmt: skip
    kept = ("torch/testing/a.py", "torch/bin/torch_shm_manager", "torch/lib/libtorch.so", "numpy/testing/a.py",
            "scipy/stats/_stats.py", "sklearn/utils/_testing.py", "mine/tests/a.py")  # fmt: skip
    for name in (*gone, *kept):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    installation.trim([tmp_path / "nothing", tmp_path])
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == set(kept)


@pytest.mark.parametrize("name", ["__init__.py", "errors.py", "course/__init__.py", "course/__main__.py",
                                  "course/chores.py", "course/installation.py"])  # fmt: skip
def test_python_3_8_can_read_what_refuses_it(name: str) -> None:
    ast.parse((ROOT / "hvqlib" / name).read_text(encoding="utf-8"), feature_version=(3, 8))


def test_an_older_python_is_told_by_the_first_file(tmp_path: Path) -> None:
    text = (ROOT / "hvqlib" / "course" / "__main__.py").read_text(encoding="utf-8")
    code = f"import sys; sys.version_info = (3, 6, 15); exec({text!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("hvqlib needs Python 3.11.4 or newer")
    ast.parse(text, feature_version=(3, 6))


def test_the_set_up_needs_nothing_but_python() -> None:
    """-I and -S: nothing of an environment is to be found."""
    code = "import sys; sys.path.insert(0, sys.argv.pop(1)); from hvqlib.course.chores import main; main(['--help'])"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code, str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0 and "clean-run" in done.stdout
