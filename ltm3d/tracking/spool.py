"""What is to be sent to MLflow, first written to a local file: nothing is lost with a server, and nothing waits for it.

A spool is a folder: `spool.jsonl` (a record a line; the first describes the run), `spool.offset` (bytes that are sent),
`mlflow_run_id`, and `artifacts/` (copies of files that are not sent yet).
"""

import fcntl
import json
import logging
import os
import shutil
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

RECORDS, OFFSET, RUN_ID, ARTIFACTS, LOCK = "spool.jsonl", "spool.offset", "mlflow_run_id", "artifacts", "spool.lock"
UNSENT = "unsent"  # folder of finished spools that could not be sent when their stage ended


class Spool:
    """One run's spool. Threads may share it; another process may replay it at the same time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    def append(self, record: Mapping[str, Any]) -> None:
        """Add one record; it is in the file when this returns, though not forced to the disk."""
        line = json.dumps(record, separators=(",", ":"), default=str) + "\n"
        with self._lock, (self.folder / RECORDS).open("a", encoding="utf-8") as file:
            file.write(line)

    def keep_file(self, path: Path) -> str:
        """Copy a file or folder into the spool and return its place there."""
        place = f"{ARTIFACTS}/{uuid.uuid4().hex}/{path.name}"
        target = self.folder / place
        target.parent.mkdir(parents=True)
        if path.is_dir():
            shutil.copytree(path, target)
        else:
            shutil.copyfile(path, target)
        return place

    def drop_file(self, place: str) -> None:
        """Remove a copy that `keep_file` made."""
        shutil.rmtree((self.folder / place).parent, ignore_errors=True)

    def records(self, offset: int = 0) -> Iterator[tuple[dict[str, Any], int]]:
        """Yield records from a byte offset on, each with the offset after it, but for a line torn by a kill."""
        path = self.folder / RECORDS
        if not path.is_file():
            return
        with path.open("rb") as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # being written now, or the end of a killed process
                offset += len(line)
                try:
                    yield json.loads(line), offset
                except ValueError:
                    log.warning("%s: passed over a torn line before byte %d", path, offset)

    def mend(self) -> None:
        """End a torn last line, so that the next record begins a line of its own."""
        path = self.folder / RECORDS
        if path.is_file() and path.stat().st_size and not path.read_bytes().endswith(b"\n"):
            with path.open("ab") as file:
                file.write(b"\n")

    @property
    def header(self) -> dict[str, Any] | None:
        """The record that describes the run, or None in an empty spool."""
        for record, _ in self.records():
            return record
        return None

    @property
    def status(self) -> str | None:
        """The run's last known status, in MLflow's words."""
        statuses = [record["status"] for record, _ in self.records() if record["kind"] == "status"]
        return statuses[-1] if statuses else None

    @property
    def run_id(self) -> str | None:
        """MLflow's id of the run, once the run exists there."""
        path = self.folder / RUN_ID
        return path.read_text().strip() or None if path.is_file() else None

    @run_id.setter
    def run_id(self, value: str) -> None:
        _write(self.folder / RUN_ID, value)

    @property
    def offset(self) -> int:
        """Bytes of the record file that are sent."""
        path = self.folder / OFFSET
        text = path.read_text().strip() if path.is_file() else ""
        return int(text) if text.isdigit() else 0

    @offset.setter
    def offset(self, value: int) -> None:
        _write(self.folder / OFFSET, str(value))

    @property
    def num_unsent(self) -> int:
        """Count the records that are not sent."""
        return sum(1 for _ in self.records(self.offset))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the right to send; another process or thread waits."""
        with (self.folder / LOCK).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    os.replace(temporary, path)


def open_spool(state_dir: Path, header: Mapping[str, Any]) -> tuple[Spool, bool]:
    """Return the spool of a stage's state folder, and whether it goes on with an interrupted run.

    An interrupted run with the same `fingerprint` is gone on with. Anything else that lies there is put away: a
    finished run, or one that was made with other parameters.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    spool = Spool(state_dir)
    spool.mend()
    old = spool.header
    if old is not None and spool.status != "FINISHED" and old.get("fingerprint") == header["fingerprint"]:
        return spool, True
    if old is not None:
        _put_away(spool, old)
    spool.append({**header, "kind": "run", "spool_id": uuid.uuid4().hex})
    return spool, False


def _put_away(spool: Spool, header: Mapping[str, Any]) -> None:
    if spool.status in (None, "RUNNING"):
        spool.append({"kind": "status", "status": "KILLED", "time": header["time"]})
    with spool.locked():
        present = [name for name in (OFFSET, RUN_ID, ARTIFACTS, RECORDS) if (spool.folder / name).exists()]
        if spool.num_unsent:
            target = spool.folder / UNSENT / str(header.get("spool_id") or uuid.uuid4().hex)
            target.mkdir(parents=True)
            for name in present:
                os.replace(spool.folder / name, target / name)
        else:
            remove(spool)


def remove(spool: Spool) -> None:
    """Delete a spool's own files; the folder and what else is in it stay."""
    shutil.rmtree(spool.folder / ARTIFACTS, ignore_errors=True)
    for name in (OFFSET, RUN_ID, LOCK, RECORDS):
        (spool.folder / name).unlink(missing_ok=True)


def find_unsent(root: Path) -> list[Spool]:
    """Return all spools under a folder that hold something to send, oldest first."""
    spools = [Spool(path.parent) for path in root.rglob(RECORDS)]
    return sorted(
        (spool for spool in spools if spool.num_unsent), key=lambda spool: (spool.header or {}).get("time", 0)
    )
