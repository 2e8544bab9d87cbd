"""After cleaning: duplicates out, a split for each asset that stays, the index and the list of test assets."""

import hashlib
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ltm3d.errors import DataError
from ltm3d.schema import SPLITS
from ltm3d.shards.index import IndexEntry, write_index
from ltm3d.shards.ledger import Ledger
from ltm3d.shards.read import iter_shards
from ltm3d.shards.write import Reject

logger = logging.getLogger(__name__)


def index_meshes(
    folder: Path, ledger: Ledger, *, val_fraction: float, test_fraction: float, test_ids: Path
) -> list[IndexEntry]:
    """Write `index.json` and the ledger anew without duplicates, and the uids of the test split to `test_ids`.

    Raises:
        DataError: no asset is left, or a source gives an unknown split.
    """
    duplicates = find_duplicates(
        (uid, (record["content_hash"], record["signature"]))
        for shard in iter_shards(folder)
        for uid, record in zip(shard.uids, shard.records, strict=True)
    )
    for uid, kept in duplicates.items():
        ledger.reject(Reject(uid=uid, reason="duplicate", detail=f"of {kept}"))
    ledger.write(folder)
    entries = sorted(_entries(folder, ledger, val_fraction, test_fraction), key=lambda entry: entry.uid)
    shares = {"train": 1.0, "test": test_fraction, "val": val_fraction}
    official = {
        uid for shard in iter_shards(folder) for uid, row in zip(shard.uids, shard.records, strict=True) if row["split"]
    }
    entries = fill_splits(entries, official=official, wanted=[split for split, share in shares.items() if share > 0])
    _check_splits(entries, ledger)
    write_index(folder, entries)
    test_ids.parent.mkdir(parents=True, exist_ok=True)
    test_ids.write_text("".join(f"{entry.uid}\n" for entry in entries if entry.split == "test"), encoding="utf-8")
    counts = Counter(entry.split for entry in entries)
    logger.info(
        "%s: %d duplicates left out; %s",
        ledger.stage,
        len(duplicates),
        ", ".join(f"{counts[split]} {split}" for split in SPLITS),
    )
    return entries


def find_duplicates(assets: Iterable[tuple[str, Sequence[str]]]) -> dict[str, str]:
    """Give each duplicate the asset that is kept in its place: the first uid of those linked by an equal mark.

    An asset takes its uid and 16 bytes a mark of memory; only those with an equal mark take more.

    Args:
        assets: uid and its marks, here the hash of its bytes and the signature of its geometry.
    """
    uids: list[str] = []
    digests = bytearray()
    for uid, marks in assets:
        uids.append(uid)
        for mark in marks:
            digests += hashlib.blake2b(mark.encode(), digest_size=16).digest()
    if not uids:
        return {}
    parents: dict[str, str] = {}  # of linked assets only

    def root_of(uid: str) -> str:
        while (parent := parents.setdefault(uid, uid)) != uid:
            parents[uid] = parents[parent]
            uid = parents[uid]
        return uid

    keys = np.frombuffer(digests, np.uint64).reshape(len(uids), -1, 2)
    for kind in range(keys.shape[1]):
        order = np.lexsort((keys[:, kind, 1], keys[:, kind, 0]))
        is_equal = (keys[order[1:], kind] == keys[order[:-1], kind]).all(axis=1)
        for place in np.flatnonzero(is_equal):  # neighbours with the same mark
            low, high = sorted((root_of(uids[order[place]]), root_of(uids[order[place + 1]])))
            parents[high] = low
    return {uid: root_of(uid) for uid in sorted(parents) if root_of(uid) != uid}


def split_of(uid: str, official: str, *, val_fraction: float, test_fraction: float) -> str:
    """Give the official split, or one by a hash of the uid."""
    if official:
        return official
    share = _share_of(uid)
    if share < test_fraction:
        return "test"
    return "val" if share < test_fraction + val_fraction else "train"


def fill_splits(entries: Sequence[IndexEntry], *, official: Collection[str], wanted: Sequence[str]) -> list[IndexEntry]:
    """Give each wanted split that is empty an asset by the order of their hashes, as far as there are enough.

    So small sets have all splits. The asset comes from the largest split, which keeps one at least: for training that
    of the largest hash, for another split that of the smallest.

    Args:
        official: uids whose split their source gives: they stay.
        wanted: splits by importance.
    """
    filled = list(entries)
    for number, split in enumerate(wanted):
        counts = Counter(entry.split for entry in filled)
        if counts[split]:
            continue
        more_important = wanted[:number]
        givers = [
            (counts[entry.split], _share_of(entry.uid) * (1 if split == "train" else -1), place)
            for place, entry in enumerate(filled)
            if entry.uid not in official and counts[entry.split] > (1 if entry.split in more_important else 0)
        ]
        if not givers:
            logger.warning("no asset is left for the split %s: what needs it asks for more objects", split)
            continue
        place = max(givers)[2]
        filled[place] = replace(filled[place], split=split)
    return filled


def _share_of(uid: str) -> float:
    return int.from_bytes(hashlib.sha256(f"split:{uid}".encode()).digest()[:8], "big") / 2**64


def _entries(folder: Path, ledger: Ledger, val_fraction: float, test_fraction: float) -> Iterable[IndexEntry]:
    for shard in iter_shards(folder):
        for uid, record in zip(shard.uids, shard.records, strict=True):
            if uid in ledger.ok:
                yield IndexEntry(
                    uid=uid,
                    shard=shard.name,
                    split=split_of(uid, record["split"], val_fraction=val_fraction, test_fraction=test_fraction),
                    offset=tuple(record["offset"]),
                    **{
                        name: record[name]
                        for name in (
                            "category",
                            "caption",
                            "source",
                            "licence",
                            "name",
                            "num_faces",
                            "is_watertight",
                            "scale",
                            "attributes",
                        )
                    },
                )


def _check_splits(entries: Sequence[IndexEntry], ledger: Ledger) -> None:
    if not entries:
        raise DataError(
            f"the data set is empty: no asset of {len(ledger)} is left; mend the assets or name other sources.\n"
            f"{ledger.to_table()}"
        )
    counts = Counter(entry.split for entry in entries)
    unknown = sorted(set(counts) - set(SPLITS))
    if unknown:
        raise DataError(f"a source gives the split {unknown[0]!r}; a split is one of {', '.join(SPLITS)}")
