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
    return seen
