"""The set-up holds together: package lists agree, rooms are tested, small, and import one way."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "hvqlib"
ROOMS = {path.stem: [path] for path in sorted(LIBRARY.glob("*.py")) if path.stem not in ("__init__", "__main__")}
ROOMS["foundry"] = sorted((LIBRARY / "foundry").glob("*.py"))

# A room imports rooms of its own line or of a line above it, never of one below.
LAYERS = (
    "config parallel",
    "layouts data features check unpack download pretrained backbone transformer quantize transport classes metrics",
    "official",
    "foundry",
    "synthetic",
    "model knn",
    "calibrate",
    "run",
    "loop train evaluate",
    "options",
    "plots widgets paint picture course ablate cli",
)
LAYER = {room: depth for depth, rooms in enumerate(LAYERS) for room in rooms.split()}

HEAVY = {"timm", "ot", "seaborn", "sklearn", "matplotlib", "ipywidgets", "anywidget"}


# --- the three lists of packages -----------------------------------------------------------------


def project_requirements() -> dict[str, Requirement]:
    """Read dependencies and the dev extra of pyproject.toml, by canonical name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = project["dependencies"] + project["optional-dependencies"]["dev"]
    requirements = [Requirement(line) for line in lines]
    named = {canonicalize_name(requirement.name): requirement for requirement in requirements}
    assert len(named) == len(requirements), "pyproject.toml names a package twice"
    return named


def constraint_versions() -> tuple[dict[str, str], dict[str, str]]:
    """Read constraints.txt: the pins of direct packages, and of the packages they bring."""
    parts: list[dict[str, str]] = []
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith(("# Direct:", "# Indirect:")):
            parts.append({})
        elif line and not line.startswith("#"):
            # No comment after a pin: the README's line for a CPU-only torch reads pins with grep.
            match = re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][A-Za-z0-9.]*)", line)
            assert match, f"constraints.txt: not a plain name==version: {line!r}"
            name = canonicalize_name(match[1])
            assert not any(name in part for part in parts), f"constraints.txt: {name} twice"
            parts[-1][name] = match[2]
    direct, indirect = parts
    return direct, indirect


def environment_lines() -> list[str]:
    """Read what environment.yml gives to pip, line by line, without the comments."""
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    pip = text.split("- pip:\n")[1]
    return [line.split("  #")[0].strip().removeprefix("- ") for line in pip.splitlines() if line]


def test_three_files_name_the_same_packages() -> None:
    wanted = set(project_requirements())
    direct, indirect = constraint_versions()
    lines = environment_lines()
    assert set(direct) == wanted
    assert not wanted & set(indirect)
    assert lines[0] == "-c constraints.txt"
    assert lines[-1] == "-e ."
    names = [canonicalize_name(line) for line in lines[1:-1]]
    assert sorted(names) == sorted(wanted)


def test_every_line_of_the_environment_says_what_it_is_for() -> None:
    text = (ROOT / "environment.yml").read_text(encoding="utf-8").split("dependencies:\n")[1]
    for line in text.splitlines():
        if line.strip() not in ("- pip:", "- -c constraints.txt"):
            assert re.search(r"\S  # \w", line), f"environment.yml: no comment: {line!r}"


def test_pins_satisfy_the_lower_bounds() -> None:
    direct, _ = constraint_versions()
    for name, requirement in project_requirements().items():
        bounds = [bound.operator for bound in requirement.specifier]
        assert bounds == [">="], f"pyproject.toml: {requirement} should have one lower bound"
        assert direct[name] in requirement.specifier, f"{name}: {direct[name]}, {requirement}"


def test_pins_accept_a_torch_for_the_cpu_only() -> None:
    direct, _ = constraint_versions()
    for name in ("torch", "torchvision"):
        pin = Requirement(f"{name}=={direct[name]}").specifier
        assert f"{direct[name]}+cpu" in pin


def test_everything_imported_is_a_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    packages = packages_distributions()
    for room, paths in ROOMS.items():
        for module in (module for path in paths for module in imported_modules(path)):
            top = module.split(".")[0]
            if top in sys.stdlib_module_names or top == "hvqlib":
                continue
            names = {canonicalize_name(name) for name in packages.get(top, [])}
            assert names & declared, f"hvqlib/{room}.py imports {top}: not in pyproject.toml"


# --- the commands --------------------------------------------------------------------------------


def test_ci_runs_the_test_command_of_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK), "chmod +x .ci/run"
    assert script.read_text(encoding="utf-8").rstrip().splitlines()[-1] == "exec make test test-browser"
    assert "make test" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_make_knows_its_targets() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("setup", "run", "test", "lab", "lint"):
        assert re.search(rf"^{target}:", text, re.MULTILINE), f"Makefile: no {target}"


# --- the rooms -----------------------------------------------------------------------------------


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is in a tree, less what is there for type checkers only and never runs."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            continue
        yield child
        yield from statements(child)


def imported_modules(path: Path) -> Iterator[str]:
    """Yield the absolute name of every module that a file imports, at the top or in a function."""
    for node in statements(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level <= 1, f"{path.name}:{node.lineno}: an import from outside hvqlib"
            package = ["hvqlib", *path.relative_to(LIBRARY).parts[:-1]] if node.level else []
            module = ".".join(package + ([node.module] if node.module else []))
            if module == "hvqlib":  # from hvqlib import data
                yield from (f"hvqlib.{alias.name}" for alias in node.names)
            else:
                yield module


def imported_rooms(paths: list[Path]) -> set[str]:
    """Return the rooms that a room's files import; a name that is no room stays as it is written."""
    modules = (module.split(".") for path in paths for module in imported_modules(path))
    return {parts[1] if parts[1:] else "" for parts in modules if parts[0] == "hvqlib"}


def test_every_room_has_its_tests() -> None:
    missing = [room for room in ROOMS if not (ROOT / "tests" / f"test_{room}.py").exists()]
    assert not missing, f"no tests/test_<room>.py for {missing}"


def test_no_file_is_longer_than_300_lines() -> None:
    for path in LIBRARY.rglob("*.py"):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= 300, f"hvqlib/{path.name}: {lines} lines: two ideas in one file?"


def test_imports_run_one_way() -> None:
    graph = {room: imported_rooms(paths) - {room} for room, paths in ROOMS.items()}
    for room, imports in graph.items():
        assert room in LAYER, f"hvqlib/{room}.py has no place in LAYERS yet"
        for other in imports:
            # Also refuses `from hvqlib import HVQTrans`: rooms import rooms, not the front door.
            assert other in ROOMS, f"hvqlib/{room}.py imports hvqlib.{other}, which is no room"
            assert LAYER[other] <= LAYER[room], f"hvqlib/{room}.py imports {other} from below it"
    TopologicalSorter(graph).prepare()  # raises CycleError on a circle inside a line


def test_importing_hvqlib_loads_nothing_heavy() -> None:
    # A fresh process: this one has loaded whatever the other tests needed.
    code = "import json, sys, hvqlib; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {module.split(".")[0] for module in json.loads(done.stdout)}
    assert "hvqlib" in loaded
    assert not loaded & HEAVY, f"import hvqlib loads {sorted(loaded & HEAVY)}: import where used"


def test_lab_listens_on_this_machine_only_and_asks_for_a_token() -> None:
    told = subprocess.run(["make", "-n", "lab"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "--ServerApp.ip=127.0.0.1" in told
    assert "token" not in told and "password" not in told  # unless told otherwise, Jupyter draws a token
