"""What shards cost to make, as their workers measured it: `ltm3d plan` scales it up.

It lies in the stage's folder of resumable state, `data/runs/<stage>[@R]/rates.jsonl`, one line a shard, and is no part
of the shard, whose bytes depend on its input alone.
"""

import contextlib
import json
import os
import platform
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

RATES_FILE = "rates.jsonl"
SUMMED = ("num_assets", "num_kept", "cpu_seconds", "num_bytes")


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What some assets took; the sums over a stage's shards.

    Attributes:
        num_assets, num_kept: that were taken on; that were not rejected.
        cpu_seconds: of the workers and of the children they started.
        num_bytes: of the shards' files.
        machine: see `describe_machine`.
    """

    num_assets: int
    num_kept: int
    cpu_seconds: float
    num_bytes: int
    machine: str

    @property
    def cpu_seconds_per_asset(self) -> float:
        """CPU-seconds per asset that is taken on, rejected ones among them."""
        return self.cpu_seconds / self.num_assets


@dataclass(frozen=True, kw_only=True)
class Measurement(Rates):
    """One shard as it was made."""

    shard: str
    key: str


def sum_rates(shards: Collection[Measurement]) -> Rates:
    """Sum up a stage's shards."""
    sums = {name: sum(getattr(each, name) for each in shards) for name in SUMMED}
    return Rates(**sums, machine="; ".join(sorted({each.machine for each in shards})))


def read_rates(data: Path) -> dict[str, Rates]:
    """Read what each stage's workers measured, by the stage's name, e.g. `build_targets@sdf`."""
    files = sorted((data / "runs").glob(f"*/{RATES_FILE}"))
    return {path.parent.name: sum_rates(found.values()) for path in files if (found := read_measurements(path))}


def read_measurements(path: Path) -> dict[str, Measurement]:
    """Read the last measurement of each shard; a line that a kill cut short does not count."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        with contextlib.suppress(ValueError, TypeError):
            measurement = Measurement(**json.loads(line))
            found[measurement.shard] = measurement
    return found


def rates_file(output: Path, label: str) -> Path | None:
    """Name the file of a stage that writes to a folder of `data/`; None where no stage runs."""
    folders = (parent / "runs" / label for parent in output.parents[:2])  # data/<stage> or data/<stage>/<R>
    return next((folder / RATES_FILE for folder in folders if folder.is_dir()), None)


def rate_log(path: Path | None, keys: Mapping[str, str]) -> Callable[[Measurement], None]:
    """Return what notes a shard's measurement at once, so that a killed run keeps those it made.

    Args:
        path: None to note nothing.
        keys: of the shards that are planned; measurements of others are dropped.
    """
    if path is None:
        return lambda measurement: None
    lines = [_line(each) for each in read_measurements(path).values() if keys.get(each.shard) == each.key]
    temporary = path.with_name(f".{RATES_FILE}")
    temporary.write_text("".join(lines), encoding="utf-8")
    temporary.replace(path)

    def note(measurement: Measurement) -> None:
        with path.open("a", encoding="utf-8") as file:
            file.write(_line(measurement))

    return note


def cpu_seconds() -> float:
    """CPU time of this process and of all it started so far: the isolated child lives on, others are gone."""
    import psutil

    process = psutil.Process()
    times = [process.cpu_times()]
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it ended just now
            times.append(child.cpu_times())
    return sum(time.user + time.system + time.children_user + time.children_system for time in times)


@cache
def describe_machine() -> str:
    """Say what this machine is: processor and cores."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{next(models, platform.processor() or platform.machine())}, {os.cpu_count()} cores"


def _line(measurement: Measurement) -> str:
    return json.dumps(asdict(measurement), ensure_ascii=False) + "\n"
