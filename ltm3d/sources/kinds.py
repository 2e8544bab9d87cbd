"""The kinds of source: `kind: objaverse` in the settings is `ObjaverseSource` in ltm3d/sources/objaverse.py."""

from importlib import import_module
from pathlib import Path
from typing import Any

from ltm3d.errors import ConfigError
from ltm3d.settings import convert
from ltm3d.sources.source import Source


def build_sources(entries: Any) -> list[Source]:
    """Build each entry of `sources`.

    Raises:
        ConfigError: there is none, an unknown kind, or a setting that is out of its range.
    """
    if not isinstance(entries, list) or not entries:
        raise ConfigError("sources: expected a list with at least one source, each with its `kind`")
    return [build_source(entry, f"sources.{index}") for index, entry in enumerate(entries)]


def build_source(entry: Any, path: str) -> Source:
    """Build one source from its settings.

    Args:
        path: where they stand, for messages.
    """
    kind = entry.get("kind") if isinstance(entry, dict) else None
    if kind not in source_kinds():
        raise ConfigError(f"{path}.kind: {kind!r} is no source; the sources are: {', '.join(source_kinds())}")
    return convert({key: value for key, value in entry.items() if key != "kind"}, source_type(kind), path)


def source_kinds() -> list[str]:
    """List the kinds that there is a class of."""
    files = Path(__file__).parent.glob("*.py")
    return sorted(file.stem for file in files if f"class {_class_of(file.stem)}" in file.read_text(encoding="utf-8"))


def source_type(kind: str) -> type[Any]:
    """Give the class of a kind of source."""
    return getattr(import_module(f"ltm3d.sources.{kind}"), _class_of(kind))


def _class_of(kind: str) -> str:
    return f"{kind.capitalize()}Source"
