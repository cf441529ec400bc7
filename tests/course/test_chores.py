"""The chores: what each runs, that the Makefile adds nothing of its own, and how they end."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from hvqlib.course import chores, installation
from hvqlib.course.installation import Step

ROOT = Path(__file__).parents[2]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[Step], dict[str, str]]]:
    """What was to be run, in place of running it, in a project that is set up."""
    seen: list[tuple[list[Step], dict[str, str]]] = []
    monkeypatch.setattr(chores, "do", lambda python, steps, variables: seen.append((steps, variables)) or 0)
    monkeypatch.setattr(chores, "set_up", lambda light, torch=None: seen.append(([], {"light": str(light)})) or 0)
    monkeypatch.setattr(chores, "installed", lambda: ("full", True))
    return seen


def test_every_chore_runs_commands_that_are_there() -> None:
    for chore in chores.CHORES.keys() - {"setup", "clean-run"}:
        for step in chores.steps(chore):
            first, name = step.arguments[:2] if step.arguments[0] == "-m" else ("", step.arguments[0])
            assert find_spec(name) if first else (ROOT / name).is_file(), f"{chore}: {name}"


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make as from a terminal: flags of a make that runs these tests (`make test`) would change what it prints."""
    variables = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(["make", *arguments], cwd=ROOT, env=variables, capture_output=True, text=True)


@pytest.mark.skipif(shutil.which("make") is None, reason="the Makefile is of use only where there is make")
def test_make_hands_every_target_on() -> None:
    named = re.search(r"^# make (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert named and named[1].split(" | ") == list(chores.CHORES)
    for chore in chores.CHORES:
        told = make("-n", chore, "PYTHON=python7", "LAB_ARGS=--no-browser").stdout.strip()
        extra = " --no-browser" if chore == "lab" else ""
        assert told.splitlines()[-1].strip() == f"python7 -m hvqlib.course {chore}{extra}"
    assert make("-n").stdout.split()[-1] == "setup"


@pytest.mark.skipif(shutil.which("make") is None, reason="the Makefile is of use only where there is make")
@pytest.mark.parametrize("interpreter", ["python-that-is-not-there", "false"])
def test_make_refuses_what_is_no_python(interpreter: str) -> None:
    done = make("setup", f"PYTHON={interpreter}")
    assert done.returncode == 2 and f"'{interpreter}' is not: name one" in done.stderr


def test_lab_listens_on_this_machine_only_and_asks_for_a_token(ran: list) -> None:
    assert chores.main(["lab", "--no-browser", "--port", "9999"]) == 0
    (lab,), variables = ran[-1]
    assert "--ServerApp.ip=127.0.0.1" in lab.arguments and lab.arguments[-3:] == ["--no-browser", "--port", "9999"]
    assert not any("token" in word or "password" in word for word in lab.arguments)  # so Jupyter draws a token
    assert variables == {"HVQ_DATA": str(ROOT / "data"), "OMP_WAIT_POLICY": "PASSIVE"}


def test_tests_run_with_a_thread_each_and_no_scoreboard(ran: list) -> None:
    assert chores.main(["test"]) == 0
    steps, variables = ran[-1]
    assert [step.arguments[1] for step in steps] == ["ruff", "ruff", "mypy", "hvqlib", "pytest", "pytest"]
    assert variables == {"HVQ_DATA": str(ROOT / "data"), "OMP_WAIT_POLICY": "PASSIVE", "HVQ_SCOREBOARD": ""}
    assert dict(steps[-2].variables) == {"OMP_NUM_THREADS": "1"}
    assert dict(steps[-1].variables) == {
        "OMP_NUM_THREADS": "1",
        "PYTHONSTARTUP": str(ROOT / "tests" / "wrong_answers.py"),
    }
    assert "--nbval" in steps[-1].arguments and "--nbval" not in steps[-2].arguments


def test_all_notebooks_are_run_and_stripped(ran: list) -> None:
    assert chores.main(["notebooks"]) == 0
    for step in ran[-1][0]:
        named = {ROOT / word for word in step.arguments if word.endswith(".ipynb")}
        assert named == {p for p in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts}


def test_a_light_set_up_is_enough_to_read_and_run(ran: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chores, "installed", lambda: ("light", False))
    for chore, light in (("lab", "True"), ("run", "True"), ("lint", "False"), ("site", "False")):
        assert chores.main([chore]) == 0
        assert ran[-2][1] == {"light": light}
    monkeypatch.setattr(chores, "installed", lambda: ("", False))  # nobody has asked for a light one
    assert chores.main(["lab"]) == 0 and ran[-2][1] == {"light": "False"}


def test_nothing_runs_where_the_set_up_fails(ran: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chores, "set_up", lambda light: 7)
    assert chores.main(["lint"]) == 7 and ran == []


def test_what_was_trained_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chores, "ROOT", tmp_path)
    (tmp_path / "constraints.txt").touch()
    (tmp_path / "runs" / "demo").mkdir(parents=True)
    (tmp_path / "runs" / "mine").mkdir()
    assert chores.main(["clean-run"]) == 0 and chores.main(["clean-run"]) == 0
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["mine"]


