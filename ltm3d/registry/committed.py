"""Whether the files of a commit would make a model: the digest of each stage that made it against those files."""

import io
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltm3d.errors import ConfigError
from ltm3d.freshness.records import SameResults
from ltm3d.freshness.stage_code import CodeReader

TIMEOUT_S = 120
MAX_NAMED = 3
COMMIT = re.compile(r"[0-9a-f]{40,64}")

Provenance = Mapping[str, Sequence[Mapping[str, Any]]]  # label of a stage → what it was made of, each different one


@dataclass(frozen=True, kw_only=True)
class Committed:
    """What came of looking for the code of a model in a commit.

    Attributes:
        commit: the one that has it; of those that were asked for, the first that could be read where none has.
        failure: why none has it; None where one has.
        records: what was relied on where a digest is another: `ltm3d code same` said that results stay.
    """

    commit: str
    failure: str | None
    records: tuple[SameResults, ...] = ()

    @property
    def note(self) -> str:
        """What is said of it, with every record that was relied on."""
        if self.failure is not None:
            return self.failure
        told = "; ".join(f"{each.stage} by the record `{each.why}` ({each.changed})" for each in self.records)
        return f"commit {self.commit[:12]} has it" + (f"; relied on: {told}" if told else "")


def find_committed(provenance: Provenance, commits: Iterable[str], *, repository: Path) -> Committed:
    """Return the first of some commits whose files have the code of every stage, or why none has.

    Args:
        provenance: of every stage that made the model.
        commits: those to look at, the one that the model names first.
        repository: a checkout that has them.
    """
    if not provenance:
        return Committed(commit="", failure="it does not say what its stages were made of: train and register it again")
    first: Committed | None = None
    for commit in dict.fromkeys(commits):
        try:
            with committed_files(commit, repository) as root:
                found = _compare(provenance, commit, root)
        except ConfigError as error:
            found = Committed(commit=commit, failure=str(error))
        if found.failure is None:
            return found
        first = first or found
    return first or Committed(commit="", failure="it names no commit: commit the code, then register it again")


def _compare(provenance: Provenance, commit: str, root: Path) -> Committed:
    reader = CodeReader(root)
    other: list[str] = []
    relied: list[SameResults] = []
    for label, records in sorted(provenance.items()):
        name, _, item = label.partition("@")
        if f"pipelines.{name}" not in reader.tree.modules:
            other.append(f"{label}, a stage that it does not have")
            continue
        for made in records:
            reader.versions = made["libraries"]
            try:
                code = reader.of(name, item=item or None, kinds=made["source_kinds"])
            except (ConfigError, SyntaxError) as error:
                other.append(f"{label} ({error})")
                break
            if not code.accepts(made["code"]):
                clean = made.get("git_dirty") == "false"
                state = f"made at {made['git_commit'][:12]}" + ("" if clean else " with changes that no commit has")
                other.append(f"{label} ({state})")
                break
            if made["code"] != code.digest:
                relied += [each for each in reader.records if each.stage == label and each.was in code.accepted]
    if other:
        more = f" and {len(other) - MAX_NAMED} more" if len(other) > MAX_NAMED else ""
        failure = (
            f"commit {commit[:12]} has other code of {', '.join(other[:MAX_NAMED])}{more}: commit the code that made "
            "it, or run `dvc repro` and register what the commit makes"
        )
        return Committed(commit=commit, failure=failure)
    return Committed(commit=commit, failure=None, records=tuple(dict.fromkeys(relied)))


@contextmanager
def committed_files(commit: str, repository: Path) -> Iterator[Path]:
    """Put a commit's files into a folder for the length of a block.

    Raises:
        ConfigError: the repository does not have the commit, or there is none.
    """
    if not COMMIT.fullmatch(commit):
        raise ConfigError(f"{commit or 'nothing'} is no commit: commit the code, then register it again")
    command = ["git", "-C", str(repository), "archive", "--format=tar", commit]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"git in {repository.absolute()} does not answer: {error}") from error
    if done.returncode != 0:
        raise ConfigError(
            f"commit {commit[:12]} is not in {repository.absolute()}: run this in a checkout that has it (git fetch)"
        )
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
        yield Path(folder)


def head_of(repository: Path) -> str | None:
    """Return the commit that a checkout stands at; None where there is none."""
    command = ["git", "-C", str(repository), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
