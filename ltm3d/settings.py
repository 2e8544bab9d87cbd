"""Plain data (YAML, JSON) → frozen settings dataclasses; an unknown or missing key is an error that names the rest."""

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING
from pathlib import Path
from typing import Any, Literal, TypeVar, Union

from ltm3d.errors import ConfigError

T = TypeVar("T")


def convert(value: Any, kind: Any, path: str) -> Any:
    """Turn plain data into the annotated type.

    Args:
        path: where the value stands, dotted; for messages.

    Raises:
        ConfigError: unknown key (with the valid ones), missing key, wrong type, or out of range.
    """
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _build(value, kind, path)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _convert_union(value, arguments, path)
    if origin is Literal:
        if value not in arguments:
            raise ConfigError(f"{path}: {value!r} is none of {', '.join(map(repr, arguments))}")
        return value
    if (origin or kind) in (dict, Mapping):
        if not isinstance(value, dict):
            raise _wrong(value, kind, path)
        item = arguments[1] if arguments else Any
        return {str(key): convert(entry, item, f"{path}.{key}") for key, entry in value.items()}
    if (origin or kind) in (tuple, list, Sequence):
        return _convert_sequence(value, kind, arguments, path)
    return _convert_scalar(value, kind, path)


def _build(value: Any, kind: Any, path: str) -> Any:
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise _wrong(value, kind, path)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    unknown = sorted(set(value) - set(fields))
    if unknown:
        raise ConfigError(f"{path}.{unknown[0]}: unknown key; the keys of {path} are: {', '.join(sorted(fields))}")
    missing = [
        name
        for name, field in fields.items()
        if name not in value and field.default is MISSING and field.default_factory is MISSING
    ]
    if missing:
        raise ConfigError(f"{path}: missing {', '.join(missing)}; the keys are: {', '.join(sorted(fields))}")
    hints = typing.get_type_hints(kind)
    arguments = {key: convert(entry, hints[key], f"{path}.{key}") for key, entry in value.items()}
    try:
        return kind(**arguments)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _convert_union(value: Any, kinds: tuple[Any, ...], path: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    candidates = [kind for kind in kinds if kind is not type(None)]
    if isinstance(value, dict) and all(map(dataclasses.is_dataclass, candidates)) and len(candidates) > 1:
        known = {kind: typing.get_args(typing.get_type_hints(kind).get("kind")) for kind in candidates}
        said = value.get("kind", next(iter(known[candidates[0]]), None))  # settings say what they are; else the first
        candidates = [kind for kind in candidates if said in known[kind]] or candidates
    for kind in candidates:
        try:
            return convert(value, kind, path)
        except ConfigError as error:
            failure = error
    raise failure


def _convert_sequence(value: Any, kind: Any, arguments: tuple[Any, ...], path: str) -> Any:
    if not isinstance(value, list | tuple):
        raise _wrong(value, kind, path)
    origin = typing.get_origin(kind) or kind
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        if len(value) != len(arguments):
            raise ConfigError(f"{path}: expected {len(arguments)} values, got {len(value)}: {value!r}")
        items = arguments
    else:
        items = (arguments[0] if arguments else Any,) * len(value)
    converted = [convert(entry, item, f"{path}.{i}") for i, (entry, item) in enumerate(zip(value, items, strict=True))]
    return converted if origin is list else tuple(converted)


def _convert_scalar(value: Any, kind: Any, path: str) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if kind in (int, str, bool) and type(value) is kind:
        return value
    raise _wrong(value, kind, path)


def _wrong(value: Any, kind: Any, path: str) -> ConfigError:
    name = getattr(kind, "__name__", str(kind))
    return ConfigError(f"{path}: expected {name}, got {value!r}")
