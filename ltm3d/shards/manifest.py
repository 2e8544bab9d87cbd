"""Which shard an asset belongs to, and when a shard's work is already done."""

import dataclasses
import hashlib
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from ltm3d.errors import ConfigError

SHARD_FILE = "shard.json"
CONTENT = ("fields", "records", "uids")  # of shard.json: what a reader of the shard sees
SHARD_NAME = re.compile(r"shard-\d{5,}")
MAX_SHARDS = 100_000
PLAIN = (str, int, float, bool, type(None))


def shard_name(uid: str, num_shards: int) -> str:
    """Name the shard of an asset: crc32 of its uid, so that a new asset changes one shard only."""
    if not 1 <= num_shards <= MAX_SHARDS:
        raise ConfigError(f"num_shards is {num_shards}; give 1 to {MAX_SHARDS}")
    return f"shard-{zlib.crc32(uid.encode()) % num_shards:05d}"


def canonical_json(value: Any) -> str:
    """Write dataclasses, paths, numpy scalars and plain values as JSON that depends on their content alone."""
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def key_of(*parts: Any) -> str:
    """Hash settings and inputs: equal keys, and code that gives the same, mean that nothing need be done again."""
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Read shard.json; None where the shard is missing, damaged or lacks a file.

    Its `digest` stands for the content alone: work on the shard need not be done again where it was made anew, by
    other code say, and came out the same.
    """
    try:
        manifest = json.loads((folder / SHARD_FILE).read_bytes())
        whole = all(
            (folder / name).stat().st_size == file["num_bytes"]
            for entry in manifest["fields"].values()
            for name, file in entry["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if not whole or not {"key", "rejects", *CONTENT} <= manifest.keys():
        return None
    content = json.dumps({name: manifest[name] for name in CONTENT}, sort_keys=True, separators=(",", ":"))
    return {**manifest, "digest": hashlib.sha256(content.encode()).hexdigest()}


def _plain(value: Any) -> Any:
    if type(value) in PLAIN:  # nearly all are, and the questions below are slow
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, PurePath):
        return value.as_posix()
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise TypeError(f"{type(value).__name__} has no canonical form; give plain values, dataclasses or paths")
