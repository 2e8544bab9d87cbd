"""What a Python file computes: a hash of its syntax tree, and the modules that it imports."""

import ast
import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

LOG_CALLS = ("debug", "info", "warning", "error", "exception", "critical", "log")
PURE_CALLS = ("len", "max", "min", "round", "sorted", "str", "sum", "type")  # of a log line's arguments
PURE_METHODS = ("get", "items", "join", "split", "strip", "values")


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One Python file.

    Attributes:
        digest: sha256 of the syntax tree without docstrings, log lines, imports for type checkers and the order of
            neighbouring imports. Comments and formatting are in no syntax tree.
        imports: dotted names, of modules and of what is in them, also those inside functions.
        packages: `a.b` for each `import_module(f"a.b.{name}")`: any module of that package may be meant.
    """

    digest: str
    imports: tuple[str, ...]
    packages: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether the file holds nothing but a docstring."""
        return self.digest == EMPTY


def read_source(text: str, name: str) -> SourceFile:
    """Read what the text of a Python file computes.

    Args:
        name: of the file, for the message of a syntax error.

    Raises:
        SyntaxError: the text is not Python.
    """
    tree = _Normalizer().visit(ast.parse(text, name))
    imports: set[str] = set()
    packages: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            imports |= {f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and _last_name(node.func) == "import_module":
            _add_dynamic(node.args[0], imports, packages)
    return SourceFile(digest=_digest(tree), imports=tuple(sorted(imports)), packages=tuple(sorted(packages)))


class SourceReader:
    """Reads files, each content once: what was read is kept in a JSON file by the content's hash.

    Args:
        cache: that file; None keeps nothing. It may be removed at any time.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache
        self._known: dict[str, SourceFile] = {}
        self._used: set[str] = set()
        self._is_new = False
        if cache is not None:
            try:
                rows = json.loads(cache.read_text())
                self._known = {
                    key: SourceFile(
                        digest=row["digest"], imports=tuple(row["imports"]), packages=tuple(row["packages"])
                    )
                    for key, row in rows.items()
                }
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                self._known = {}  # absent or damaged: read the files anew

    def read(self, path: Path) -> SourceFile:
        """Read one file.

        Raises:
            SyntaxError: the file is not Python.
            OSError: it cannot be read.
        """
        content = path.read_bytes()
        key = hashlib.sha256(_RULES + content).hexdigest()
        if key not in self._known:
            self._known[key] = read_source(content.decode(), str(path))
            self._is_new = True
        self._used.add(key)
        return self._known[key]

    def save(self) -> None:
        """Keep what was read; a folder that takes no file costs the cache, nothing else."""
        if self._cache is None or not self._is_new:
            return
        temporary = self._cache.with_name(f".{self._cache.name}.{id(self)}")
        try:
            temporary.write_text(json.dumps({key: asdict(self._known[key]) for key in sorted(self._known)}))
            temporary.replace(self._cache)
        except OSError:
            temporary.unlink(missing_ok=True)


class _Normalizer(ast.NodeTransformer):
    """Take out what no result depends on."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list) and statements and isinstance(statements[0], ast.stmt):
                setattr(node, name, _in_order([each for each in statements if not _is_silent(each)]))
        if isinstance(node, ast.Constant):
            node.kind = None  # the u of u"text"
        return node

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        return node.orelse if _last_name(node.test) == "TYPE_CHECKING" else node


def _in_order(statements: list[ast.stmt]) -> list[ast.stmt]:
    """Sort each run of neighbouring imports: our modules do no work when they are imported."""
    ordered: list[ast.stmt] = []
    run: list[ast.stmt] = []
    for statement in [*statements, None]:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            statement.names.sort(key=ast.dump)
            run.append(statement)
            continue
        ordered += sorted(run, key=ast.dump)
        run = []
        if statement is not None:
            ordered.append(statement)
    return ordered


def _is_silent(statement: ast.stmt) -> bool:
    """Say whether a statement is a docstring, another lone text, or a log line that does nothing but speak."""
    if not isinstance(statement, ast.Expr):
        return False
    value = statement.value
    if isinstance(value, ast.Constant):
        return isinstance(value.value, str)
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Attribute):
        return False
    if _last_name(value.func.value) != "logger" or value.func.attr not in LOG_CALLS:
        return False
    arguments = [*value.args, *(keyword.value for keyword in value.keywords)]
    return all(_is_pure(node) for argument in arguments for node in ast.walk(argument))


def _is_pure(node: ast.AST) -> bool:
    if isinstance(node, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom):
        return False
    if not isinstance(node, ast.Call):
        return True
    pure = PURE_METHODS if isinstance(node.func, ast.Attribute) else PURE_CALLS
    return _last_name(node.func) in pure


def _last_name(node: ast.expr) -> str:
    """Return `c` of `a.b.c`, and of `c`; empty for what is no name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _add_dynamic(argument: ast.expr, imports: set[str], packages: set[str]) -> None:
    if isinstance(argument, ast.Constant):
        imports.add(str(argument.value))
    elif isinstance(argument, ast.JoinedStr) and isinstance(argument.values[0], ast.Constant):
        packages.add(str(argument.values[0].value).rpartition(".")[0])
    else:
        raise SyntaxError(f"import_module({ast.unparse(argument)}): give a literal, or f'package.{{name}}'")


def _digest(tree: ast.AST) -> str:
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def digest_of_all(digests: Iterable[tuple[str, str]]) -> str:
    """Hash named digests, whatever their order."""
    text = "\n".join(f"{name} {digest}" for name, digest in sorted(digests))
    return hashlib.sha256(text.encode()).hexdigest()


EMPTY = _digest(ast.Module(body=[], type_ignores=[]))
_RULES = b"1:"  # of what is taken out; part of the cache's keys alone
