"""Functions that tests send to Ray workers and to child processes."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ltm3d.errors import AssetError, DataError
from ltm3d.schema import Field
from ltm3d.shards.write import Reject
from ltm3d.transforms.isolation import ChildLimits, run_isolated
from ltm3d.transforms.mapping import ShardJob, ShardResult

SPIN_S = 0.2
LIMITS = ChildLimits(timeout_s=30, clock_s=60, memory_mb=256)
FIELDS = (Field(name="value", dtype="int64", shape=(), unit="number in the uid"),)


def squares(job: ShardJob) -> ShardResult:
    """Square the number each uid ends with; 13 is bad."""
    kept = [uid for uid in job.uids if number(uid) != 13]
    return ShardResult(
        uids=kept,
        arrays={"value": [np.array(number(uid) ** 2) for uid in kept]},
        records=[{"number": number(uid)} for uid in kept],
        rejects=[Reject(uid=uid, reason="too_complex", detail="13") for uid in job.uids if uid not in kept],
    )


def lose_and_square(notes: Path, reason: str, lost: list[str], job: ShardJob) -> ShardResult:
    """Square, but for some assets that are lost for a reason; note each asset that is worked on."""
    for uid in job.uids:
        (notes / uid).touch()
    found = squares(replace(job, uids=tuple(uid for uid in job.uids if uid not in lost)))
    rejects = [Reject(uid=uid, reason=reason, detail="lost") for uid in job.uids if uid in lost]
    return replace(found, rejects=[*found.rejects, *rejects])


class Loser:
    """A 'model' that loses some assets by its own fault."""

    def __init__(self, notes: Path, lost: list[str]) -> None:
        self.notes, self.lost = notes, lost

    def __call__(self, job: ShardJob) -> ShardResult:
        return lose_and_square(self.notes, "failed", self.lost, job)


def number(uid: str) -> int:
    return int(uid.split("-")[1])


def note_and_square(folder: Path, job: ShardJob) -> ShardResult:
    (folder / f"{job.name}-{time.monotonic_ns()}").touch()
    return squares(job)


def spin_and_square(job: ShardJob) -> ShardResult:
    """Use the processor for a while in the isolated child."""
    run_isolated(spin, SPIN_S, limits=LIMITS)
    return squares(job)


def spin(seconds: float) -> None:
    start = time.process_time()
    while time.process_time() < start + seconds:
        pass


def kill_worker(folder: Path, victim: str, times: int, job: ShardJob) -> ShardResult:
    """End the Ray worker of one shard by SIGKILL, the first so many times."""
    if job.name == victim and len(list(folder.glob(f"{victim}-*"))) < times:
        (folder / f"{victim}-{time.monotonic_ns()}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return squares(job)


def raise_data_error(job: ShardJob) -> ShardResult:
    raise DataError("the input is of another make; run the stage before")


def raise_bug(job: ShardJob) -> ShardResult:
    raise KeyError("a bug")


class Adder:
    """A 'model' that notes each time it is loaded."""

    def __init__(self, folder: Path, amount: int) -> None:
        (folder / f"loaded-{os.getpid()}-{time.monotonic_ns()}").touch()
        self.amount = amount

    def __call__(self, job: ShardJob) -> ShardResult:
        values = [np.array(number(uid) + self.amount) for uid in job.uids]
        return ShardResult(uids=job.uids, arrays={"value": values}, records=[{} for _ in job.uids])


class Unloadable:
    def __init__(self) -> None:
        raise DataError("the model folder is empty")

    def __call__(self, job: ShardJob) -> ShardResult:
        raise AssertionError


def double(value: int) -> int:
    return 2 * value


def child_facts() -> dict[str, Any]:
    main = sys.modules.get("__mp_main__")
    return {
        "pid": os.getpid(),
        "parent": os.getppid(),
        "omp": os.environ["OMP_NUM_THREADS"],
        "main": str(main),
        "ray": "ray" in sys.modules,
        "threads": threading.active_count(),
    }


def hang() -> None:
    ctypes.CDLL(None).sleep(600)  # in native code, where Python's own signals do nothing


def import_slowly(folder: str, seconds: float) -> float:
    """Import a module that uses the processor for a while, then use as much oneself."""
    sys.path.insert(0, folder)
    (Path(folder) / "slow_module.py").write_text(f"from shard_jobs import spin\nspin({seconds})\n")
    start = time.process_time()
    __import__("slow_module")
    spin(seconds)
    return time.process_time() - start


def stop_for_a_while(seconds: float) -> float:
    """Be stopped by another process (SIGSTOP) and continued, and then do some work."""
    pid = os.getpid()
    command = f"kill -STOP {pid}; sleep {seconds}; kill -CONT {pid}"
    start = time.monotonic()
    subprocess.run(["sh", "-c", command], check=True)
    spin(SPIN_S)
    return time.monotonic() - start


def compute_for_ever() -> None:
    """One instruction of Python, all in native code."""
    _ = 3 ** (10**9)


def segfault() -> None:
    ctypes.string_at(0)


def eat_memory(megabytes: int) -> int:
    return int(np.ones(megabytes * 2**20, dtype=np.uint8).sum() // 2**20)


def raise_asset_error() -> None:
    raise AssetError("no_surface", "nothing to see")


def leave() -> None:
    os._exit(3)


def report_child(sender: Any) -> None:
    """Start a child, tell its process id, wait to be killed."""
    sender.send(run_isolated(child_facts, limits=LIMITS)["pid"])
    time.sleep(600)


def facts_from_worker() -> dict[str, Any]:
    return run_isolated(child_facts, limits=LIMITS)
