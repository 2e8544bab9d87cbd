"""Read shards through memory maps: nothing is loaded before it is asked for."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ltm3d.errors import DataError
from ltm3d.shards.plan import SHARD_FILE, SHARD_NAME, read_manifest
from ltm3d.shards.write import Reject


class Ragged(Sequence[np.ndarray]):
    """Arrays of different length, stored end to end; item i is a view into the memory map."""

    def __init__(self, values: np.ndarray, offsets: np.ndarray) -> None:
        self.values = values
        self.offsets = offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"asset {index} of {len(self)}")
        index %= len(self)
        return self.values[self.offsets[index] : self.offsets[index + 1]]


class Shard:
    """One committed shard.

    Attributes:
        uids, records: the kept assets, in the order of every field's first axis.
        rejects: the assets that were turned away, and why.
        digest: sha256 of shard.json, which holds the sha256 of every file: it stands for the whole content.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.name = folder.name
        self.key: str = manifest["key"]
        self.uids: list[str] = manifest["uids"]
        self.records: list[dict[str, Any]] = manifest["records"]
        self.rejects = [Reject(**reject) for reject in manifest["rejects"]]
        self.fields: dict[str, dict[str, Any]] = manifest["fields"]
        self.digest = hashlib.sha256((folder / SHARD_FILE).read_bytes()).hexdigest()
        self._opened: dict[str, np.ndarray | Ragged] = {}

    def __len__(self) -> int:
        return len(self.uids)

    def __getitem__(self, field: str) -> np.ndarray | Ragged:
        """Open a field: an array whose first axis is the asset, or a `Ragged`."""
        if field not in self.fields:
            raise DataError(f"{self.folder} has no field {field!r}, only {', '.join(self.fields)}; rebuild its stage")
        if field not in self._opened:
            values = self._open(f"{field}.npy")
            ragged = self.fields[field]["ragged"]
            self._opened[field] = Ragged(values, np.array(self._open(f"{field}.offsets.npy"))) if ragged else values
        return self._opened[field]

    def __reduce__(self) -> tuple[Any, ...]:
        return read_shard, (self.folder,)  # a memory map would be pickled with all its bytes

    def _open(self, name: str) -> np.ndarray:
        try:
            return np.load(self.folder / name, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(f"{self.folder / name} cannot be read ({error}); remove {self.folder} and rerun") from error


class ShardSet:
    """Assets of a folder of shards in an order of the caller's choice, read lazily.

    Args:
        uids: which assets and in which order; None takes all, shard by shard.

    Raises:
        DataError: there is no shard, or a uid is in none of them.
    """

    def __init__(self, root: Path, uids: Sequence[str] | None = None) -> None:
        self.shards = list_shards(root)
        if not self.shards:
            raise DataError(f"{root} has no shards; run the stage that writes it (dvc repro)")
        places = {uid: (shard, index) for shard in self.shards for index, uid in enumerate(shard.uids)}
        self.uids = list(places) if uids is None else list(uids)
        missing = [uid for uid in self.uids if uid not in places]
        if missing:
            raise DataError(
                f"{root} lacks {len(missing)} of {len(self.uids)} assets ({', '.join(missing[:3])} …); "
                "its stage is older than the list, or rejected them: see its ledger.json and run dvc repro"
            )
        self._places = [places[uid] for uid in self.uids]

    def __len__(self) -> int:
        return len(self.uids)

    def __iter__(self) -> Iterator[str]:
        return iter(self.uids)

    def record(self, index: int) -> dict[str, Any]:
        """Give the record of the asset at a position of `uids`."""
        shard, place = self._places[index]
        return shard.records[place]

    def get(self, field: str, index: int) -> np.ndarray:
        """Give one field of the asset at a position of `uids`, as a view into the memory map."""
        shard, place = self._places[index]
        return shard[field][place]


def read_shard(folder: Path) -> Shard:
    """Read a committed shard.

    Raises:
        DataError: it is missing, damaged or was never committed.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise DataError(f"{folder} is not a whole shard; run the stage that writes it (dvc repro)")
    return Shard(folder, manifest)


def list_shards(root: Path) -> list[Shard]:
    """Read all shards of a folder, sorted by name; a folder that is not there has none."""
    if not root.is_dir():
        return []
    return [read_shard(path) for path in sorted(root.iterdir()) if path.is_dir() and SHARD_NAME.fullmatch(path.name)]
