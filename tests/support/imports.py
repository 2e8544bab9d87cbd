"""Which files of ltm3d/ and pipelines/ a module needs, read from its import statements without running it."""

import ast
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("ltm3d", "pipelines")


@cache
def modules() -> dict[str, Path]:
    """All modules by dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a file, without what stands under `if TYPE_CHECKING`."""
    tree = ast.parse(path.read_text(), str(path))
    return _WithoutTypeChecking().visit(tree)


class _WithoutTypeChecking(ast.NodeTransformer):
    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        if "TYPE_CHECKING" in ast.unparse(node.test):
            return node.orelse
        return self.generic_visit(node)


@cache
def imported_names(path: Path, *, lazy: bool = True) -> frozenset[str]:
    """Dotted names that a file imports, ours and others'.

    Args:
        lazy: with the imports inside functions.
    """
    tree = tree_of(path)
    nodes = ast.walk(tree) if lazy else _eager(tree)
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def _eager(tree: ast.AST) -> list[ast.AST]:
    found: list[ast.AST] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        found.append(node)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += list(ast.iter_child_nodes(node))
    return found


@cache
def calls_sources(path: Path) -> bool:
    """Whether a file builds the sources of params.yaml, whose modules are named by their kind."""
    calls = (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call))
    return any(isinstance(call.func, ast.Attribute) and call.func.attr == "sources" for call in calls)


def closure(module: str, *, lazy: bool = True) -> set[str]:
    """Our own modules that a module imports, directly or not, with itself and its packages."""
    waiting, seen = [module], set()
    while waiting:
        name = waiting.pop()
        while name and name not in modules():  # `from a.b import function`
            name = name.rpartition(".")[0]
        if not name or name in seen:
            continue
        seen.add(name)
        waiting += imported_names(modules()[name], lazy=lazy)
        waiting.append(name.rpartition(".")[0])
        if calls_sources(modules()[name]):
            waiting += [other for other in modules() if other.startswith("ltm3d.sources.")]
    return seen


def files(names: set[str]) -> set[str]:
    """The files of modules, relative to the repository, without packages that hold nothing but a docstring.

    A package's other files (pages, scripts, tables) belong to it as soon as one of its modules does.
    """
    paths = {modules()[name] for name in names}
    code = {path for path in paths if path.name != "__init__.py" or _has_code(path)}
    folders = {path.parent for path in paths if path.name != "__init__.py"}
    assets = {path for package in PACKAGES for path in _assets(package) if _owner(path) in folders}
    return {path.relative_to(REPOSITORY).as_posix() for path in code | assets}


def _assets(package: str) -> list[Path]:
    files = [path for path in (REPOSITORY / package).rglob("*") if path.is_file()]
    return [path for path in files if path.suffix != ".py" and "__pycache__" not in path.parts]


def _owner(asset: Path) -> Path:
    """The nearest folder above an asset that holds modules."""
    return next(folder for folder in asset.parents if any(folder.glob("*.py")))


def _has_code(path: Path) -> bool:
    return any(not isinstance(statement, ast.Expr) for statement in tree_of(path).body)


def share_needed(folder: str, needed: set[str]) -> float:
    """The share of a folder's modules that are needed."""
    inside = {path.relative_to(REPOSITORY).as_posix() for path in modules().values() if path.name != "__init__.py"}
    inside = {name for name in inside if name.startswith(f"{folder}/")}
    return len(inside & needed) / len(inside) if inside else 0.0


def suggested_dependencies(module: str) -> list[str]:
    """A short list of files and folders: a package stands for its files where two thirds of them are needed."""
    needed = files(closure(module))
    packages = {"/".join(Path(file).parts[:2]) for file in needed if len(Path(file).parts) > 2}
    folders = {package for package in packages if share_needed(package, needed) >= 2 / 3}
    return sorted(folders | {file for file in needed if "/".join(Path(file).parts[:2]) not in folders})