def test_options_are_those_of_their_chore(ran: list, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["test", "--light"], ["setup", "--torch", "gpu"], ["dance"], []):
        with pytest.raises(SystemExit) as ended:
            chores.main(words)
        assert ended.value.code == 2
    assert ran == [] and "--light" in capsys.readouterr().err


def test_an_installed_package_is_no_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                             capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    monkeypatch.setattr(chores, "ROOT", tmp_path)
    assert chores.main(["lint"]) == 2 and "is no checkout of the project" in capsys.readouterr().err


def test_pages_and_recipes_ask_for_chores_that_there_are() -> None:
    """Each command line in a page, the Dockerfile or binder/ is one that the chores understand."""
    pages = [path for folder in (".", "docs", "notebooks", "teaching") for path in (ROOT / folder).glob("*.md")]
    asked = set()
    for path in [*pages, ROOT / "Dockerfile", *(ROOT / "binder").iterdir()]:
        text = path.read_text(encoding="utf-8")
        for chore, options in re.findall(r"-m hvqlib\.course ([a-z][\w-]*)((?: --[\w-]+(?: cpu| any)?)*)", text):
            chores.parser().parse_args([chore, *options.split()])  # ends the test where there is no such chore
            asked.add((path.name, f"{chore}{options}"))
    assert {("Dockerfile", "setup --light"), ("postBuild", "setup --light --here"), ("README.md", "run")} <= asked


# --- how commands end: real processes -------------------------------------------------------------

PYTHON = Path(sys.executable)


def test_commands_run_in_order_up_to_the_first_that_fails(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "said"
    say = f"import os, sys; open({str(out)!r}, 'a').write(os.environ['WORD'] + os.environ['ALL'] + os.getcwd())"
    steps = [
        Step(["-c", say], {"WORD": "one "}),
        Step(["-c", f"{say}; sys.exit(5)"], {"WORD": "two ", "ALL": "own "}, failed="Two failed."),
        Step(["-c", say], {"WORD": "three "}),
    ]
    assert installation.do(PYTHON, steps, {"ALL": "all "}) == 5
    assert out.read_text(encoding="utf-8") == f"one all {ROOT}two own {ROOT}"
    assert "hvqlib: Two failed." in capfd.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
def test_the_end_by_a_signal_is_told_as_a_shell_tells_it() -> None:
    step = Step(["-c", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"])
    assert installation.do(PYTHON, [step]) == 128 + signal.SIGTERM


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
@pytest.mark.parametrize(
    ("answer", "status"), [("sys.exit(1)", 1), ("sys.exit(0)", 130), ("time.sleep(1); sys.exit(9)", 9)]
)
def test_after_ctrl_c_a_command_ends_in_its_own_way(tmp_path: Path, answer: str, status: int) -> None:
    """And is waited for: a training writes down how far it came, JupyterLab asks whether it should end."""
    ready, again = tmp_path / "ready", tmp_path / "again"
    child = (
        "import sys, time\ntry:\n    open(sys.argv[1], 'w').close(); time.sleep(60)\n"
        f"except KeyboardInterrupt:\n    {answer}"
    )
    parent = (
        "import sys; from pathlib import Path; from hvqlib.course.installation import Step, do\n"
        "child, *out = sys.argv[1:]\n"
        "sys.exit(do(Path(sys.executable), [Step(['-c', child, out[0]]), Step(['-c', child, out[1]])]))"
    )
    command = [sys.executable, "-c", parent, child, str(ready), str(again)]
    # A shell's background job, such as a test run on a server may be, ignores Ctrl-C, and so would its children.
    usual = signal.signal(signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    signal.signal(signal.SIGINT, usual)
    deadline = time.monotonic() + 60
    while not ready.exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == status and not again.exists()
