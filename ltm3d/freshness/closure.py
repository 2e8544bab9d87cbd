"""The files that a stage's results depend on: its import closure, read from the files without running them."""

import hashlib
from collections.abc import Collection
from functools import cached_property
from pathlib import Path

from ltm3d.freshness.syntax import SourceFile, SourceReader

PACKAGES = ("ltm3d", "pipelines")

# These decide where and when work runs and what is told of it, never what comes out. A change here makes nothing anew;
# what they import counts all the same. Tests hold them to it: the same bytes from one worker and two, after a kill
# and without one.
ORCHESTRATION = (
    "pipelines._interrupt",  # Ctrl-C
    "pipelines._params",  # params.yaml → settings, which are in every key
    "pipelines._stage",  # lock, log, MLflow run
    "ltm3d.durability",  # fsync, locks
    "ltm3d.errors",
    "ltm3d.freshness",
    "ltm3d.cluster",  # starting Ray
    "ltm3d.settings",
    "ltm3d.shards.rates",  # what shards cost
    "ltm3d.registry",  # MLflow's versions
    "ltm3d.surroundings",  # home, user, git
    "ltm3d.tracking",  # MLflow
    "ltm3d.training.build_locks",
    "ltm3d.training.checkpoints.files",  # the files of a run
    "ltm3d.training.estimate",  # disk and memory, in advance
    "ltm3d.training.interruption",
    "ltm3d.training.launch",
    "ltm3d.training.progress",
    "ltm3d.training.ray_group",
    "ltm3d.training.checkpoints.saving",
    "ltm3d.transforms.mapping",
    "ltm3d.transforms.asset_progress",
    "ltm3d.transforms.ray_tasks",
    "ltm3d.transforms.retries",  # which assets are tried again
)


class SourceTree:
    """The modules of a checkout, or of an installed package.

    Args:
        root: the folder that holds `ltm3d` and `pipelines`.
    """

    def __init__(self, root: Path, reader: SourceReader | None = None) -> None:
        self.root = root
        self.reader = reader or SourceReader()
        self._sources: dict[str, SourceFile] = {}

    @cached_property
    def modules(self) -> dict[str, Path]:
        """All modules by dotted name; a package is its `__init__`."""
        found = {}
        for package in PACKAGES:
            for path in sorted((self.root / package).rglob("*.py")):
                parts = path.relative_to(self.root).with_suffix("").parts
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        return found

    def source(self, module: str) -> SourceFile:
        """Read a module of ours, once.

        Raises:
            SyntaxError: the file is not Python.
        """
        if module not in self._sources:
            self._sources[module] = self.reader.read(self.modules[module])
        return self._sources[module]

    def closure(self, module: str, items: Collection[str] = ()) -> set[str]:
        """List our modules that a module imports, directly or not, with itself and without orchestration.

        Args:
            items: which modules `import_module(f"package.{name}")` means, where the package has some of them; else all
                of the package.
        """
        waiting, seen = [module], set()
        while waiting:
            name = waiting.pop()
            while name and name not in self.modules:  # `from a.b import function`
                name = name.rpartition(".")[0]
            if not name or name in seen or name in PACKAGES:  # a package's own `__init__` is a door for people
                continue
            seen.add(name)
            source = self.source(name)
            waiting += source.imports
            for package in source.packages:
                members = [other for other in self.modules if other.rpartition(".")[0] == package]
                waiting += [each for each in members if each.rpartition(".")[2] in items] or members
        return {name for name in seen if not is_orchestration(name) and not self.source(name).is_empty}

    def digests(self, modules: Collection[str]) -> dict[str, str]:
        """Give path → digest of modules, and of what else lies in their packages: pages, tables."""
        digests = {self.modules[name]: self.source(name).digest for name in modules}
        folders = {path.parent for path in digests if path.name != "__init__.py"}
        others = (path for path, package in self._other_files.items() if package in folders)
        digests |= {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in others}
        return {path.relative_to(self.root).as_posix(): digests[path] for path in sorted(digests)}

    @cached_property
    def _other_files(self) -> dict[Path, Path]:
        """Map what is no code to the folder of modules that it belongs to."""
        paths = (path for package in PACKAGES for path in (self.root / package).rglob("*") if path.is_file())
        kept = [path for path in paths if path.suffix not in (".py", ".pyc") and "__pycache__" not in path.parts]
        return {path: _package_of(path) for path in kept}


def is_orchestration(module: str) -> bool:
    """Say whether a module has no part in results."""
    return any(module == name or module.startswith(f"{name}.") for name in ORCHESTRATION)


def _package_of(path: Path) -> Path:
    """Return the nearest folder above a file that holds modules."""
    return next(folder for folder in path.parents if any(folder.glob("*.py")))
