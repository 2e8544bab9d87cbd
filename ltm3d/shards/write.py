"""Write a shard: the same input gives the same bytes, and a shard is whole or not there at all."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ltm3d.durability import durable_writing, sync_folder
from ltm3d.schema import REASONS, Field
from ltm3d.shards.manifest import SHARD_FILE, SHARD_NAME, canonical_json

TRIES_FILE = "tries.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reject:
    """One asset that a stage could not take on.

    Attributes:
        reason: one of `schema.REASONS`; a crash adds its signal, as in `crash:SIGSEGV`.
    """

    uid: str
    reason: str
    detail: str = ""

    def __post_init__(self) -> None:
        if self.reason.split(":")[0] not in REASONS:
            raise ValueError(f"{self.reason!r} is no known reason; one of {', '.join(REASONS)}")


def write_shard(
    folder: Path,
    *,
    fields: Sequence[Field],
    arrays: Mapping[str, Sequence[np.ndarray]],
    uids: Sequence[str],
    records: Sequence[Mapping[str, Any]],
    rejects: Sequence[Reject],
    key: str,
    code: str = "",
    tries: Mapping[str, int] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write and commit one shard; a shard that stood there is replaced.

    Args:
        arrays: for each field one array an asset, in the order of `uids`.
        key: what the work depended on, see `plan.key_of`.
        code: digest of the code that did it, see `freshness.code`.
        tries: of rejected assets that were tried more than once, see `write_tries`.
        provenance: what it was made of beside, for people and for the promotion gate; no part of the shard's digest.

    Raises:
        ValueError: an array is not what its field says, or an asset is both kept and rejected.
        StorageError: the file system does not keep what is written.
    """
    _check_assets(folder.name, fields, arrays, uids, records, rejects)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:12]}")
    temporary.mkdir()
    try:
        with durable_writing(folder):
            manifest = {
                "name": folder.name,
                "key": key,
                "code": code,
                "provenance": dict(provenance or {}),
                "uids": list(uids),
                "records": list(records),
                "rejects": sorted(rejects, key=lambda reject: reject.uid),
                "fields": {field.name: _write_field(temporary, field, arrays[field.name]) for field in fields},
            }
            with (temporary / SHARD_FILE).open("wb") as file:
                file.write(canonical_json(manifest).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            write_tries(temporary, tries or {})
            sync_folder(temporary)
            _commit(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_tries(folder: Path, tries: Mapping[str, int]) -> None:
    """Note in a shard how often each rejected asset was tried, where that was more than once.

    It is a file of its own, which shard.json does not name: another try that fails changes nothing for who reads the
    shard, so it must not change the shard's digest.
    """
    more = {uid: count for uid, count in sorted(tries.items()) if count > 1}
    if more:
        temporary = folder / f".{TRIES_FILE}"
        temporary.write_text(canonical_json(more) + "\n", encoding="utf-8")
        temporary.replace(folder / TRIES_FILE)


def remove_leftovers(root: Path, *, keep: Iterable[str]) -> list[str]:
    """Remove shards that no plan names, and what killed writers left; nothing else in the folder is touched."""
    kept = set(keep)
    folders = [path for path in root.iterdir() if path.is_dir() and not path.is_symlink()]
    stale = [path for path in folders if SHARD_NAME.fullmatch(path.name) and path.name not in kept]
    for path in [*stale, *(path for path in folders if path.name.startswith(".shard-"))]:
        shutil.rmtree(path)
    return sorted(path.name for path in stale)


def _check_assets(
    name: str,
    fields: Sequence[Field],
    arrays: Mapping[str, Sequence[np.ndarray]],
    uids: Sequence[str],
    records: Sequence[Mapping[str, Any]],
    rejects: Sequence[Reject],
) -> None:
    if set(arrays) != {field.name for field in fields}:
        raise ValueError(f"{name}: got the fields {sorted(arrays)}, expected {sorted(field.name for field in fields)}")
    if len(records) != len(uids):
        raise ValueError(f"{name}: {len(records)} records for {len(uids)} assets")
    named = [*uids, *(reject.uid for reject in rejects)]
    if len(set(named)) != len(named):
        raise ValueError(f"{name}: a uid stands twice, or is both kept and rejected")
    for field in fields:
        letters: dict[str, int] = {}  # a letter has one value within a field of a shard
        if len(arrays[field.name]) != len(uids):
            raise ValueError(f"{name}: {len(arrays[field.name])} arrays of {field.name!r} for {len(uids)} assets")
        for uid, array in zip(uids, arrays[field.name], strict=True):
            _check_array(f"{name}: {field.name!r} of {uid}", field, array, letters)


def _check_array(what: str, field: Field, array: np.ndarray, letters: dict[str, int]) -> None:
    if array.dtype != np.dtype(field.dtype) or array.ndim != len(field.shape):
        raise ValueError(f"{what} is {array.dtype} {array.shape}; the schema says {field.dtype} {field.shape}")
    for axis, (size, expected) in enumerate(zip(array.shape, field.shape, strict=True)):
        if field.ragged and axis == 0:
            continue
        if size != (expected if isinstance(expected, int) else letters.setdefault(expected, size)):
            wanted = expected if isinstance(expected, int) else f"{expected} = {letters[expected]}"
            raise ValueError(f"{what} has the shape {array.shape}; axis {axis} is {wanted} in this shard")


def _write_field(folder: Path, field: Field, arrays: Sequence[np.ndarray]) -> dict[str, Any]:
    rest = arrays[0].shape if len(arrays) else tuple(size if isinstance(size, int) else 0 for size in field.shape)
    lengths = [len(array) for array in arrays] if field.ragged else []
    shape = (sum(lengths), *rest[1:]) if field.ragged else (len(arrays), *rest)
    dtype = np.dtype(field.dtype)
    files = {f"{field.name}.npy": _write_array(folder / f"{field.name}.npy", dtype, shape, arrays)}
    if field.ragged:
        offsets = np.cumsum([0, *lengths], dtype=np.int64)
        name = f"{field.name}.offsets.npy"
        files[name] = _write_array(folder / name, offsets.dtype, offsets.shape, [offsets])
    return {"dtype": field.dtype, "shape": list(shape), "ragged": field.ragged, "files": files}


def _write_array(path: Path, dtype: np.dtype, shape: tuple[int, ...], parts: Iterable[np.ndarray]) -> dict[str, Any]:
    """Write parts end to end as one .npy; return its size and sha256."""
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            if part.size:
                file.write(np.ascontiguousarray(part).data)
        file.flush()
        os.fsync(file.fileno())
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "num_bytes": path.stat().st_size}


def _commit(temporary: Path, folder: Path) -> None:
    """Rename into place; what stood there leaves first, so a kill in between costs one shard's work and no more."""
    if folder.is_dir():
        old = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:12]}")
        folder.rename(old)
        temporary.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        temporary.rename(folder)
    sync_folder(folder.parent)
