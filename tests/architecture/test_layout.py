"""The tree and the house style, as far as a machine can see them."""

import ast
import re
import subprocess
from pathlib import Path

from imports import REPOSITORY, modules

MAX_LINES = 500  # one idea a file; a file that grows long is looked at well before
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "tools"}
OWN_TESTS = ("architecture", "deploy", "docs", "support")  # not mirrors of a package
OF_A_WHOLE_PACKAGE = (  # what no module does alone
    "tests/geometry/test_cases.py",
    "tests/geometry/test_mutations.py",
    "tests/generator/test_precision.py",
    "tests/pipelines/test_experiments.py",
    "tests/pipelines/test_lineage.py",
    "tests/training/test_survival.py",
)

ALL_PYTHON = sorted(
    path for folder in ("ltm3d", "pipelines", "tests", "benchmarks") for path in (REPOSITORY / folder).rglob("*.py")
)
SOURCES = sorted(modules().values())


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def committed_files() -> list[Path]:
    """The files that are or would be in git."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = (REPOSITORY / name for name in listed.stdout.split("\0") if name)
    return sorted(path for path in paths if path.is_file())


def test_no_file_is_longer_than_500_lines() -> None:
    long = {name_of(path): n for path in ALL_PYTHON if (n := len(path.read_text().splitlines())) > MAX_LINES}
    assert not long


def test_no_module_hides_behind_a_vague_name() -> None:
    assert not [name_of(path) for path in ALL_PYTHON if VAGUE & {*path.relative_to(REPOSITORY).parts, path.stem}]


def test_every_test_file_is_named_like_its_module() -> None:
    strays = []
    for path in (REPOSITORY / "tests").rglob("test_*.py"):
        folder = path.parent.relative_to(REPOSITORY / "tests")
        if (folder.parts[:1] and folder.parts[0] in OWN_TESTS) or name_of(path) in OF_A_WHOLE_PACKAGE:
            continue
        stem = path.stem.removeprefix("test_")
        places = [
            REPOSITORY / "pipelines" / f"{stem}.py",
            REPOSITORY / "pipelines" / f"_{stem}.py",
            REPOSITORY / "ltm3d" / folder / f"{stem}.py",
            REPOSITORY / "ltm3d" / folder / stem / "__init__.py",
        ]
        if not any(place.is_file() for place in (places[:2] if folder.parts == ("pipelines",) else places[2:])):
            strays.append(name_of(path))
    assert not strays


def test_arguments_have_names_and_weights_are_not_unpickled() -> None:
    """What ruff has no rule for; the rest of the house style is in pyproject.toml."""
    faults = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            place = f"{name_of(path)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.args.kwarg:
                faults.append(f"{place}: **kwargs: name the arguments")
            text = ast.unparse(node) if isinstance(node, ast.Call) else ""
            if text.startswith("torch.load(") and "weights_only=True" not in text:
                faults.append(f"{place}: torch.load() that unpickles")
    assert not faults


# Written in pieces, so that this file does not hold them itself.
HOSTS = (
    "pypi" + ".org",
    "python" + "hosted",
    "download." + "pytorch",
    "/opt/" + "pypi",
    "/opt/" + "wheels",
    "conda" + ".org",
)
INDEX_OPTION = re.compile(r"--(extra-)?index-url|PIP_(EXTRA_)?INDEX_URL\s*=|find-links")


def test_no_file_names_a_package_registry() -> None:
    """Which registry a machine uses is that machine's setting."""
    found = []
    for path in committed_files():
        text = path.read_text(errors="ignore") if path.stat().st_size < 4_000_000 else ""
        if any(host in text for host in HOSTS) or (path != Path(__file__) and INDEX_OPTION.search(text)):
            found.append(name_of(path))
    assert not found
