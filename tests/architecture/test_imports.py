"""Imports go one way, heavy libraries have one door, and the core runs on torch alone."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from imports import REPOSITORY, closure, imported_names, modules

# library → the only modules that may import it, lazily or not
DOORS = {
    "trimesh": ("ltm3d.geometry", "ltm3d.mesh_io", "ltm3d.serving.viewer"),
    "open3d": ("ltm3d.geometry",),
    "fpsample": ("ltm3d.geometry",),
    "DracoPy": ("ltm3d.mesh_io.draco",),
    "numba": ("ltm3d.compilation",),
    "gsplat": ("ltm3d.splatting.gsplat_backend",),
    "transformers": ("ltm3d.conditioning",),
    "objaverse": ("ltm3d.sources.objaverse",),
    "mlflow": ("ltm3d.tracking", "ltm3d.registry", "ltm3d.serving.model_file"),
    "fastapi": ("ltm3d.serving.server", "ltm3d.serving.admission"),
    "fastapi_offline": ("ltm3d.serving.server",),
    "prometheus_client": ("ltm3d.serving.metrics",),
    "starlette": ("ltm3d.serving.server", "ltm3d.serving.admission"),
    "uvicorn": ("ltm3d.cli.demo",),
    "ray.data": ("ltm3d.transforms",),
    "ray.train": ("ltm3d.training",),
    "ray": ("ltm3d.training", "ltm3d.transforms", "ltm3d.cluster"),
    "deepspeed": ("ltm3d.training",),
    "hydra": ("pipelines.compose",),
    "omegaconf": ("pipelines.compose", "pipelines._params"),
}
CORE = (
    "ltm3d.nn",
    "ltm3d.diffusion",
    "ltm3d.tokenizers.sdf",
    "ltm3d.generator",
    "ltm3d.training.loop",
    "pipelines.train_packed",
)
CORE_LIBRARIES = {"torch", "numpy", "safetensors", "jaxtyping"}


def is_inside(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def test_every_imported_library_is_declared() -> None:
    """In pyproject.toml: what another library happens to bring may go with its next version."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    declared = {re.split(r"[\[<>=!~ ]", line)[0].lower() for line in lines}
    distributions = packages_distributions()
    paths = [*modules().values(), *(REPOSITORY / "tests").rglob("*.py")]
    local = {"ltm3d", "pipelines", *(path.stem for path in (REPOSITORY / "tests" / "support").glob("*.py"))}
    libraries = {name.split(".")[0] for path in paths for name in imported_names(path)}
    undeclared = {
        library
        for library in libraries - local - set(sys.stdlib_module_names)
        if not {name.lower().replace("_", "-") for name in distributions.get(library, [library])} & declared
    }
    assert not undeclared


def test_the_import_contracts_hold() -> None:
    """The layers are in pyproject.toml."""
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("library", DOORS)
def test_a_heavy_library_has_one_door(library: str) -> None:
    users = {name for name, path in modules().items() if any(is_inside(n, library) for n in imported_names(path))}
    assert users, f"nothing imports {library}: remove its line here and from pyproject.toml"
    assert not [name for name in users if not any(is_inside(name, door) for door in DOORS[library])]


@pytest.mark.parametrize("package", CORE)
def test_the_core_imports_with_torch_alone(package: str) -> None:
    members = [name for name in modules() if is_inside(name, package)]
    assert members
    outside = {
        f"{name}: {imported}"
        for member in members
        for name in closure(member, lazy=False)
        for imported in imported_names(modules()[name], lazy=False)
        if imported.split(".")[0] not in {*CORE_LIBRARIES, *sys.stdlib_module_names, "ltm3d", "pipelines"}
    }
    assert not outside


def test_the_command_line_starts_without_the_heavy_libraries() -> None:
    """`ltm3d --help` must not wait for torch."""
    heavy = sorted({library.split(".")[0] for library in DOORS} | {"torch"})
    code = f"import sys, ltm3d.cli.app; sys.exit(', '.join(name for name in {heavy!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.stderr.strip() == ""
