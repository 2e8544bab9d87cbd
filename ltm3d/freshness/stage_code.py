"""What the code of a stage computes, as one digest: part of the key of its shards and of its training runs.

digest = sha256 of the syntax trees of the stage's import closure, the other files of its packages, and the versions of
the libraries that the stage names in `LIBRARIES`.
"""

import ast
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ltm3d.errors import ConfigError
from ltm3d.freshness.closure import SourceTree
from ltm3d.freshness.records import RECORDS_FILE, SameResults, oldest_digest, read_records, same_digests
from ltm3d.freshness.syntax import SourceReader, digest_of_all

ROOT = Path(__file__).resolve().parents[2]
CACHE_FILE = "code-cache.json"  # in data/runs
CODE_FILE = "code.json"  # in a stage's folder of data/runs: the code that its results were made with
MAX_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class StageCode:
    """The code of one stage.

    Attributes:
        stage: its label, `stage` or `stage@item`.
        digest: of all that follows.
        accepted: the digests that give the same results, by the records in git; `digest` is among them.
        oldest: the one of them that the chain of records began with; what DVC compares.
        files: path → digest.
        libraries: distribution → version without its local part: `2.13.0` for `2.13.0+cpu`.
        provenance: what results say of themselves, see `tracking.provenance.stage_provenance`; no part of the digest.
    """

    stage: str
    digest: str
    accepted: frozenset[str]
    oldest: str
    files: Mapping[str, str] = field(repr=False)
    libraries: Mapping[str, str] = field(repr=False)
    provenance: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def accepts(self, digest: str | None) -> bool:
        """Say whether what was made with a digest is what this code would make."""
        return digest in self.accepted

    def changes(self, before: Mapping[str, Any] | None) -> str:
        """Name what differs from the code of an earlier run, for people.

        Args:
            before: what `note` wrote then, None where that is not known.
        """
        if before is None:
            return "other files, which no record names"
        changed = [
            name
            for kind, now in (("files", self.files), ("libraries", self.libraries))
            for name in sorted({*before[kind], *now})
            if before[kind].get(name) != now.get(name)
        ]
        more = f" and {len(changed) - MAX_NAMED} more" if len(changed) > MAX_NAMED else ""
        return ", ".join(changed[:MAX_NAMED]) + more if changed else "nothing"

    def note(self, state_dir: Path) -> None:
        """Write down in a stage's folder that its results are of this code."""
        content = {"digest": self.digest, "files": dict(self.files), "libraries": dict(self.libraries)}
        temporary = state_dir / f".{CODE_FILE}"
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        temporary.replace(state_dir / CODE_FILE)

    def explain(self, state_dir: Path, digest: str | None, what: str) -> str:
        """Say in one line why results are made again, what that costs, and how to avoid it.

        Args:
            digest: of the code that they were made with.
            what: what is made again, e.g. `64 shards will be made again`.
        """
        before = read_note(state_dir)
        known = before if before is not None and before["digest"] == digest else None
        return (
            f"code of {self.stage} changed: {self.changes(known)}; {what}; if the results are the same: stop, and run "
            f'`ltm3d code same {self.stage} --why "…"`'
        )


def read_note(state_dir: Path) -> dict[str, Any] | None:
    """Read what `StageCode.note` wrote; None where nothing is written."""
    try:
        content = json.loads((state_dir / CODE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    keys = {"digest", "files", "libraries"}
    return content if isinstance(content, dict) and keys <= content.keys() else None


class CodeReader:
    """Gives the code of stages.

    Args:
        root: the folder that holds `ltm3d`, `pipelines` and the records of changes that leave results as they were.
        cache: a file that keeps what was parsed; None parses anew.
        versions: distribution → version; None asks the environment.
    """

    def __init__(
        self, root: Path = ROOT, *, cache: Path | None = None, versions: Mapping[str, str] | None = None
    ) -> None:
        self.tree = SourceTree(root, SourceReader(cache))
        self.records = read_records(root / RECORDS_FILE)
        self.versions = versions

    def of(self, name: str, *, item: str | None = None, kinds: Collection[str] = ()) -> StageCode:
        """Read the code of a stage; one that is no module of `pipelines` has none.

        Args:
            item: of its matrix.
            kinds: of the recipe's sources.

        Raises:
            SyntaxError: one of its files is not Python.
            ConfigError: the stage names a library that is not installed.
        """
        module = f"pipelines.{name}"
        if module not in self.tree.modules:
            return NO_CODE
        closure = self.tree.closure(module, items={*kinds, *([item] if item else [])})
        files = self.tree.digests(closure)
        names = libraries_of(self.tree.modules[module])
        libraries = {name: public_version(name, self.versions) for name in names}
        label = f"{name}@{item}" if item else name
        return code_of(label, files, libraries, self.records)

    def save(self) -> None:
        """Keep what was parsed."""
        self.tree.reader.save()


def bare_code(stage: str, digest: str) -> StageCode:
    """Return code that is known by its digest alone."""
    return StageCode(stage=stage, digest=digest, accepted=frozenset({digest}), oldest=digest, files={}, libraries={})


NO_CODE = bare_code("", "")  # of what is made outside a stage


def code_of(
    label: str, files: Mapping[str, str], libraries: Mapping[str, str], records: Iterable[SameResults] = ()
) -> StageCode:
    """Combine digests of files and versions of libraries to the code of a stage."""
    digest = digest_of_all([*files.items(), *libraries.items()])
    known = [record for record in records if record.stage == label]
    return StageCode(
        stage=label,
        digest=digest,
        accepted=same_digests(digest, known),
        oldest=oldest_digest(digest, known),
        files=files,
        libraries=libraries,
    )


def libraries_of(path: Path) -> tuple[str, ...]:
    """Read `LIBRARIES` of a stage's module: the distributions whose version is part of its key."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LIBRARIES":
            return tuple(ast.literal_eval(node.value))
    return ()


def public_version(name: str, versions: Mapping[str, str] | None = None) -> str:
    """Return a distribution's version without its local part, which names a build.

    Raises:
        ConfigError: it is not installed.
    """
    found = installed_version(name) if versions is None else versions.get(name)
    if found is None:
        raise ConfigError(f"{name} is not installed, and results depend on it: run `make setup`")
    return found.partition("+")[0]


@cache
def installed_version(name: str) -> str | None:
    """Return the version of an installed distribution with its local part; None where there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
