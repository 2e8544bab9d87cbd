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
    files = Path(__file__).parent.glob("*.py")
    kinds = sorted(file.stem for file in files if f"class {_class_of(file.stem)}" in file.read_text(encoding="utf-8"))
    if kind not in kinds:
        raise ConfigError(f"{path}.kind: {kind!r} is no source; the sources are: {', '.join(kinds)}")
    source = getattr(import_module(f"ltm3d.sources.{kind}"), _class_of(kind))
    return convert({key: value for key, value in entry.items() if key != "kind"}, source, path)


def _class_of(kind: str) -> str:
    return f"{kind.capitalize()}Source"
