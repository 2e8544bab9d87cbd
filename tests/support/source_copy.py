"""A copy of the sources that a test may change, and ways of changing a file: what counts, and what does not."""

import ast
import re
import shutil
from pathlib import Path

from imports import REPOSITORY


def copy_sources(folder: Path) -> Path:
    """Copy `ltm3d` and `pipelines`, with their other files, without byte code."""
    for package in ("ltm3d", "pipelines"):
        shutil.copytree(REPOSITORY / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def change_a_constant(text: str) -> str | None:
    """Change one number or text that is no docstring, log text or annotation; None where the file has none."""
    tree = ast.parse(text)
    skipped = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr | ast.JoinedStr):
            skipped |= {id(each) for each in ast.walk(node)}
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            skipped |= {id(each) for each in ast.walk(annotation)} if annotation is not None else set()
    lines = text.splitlines(keepends=True)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in skipped or type(node.value) not in (int, float, str):
            continue
        if node.lineno != node.end_lineno:
            continue
        line = lines[node.lineno - 1].encode()
        new = repr(node.value + "x" if isinstance(node.value, str) else 2 * node.value + 1)
        changed = line[: node.col_offset] + new.encode() + line[node.end_col_offset :]
        lines[node.lineno - 1] = changed.decode()
        return "".join(lines)
    return None


def change_comments_and_layout(text: str) -> str:
    """Change every docstring, add comments and blank lines, spread each call's arguments over lines: the same code."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str):
                first.value.value = f"Other words.\n\n    {first.value.value}"
    plain = ast.unparse(tree)  # without comments, in another layout, with other quotes
    assert "# a comment" not in plain
    return re.sub(r"^(def |class |@)", r"# a comment\n\n\1", plain, flags=re.MULTILINE) + "\n\n# the end\n"
