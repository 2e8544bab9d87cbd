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
from ltm3d.settings import is_left_out

SHARD_FILE = "shard.json"
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
    """Hash settings, code version and inputs: equal keys mean that the work need not be done again."""
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Read shard.json, and its sha256 as `digest`; None where the shard is missing, damaged or lacks a file."""
    try:
        content = (folder / SHARD_FILE).read_bytes()
        manifest = json.loads(content)
        whole = all(
            (folder / name).stat().st_size == file["num_bytes"]
            for entry in manifest["fields"].values()
            for name, file in entry["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if not whole or not {"key", "uids", "records", "rejects"} <= manifest.keys():
        return None
    return {**manifest, "digest": hashlib.sha256(content).hexdigest()}


def _plain(value: Any) -> Any:
    if type(value) in PLAIN:  # nearly all are, and the questions below are slow
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [field for field in dataclasses.fields(value) if not is_left_out(field, getattr(value, field.name))]
        return {field.name: _plain(getattr(value, field.name)) for field in fields}
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
