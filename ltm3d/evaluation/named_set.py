"""A named test set: which true shapes count, and the hash of what they are, so that two reports are of the same."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ltm3d.errors import DataError


@dataclass(frozen=True, kw_only=True)
class NamedSet:
    """A test set as its file has it.

    Attributes:
        ids: names of the true files without suffix, sorted.
        sha256: of the ids and the contents of their files.
    """

    name: str
    ids: tuple[str, ...]
    sha256: str


def hash_files(files: Mapping[str, Path]) -> str:
    """Hash names and contents."""
    lines = []
    for uid, path in sorted(files.items()):
        with path.open("rb") as file:
            lines.append(f"{uid} {hashlib.file_digest(file, 'sha256').hexdigest()}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def write_named_set(path: Path, files: Mapping[str, Path]) -> NamedSet:
    """Write the set of some true files; its name is the file's."""
    made = NamedSet(name=path.stem, ids=tuple(sorted(files)), sha256=hash_files(files))
    path.write_text(json.dumps(asdict(made), indent=1) + "\n")
    return made


def read_named_set(path: Path) -> NamedSet:
    """Read a set.

    Raises:
        DataError: no such file, or none of a set.
    """
    try:
        document = json.loads(path.read_text())
        name, ids, sha256 = (document[key] for key in ("name", "ids", "sha256"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is no test set ({error}); `ltm3d evaluate --write-test-set` writes one") from error
    if not ids or not all(isinstance(uid, str) for uid in ids):
        raise DataError(f"{path} is no test set: `ids` must be names of shapes, at least one")
    return NamedSet(name=str(name), ids=tuple(sorted(ids)), sha256=str(sha256))


def files_of(named: NamedSet, files: Mapping[str, Path]) -> dict[str, Path]:
    """Return those of the true files that the set names.

    Raises:
        DataError: one is missing, or they are not what the set was made of.
    """
    missing = [uid for uid in named.ids if uid not in files]
    if missing:
        raise DataError(
            f"test set {named.name} names {len(missing)} shapes that are not among the true ones, e.g. {missing[0]}; "
            "give the folder that it was made of"
        )
    chosen = {uid: files[uid] for uid in named.ids}
    if (found := hash_files(chosen)) != named.sha256:
        raise DataError(
            f"the true shapes are not those of test set {named.name}: sha256 {found[:16]}, not {named.sha256[:16]}; "
            "give the folder that it was made of, or write a set of another name (--write-test-set)"
        )
    return chosen
