"""What of a file's text counts."""

from pathlib import Path

import pytest

from ltm3d.freshness.syntax import SourceReader, read_source

CODE = '''
"""A module."""
import logging
import os

from ltm3d.geometry import mesh

logger = logging.getLogger(__name__)
SIZE = 3


def area(width: float, *, height: float = 1.0) -> float:
    """Multiply."""
    logger.info("width %s of %d", width, len(str(height)))
    return width * height + SIZE
'''


def digest(text: str) -> str:
    return read_source(text, "a.py").digest


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"""Multiply."""', '"""Multiply two sides."""'),
        ('    """Multiply."""\n', ""),
        ("SIZE = 3", "SIZE = 3  # a comment"),
        ("width * height + SIZE", "(\n        width\n        * height + SIZE\n    )"),
        ('"width %s of %d"', "'another text %s %d'"),
        ('    logger.info("width %s of %d", width, len(str(height)))\n', ""),
        ("import logging\nimport os\n", "import os\nimport logging\n"),
        ("logger =", "if TYPE_CHECKING:\n    import torch\n\nlogger ="),
    ],
)
def test_what_no_result_depends_on_is_left_out(before: str, after: str) -> None:
    assert before in CODE and digest(CODE.replace(before, after)) == digest(CODE)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("SIZE = 3", "SIZE = 4"),
        ("SIZE = 3", "SIZE = 3.0"),
        ("SIZE = 3", "SIZE = True"),
        ("* height", "/ height"),
        ("height: float = 1.0", "height: float = 2.0"),
        ("*, height", "height"),
        ('logger.info("width %s of %d", width, len(str(height)))', "print(width)"),
        ('logger.info("width %s of %d", width, len(str(height)))', 'logger.info("%s", measure(width))'),
        ('logger.info("width %s of %d", width, len(str(height)))', 'logger.info("%s", (width := 2))'),
        ("from ltm3d.geometry import mesh", "from ltm3d.geometry import meshes as mesh"),
    ],
)
def test_what_may_change_a_result_counts(before: str, after: str) -> None:
    assert before in CODE and digest(CODE.replace(before, after)) != digest(CODE)


def test_a_log_line_that_calls_something_counts() -> None:
    calls = 'def f(x):\n    logger.info("%s", x.update(1))\n'
    assert digest(calls) != digest("def f(x):\n    pass\n")


def test_imports_are_found_inside_functions_and_by_name() -> None:
    source = read_source(
        "import a.b\nfrom c import d, e as f\n"
        "def g(name):\n    from h import i\n    import_module('j.k')\n    importlib.import_module(f'l.m.{name}')\n",
        "a.py",
    )
    assert set(source.imports) == {"a.b", "c.d", "c.e", "h.i", "j.k"} and source.packages == ("l.m",)


def test_an_import_that_cannot_be_followed_is_refused() -> None:
    with pytest.raises(SyntaxError, match="give a literal"):
        read_source("import_module(name)", "a.py")


def test_a_reader_keeps_what_it_read(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(CODE)
    cache = tmp_path / "cache.json"
    reader = SourceReader(cache)
    first = reader.read(tmp_path / "a.py")
    reader.save()
    again = SourceReader(cache)
    assert again.read(tmp_path / "a.py") == first and len(again._known) == 1
    (tmp_path / "a.py").write_text(CODE.replace("SIZE = 3", "SIZE = 4"))
    assert again.read(tmp_path / "a.py").digest != first.digest


@pytest.mark.parametrize("content", ["", "[1]", '{"a": {}}', "{broken"])
def test_a_damaged_cache_costs_nothing_but_time(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.py").write_text(CODE)
    (tmp_path / "cache.json").write_text(content)
    reader = SourceReader(tmp_path / "cache.json")
    assert reader.read(tmp_path / "a.py").digest == digest(CODE)
    reader.save()
    assert SourceReader(tmp_path / "cache.json").read(tmp_path / "a.py").digest == digest(CODE)
