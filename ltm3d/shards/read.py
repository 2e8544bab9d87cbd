"""Read shards through memory maps: nothing is loaded before it is asked for."""

import json
import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ltm3d.errors import DataError
from ltm3d.schema import RETRIED
from ltm3d.shards.manifest import SHARD_NAME, read_manifest
from ltm3d.shards.write import TRIES_FILE, Reject

MAX_OPEN_SHARDS = 64  # of a set; each field's memory map holds a file open, of which a process may have some thousand


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
        uids: the kept assets, in the order of every field's first axis.
        rejects: the assets that were turned away, and why.
        key, code: of the settings and inputs, and of the code that it was made with; see `plan.key_of`.
        provenance: commit, state of the tree, libraries, seed and device as its stage started.
        digest: sha256 of uids, records, and the sha256 of every file: it stands for the whole content.
        reads_slices: the system is to read no more from the disk than is asked for; set it before a field is opened.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.name = folder.name
        self.key: str = manifest["key"]
        self.code: str = manifest.get("code", "")
        self.provenance: dict[str, Any] = manifest.get("provenance", {})
        self.digest: str = manifest["digest"]
        self.uids: list[str] = manifest["uids"]
        self.rejects = [Reject(**reject) for reject in manifest["rejects"]]
        self.fields: dict[str, dict[str, Any]] = manifest["fields"]
        self._records: list[dict[str, Any]] | None = manifest["records"]
        self._opened: dict[str, np.ndarray | Ragged] = {}
        self.reads_slices = False

    def __len__(self) -> int:
        return len(self.uids)

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records of the kept assets, in the order of `uids`."""
        if self._records is None:
            self._records = read_shard(self.folder).records
        return self._records

    @property
    def tries(self) -> dict[str, int]:
        """How often each asset was tried that was rejected for what a busy machine may cause, `schema.RETRIED`."""
        passing = [reject.uid for reject in self.rejects if reject.reason.split(":")[0] in RETRIED]
        if not passing:
            return {}
        try:
            more = json.loads((self.folder / TRIES_FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            more = {}
        return {uid: int(more.get(uid, 1)) for uid in passing}

    def without_records(self) -> "Shard":
        """Let go of the records, most of a shard's memory; they are read again where they are asked for."""
        self._records = None
        return self

    def __getitem__(self, field: str) -> np.ndarray | Ragged:
        """Open a field: an array whose first axis is the asset, or a `Ragged`."""
        if field not in self.fields:
            raise DataError(f"{self.folder} has no field {field!r}, only {', '.join(self.fields)}; rebuild its stage")
        if field not in self._opened:
            values = self._open(f"{field}.npy")
            ragged = self.fields[field]["ragged"]
            self._opened[field] = Ragged(values, np.array(self._open(f"{field}.offsets.npy"))) if ragged else values
        return self._opened[field]

    def close(self) -> None:
        """Let go of the memory maps; a field that is asked for again is opened again."""
        self._opened.clear()

    def __reduce__(self) -> tuple[Any, ...]:
        return read_shard, (self.folder,)  # a memory map would be pickled with all its bytes

    def _open(self, name: str) -> np.ndarray:
        try:
            values = np.load(self.folder / name, mmap_mode="r", allow_pickle=False)
            if self.reads_slices and isinstance(values, np.memmap):
                values._mmap.madvise(mmap.MADV_RANDOM)  # type: ignore[attr-defined]
            return values
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
        places = {uid: (n, index) for n, shard in enumerate(self.shards) for index, uid in enumerate(shard.uids)}
        self.uids = list(places) if uids is None else list(uids)
        missing = [uid for uid in self.uids if uid not in places]
        if missing:
            raise DataError(
                f"{root} lacks {len(missing)} of {len(self.uids)} assets ({', '.join(missing[:3])} …); "
                "its stage is older than the list, or rejected them: see its ledger.json and run dvc repro"
            )
        self._places = np.array([places[uid] for uid in self.uids], np.int32).reshape(-1, 2)  # shard, row
        self._open_shards: dict[int, Shard] = {}  # the one used last is the last

    def __len__(self) -> int:
        return len(self.uids)

    def __iter__(self) -> Iterator[str]:
        return iter(self.uids)

    def expect_slices(self) -> "ShardSet":
        """Turn the system's read-ahead off, which would read most of an asset for a small slice of it."""
        for shard in self.shards:
            shard.reads_slices = True
        return self

    @property
    def fields(self) -> frozenset[str]:
        """The names of the fields that every shard has."""
        return frozenset.intersection(*(frozenset(shard.fields) for shard in self.shards))

    def record(self, index: int) -> dict[str, Any]:
        """Give the record of the asset at a position of `uids`."""
        number, place = self._places[index].tolist()
        return self.shards[number].records[place]

    def get(self, field: str, index: int) -> np.ndarray:
        """Give one field of the asset at a position of `uids`, as a view into the memory map."""
        number, place = self._places[index].tolist()
        shard = self._open_shards[number] = self._open_shards.pop(number, self.shards[number])
        if len(self._open_shards) > MAX_OPEN_SHARDS:
            self._open_shards.pop(next(iter(self._open_shards))).close()
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


def committed_shard(folder: Path, key: str) -> Shard | None:
    """Read a shard if it stands there whole and with this key."""
    manifest = read_manifest(folder)
    return Shard(folder, manifest) if manifest is not None and manifest["key"] == key else None


def iter_shards(root: Path) -> Iterator[Shard]:
    """Read the shards of a folder one by one, sorted by name; a folder that is not there has none."""
    names = sorted(path.name for path in root.iterdir()) if root.is_dir() else []
    for name in names:
        if SHARD_NAME.fullmatch(name) and (root / name).is_dir():
            yield read_shard(root / name)


def list_shards(root: Path) -> list[Shard]:
    """List the shards of a folder, sorted by name; of each asset only the uid is held, records are read when asked."""
    return [shard.without_records() for shard in iter_shards(root)]
