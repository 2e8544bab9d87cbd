"""What shards cost to make, as their workers measured it: `ltm3d plan` scales it up.

It lies in the stage's folder of resumable state, `data/runs/<stage>[@R]/rates.jsonl`, one line a shard, and is no part
of the shard, whose bytes depend on its input alone.
"""

import contextlib
import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

RATES_FILE = "rates.jsonl"


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """One shard as it was made.

    Attributes:
        num_assets, num_kept: that were taken on; that were not rejected.
        cpu_seconds: of the worker and of the children it started.
        num_bytes: of the shard's files.
        machine: see `describe_machine`.
    """

    shard: str
    key: str
    num_assets: int
    num_kept: int
    cpu_seconds: float
    num_bytes: int
    machine: str


@dataclass(frozen=True, kw_only=True)
class Rates:
    """The sums over a stage's measured shards."""

    num_assets: int
    num_kept: int
    cpu_seconds: float
    num_bytes: int
    machines: tuple[str, ...]

    @property
    def cpu_seconds_per_asset(self) -> float:
        """CPU-seconds an asset that is taken on, rejected ones among them."""
        return self.cpu_seconds / self.num_assets

    @property
    def bytes_per_kept_asset(self) -> float:
        """Bytes on disk an asset that is kept."""
        return self.num_bytes / self.num_kept


def sum_rates(measurements: Iterable[Measurement]) -> Rates | None:
    """Sum up a stage's shards; None where no asset was kept."""
    shards = list(measurements)
    rates = Rates(
        num_assets=sum(shard.num_assets for shard in shards),
        num_kept=sum(shard.num_kept for shard in shards),
        cpu_seconds=sum(shard.cpu_seconds for shard in shards),
        num_bytes=sum(shard.num_bytes for shard in shards),
        machines=tuple(sorted({shard.machine for shard in shards})),
    )
    return rates if rates.num_kept else None


def read_rates(data: Path) -> dict[str, Rates]:
    """Read what each stage's workers measured, by the stage's name, e.g. `build_targets@sdf`."""
    files = sorted((data / "runs").glob(f"*/{RATES_FILE}"))
    found = {path.parent.name: sum_rates(read_measurements(path).values()) for path in files}
    return {stage: rates for stage, rates in found.items() if rates is not None}


def read_measurements(path: Path) -> dict[str, Measurement]:
    """Read the last measurement of each shard; a line that a kill cut short does not count."""
    found = {}
    with path.open(encoding="utf-8") as file:
        for line in file:
            with contextlib.suppress(ValueError, TypeError):
                measurement = Measurement(**json.loads(line))
                found[measurement.shard] = measurement
    return found


def rates_file(output: Path, label: str) -> Path | None:
    """Name the file of a stage that writes to a folder of `data/`; None where no stage runs."""
    folders = (parent / "runs" / label for parent in output.parents[:2])  # data/<stage> or data/<stage>/<R>
    return next((folder / RATES_FILE for folder in folders if folder.is_dir()), None)


@contextlib.contextmanager
def rate_log(path: Path | None, keys: Mapping[str, str]) -> Iterator[Callable[[Measurement], None]]:
    """Give what notes a shard's measurement at once, so that a killed run keeps those it made.

    Args:
        path: None to note nothing.
        keys: of the shards that are planned; measurements of others are dropped.
    """
    if path is None:
        yield lambda measurement: None
        return
    before = read_measurements(path) if path.is_file() else {}
    temporary = path.with_name(f".{RATES_FILE}")
    with temporary.open("w", encoding="utf-8") as file:
        for measurement in before.values():
            if keys.get(measurement.shard) == measurement.key:
                file.write(_line(measurement))
    temporary.replace(path)
    with path.open("a", encoding="utf-8") as file:

        def note(measurement: Measurement) -> None:
            file.write(_line(measurement))
            file.flush()

        yield note


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
    model = next(models, platform.processor() or platform.machine())
    return f"{model}, {os.cpu_count()} cores"


def _line(measurement: Measurement) -> str:
    return json.dumps(asdict(measurement), ensure_ascii=False) + "\n"
