"""Count lines of code by package: without blanks, comments and docstrings.

Usage:
    python -m benchmarks.code_lines [CHECKOUT [FILE…]]

The files are relative to the checkout; without any, all of ltm3d/ and pipelines/ is counted.
"""

import ast
import io
import sys
import tokenize
from collections import Counter
from pathlib import Path

LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def code_lines(source: str) -> int:
    """Count the lines of a module that hold code; each line of a string counts, docstrings do not."""
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in LAYOUT:
            found.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            found.difference_update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    return len(found)


def main(checkout: Path, *names: str) -> None:
    """Print files and lines by package, or by file where files are given."""
    paths = [checkout / name for name in names] or [
        p for top in ("ltm3d", "pipelines") for p in (checkout / top).rglob("*.py")
    ]
    files: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for path in sorted(paths):
        place = path.relative_to(checkout)
        label = str(place) if names else ".".join(place.parts[:-1][:2])
        for row in (label, "total"):
            files[row] += 1
            lines[row] += code_lines(path.read_text(encoding="utf-8"))
    for label, count in [*sorted((files - Counter(total=files["total"])).items()), ("total", files["total"])]:
        print(f"{label:<44}{count:>6}{lines[label]:>8}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."), *sys.argv[2:])
