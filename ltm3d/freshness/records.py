"""Records, in a file in git, that a change of code leaves a stage's results as they were.

code_same.yaml, a list:
    - stage: build_targets@sdf
      was: 3f2a…        # digest of the code that the results were made with
      now: 91bc…        # digest of the code that gives the same
      changed: ltm3d/geometry/signed_distance.py
      why: a variable has another name
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ltm3d.errors import ConfigError

RECORDS_FILE = "code_same.yaml"
HEADER = (
    "# Changes of code that leave a stage's results as they were: written by `ltm3d code same`, to be reviewed and\n"
    "# committed with the change. docs/freshness.md\n"
)


@dataclass(frozen=True, kw_only=True)
class SameResults:
    """One record.

    Attributes:
        stage: label of the stage, `stage` or `stage@item`.
        was, now: digests of its code, before the change and after it.
        changed: the files and libraries, for people.
        why: the reason, in one line.
    """

    stage: str
    was: str
    now: str
    changed: str
    why: str


def read_records(path: Path) -> tuple[SameResults, ...]:
    """Read the records; none where there is no file.

    Raises:
        ConfigError: the file is damaged, e.g. by a merge.
    """
    if not path.is_file():
        return ()
    import yaml

    try:
        rows = yaml.safe_load(path.read_text(encoding="utf-8")) or []
        return tuple(SameResults(**{key: str(value) for key, value in row.items()}) for row in rows)
    except (yaml.YAMLError, TypeError, AttributeError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read ({' '.join(str(error).split())}); mend it, or restore it") from error


def write_records(path: Path, records: Sequence[SameResults]) -> None:
    """Write all records anew, the order kept."""
    import yaml

    rows = yaml.safe_dump([asdict(record) for record in records], sort_keys=False, allow_unicode=True, width=1000)
    path.write_text(HEADER + rows, encoding="utf-8")


def same_digests(digest: str, records: Iterable[SameResults]) -> frozenset[str]:
    """List the digests that records link to one, in either direction and over several steps; it is among them."""
    pairs = [(record.was, record.now) for record in records]
    linked = {digest}
    while more := {each for pair in pairs if linked & set(pair) for each in pair} - linked:
        linked |= more
    return frozenset(linked)


def oldest_digest(digest: str, records: Sequence[SameResults]) -> str:
    """Return the digest that a chain of records began with: it stays when another record is added to the chain."""
    seen = {digest}
    while before := [record.was for record in records if record.now == digest and record.was not in seen]:
        digest = before[0]
        seen.add(digest)
    return digest
