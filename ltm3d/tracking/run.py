"""One MLflow run a stage: what is logged goes to a local spool at once and to the server in the background."""

import dataclasses
import hashlib
import json
import logging
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ltm3d.tracking.datasets import data_digest
from ltm3d.tracking.replay import replay, sync
from ltm3d.tracking.spool import UNSENT, Spool, open_spool
from ltm3d.tracking.system import SystemSampler

log = logging.getLogger(__name__)

FLUSH_INTERVAL_S = 5.0
MAX_BACKOFF_S = 120.0
CLOSE_TIMEOUT_S = 45.0  # how long the end of a stage waits for the server
MAX_PARAM_LENGTH = 6000


class Tracker:
    """What a stage logs with. No method raises because of tracking: a stage never ends for a server's sake."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._flush_until_closed, name="mlflow-flush", daemon=True)
        self._is_reachable = True

    @property
    def run_id(self) -> str | None:
        """MLflow's id of the run; None until a server has been reached once."""
        return self._spool.run_id

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log numbers; what is not a number is passed over with a warning."""
        values = {}
        for name, value in metrics.items():
            try:
                values[re.sub(r"[^\w\-. :/]", "_", name)] = float(value)
            except (TypeError, ValueError):
                log.warning("metric %s is %r, not a number; it is left out", name, value)
        if values:
            self._put({"kind": "metrics", "step": int(step or 0), "time": _now(), "values": values})

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log settings, nested or not; one that the run already has stays as it is."""
        values = {name: value[:MAX_PARAM_LENGTH] for name, value in flatten(params).items()}
        if values:
            self._put({"kind": "params", "values": values})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags of the run."""
        self._put({"kind": "tags", "values": {name: str(value) for name, value in tags.items()}})

    def log_input(self, name: str, path: Path, context: str) -> None:
        """Log a file or folder that the stage reads as a data set of MLflow; one that is not there is passed over.

        Args:
            context: what it is read for, e.g. `training`.
        """
        try:
            digest = data_digest(path)
        except OSError as error:
            log.warning("%s cannot be hashed for MLflow and is left out: %s", path, error)
            return
        if digest is not None:
            record = {"kind": "input", "name": name, "digest": digest, "place": str(path.absolute())}
            self._put({**record, "context": context})

    def log_artifact(self, path: Path, folder: str = "") -> None:
        """Log a file, or a folder with all in it; it is copied now, so it may change or go afterwards."""
        try:
            place = self._spool.keep_file(Path(path))
        except OSError as error:
            log.warning("artifact %s cannot be kept for MLflow and is left out: %s", path, error)
            return
        self._put({"kind": "artifact", "place": place, "folder": folder})

    def flush(self) -> bool:
        """Send what is there now; say whether all of it went."""
        try:
            unsent = self._spool.folder / UNSENT
            if unsent.is_dir():
                sync(unsent)
            replay(self._spool.folder)
        except Exception as error:  # any failure of tracking: the work goes on, the spool keeps the rest
            if self._is_reachable:
                log.warning("MLflow cannot be reached, metrics are kept in %s: %s", self._spool.folder, _line(error))
            self._is_reachable = False
            return False
        if not self._is_reachable:
            log.info("MLflow can be reached again; the metrics that were kept are sent")
        self._is_reachable = True
        return True

    def start(self) -> None:
        """Create the run, if the server answers, and send in the background from now on."""
        self.flush()
        self._thread.start()

    def close(self, status: str) -> None:
        """End the run, in MLflow's words FINISHED, FAILED or KILLED, and send the rest; waits a bounded time."""
        self._put({"kind": "status", "status": status, "time": _now()})
        self._closing.set()
        self._thread.join(CLOSE_TIMEOUT_S)
        num_unsent = self._spool.num_unsent
        if num_unsent:
            log.warning(
                "%d records of this run are not in MLflow; they are kept in %s and sent by the next run of the stage",
                num_unsent,
                self._spool.folder,
            )

    def _put(self, record: Mapping[str, Any]) -> None:
        try:
            self._spool.append(record)
        except OSError as error:
            log.warning("a record of %s cannot be kept for MLflow and is lost: %s", record["kind"], error)

    def _flush_until_closed(self) -> None:
        wait = FLUSH_INTERVAL_S
        while not self._closing.wait(wait):
            wait = FLUSH_INTERVAL_S if self.flush() else min(2 * wait, MAX_BACKOFF_S)
        self.flush()


@contextmanager
def stage_run(
    *,
    name: str,
    experiment: str,
    tracking_uri: str,
    params: Mapping[str, Any],
    tags: Mapping[str, Any],
    state_dir: Path,
) -> Iterator[Tracker]:
    """Open the stage's MLflow run for the length of a block.

    A run that was interrupted is gone on with, if its parameters are the same; its id is in `state_dir/mlflow_run_id`.
    With a server that does not answer, the stage runs all the same and the spool in `state_dir` is sent later.
    """
    flat = flatten(params)
    header: dict[str, Any] = {
        "experiment": experiment,
        "name": name,
        "tracking_uri": tracking_uri,
        "tags": {key: str(value) for key, value in tags.items()},
        "fingerprint": hashlib.sha256(
            json.dumps([experiment, name, tracking_uri, flat], sort_keys=True).encode()
        ).hexdigest(),
        "time": _now(),
    }
    spool, is_resumed = open_spool(state_dir, header)
    tracker = Tracker(spool)
    if is_resumed:
        spool.append({"kind": "status", "status": "RUNNING", "time": _now()})
        tracker.set_tags(tags)
    else:
        tracker.log_params(params)
    tracker.start()
    started = (spool.header or header)["time"] / 1000
    sampler = SystemSampler(tracker.log_metrics, started=started)
    sampler.start()
    status = "FAILED"
    try:
        yield tracker
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        sampler.stop()
        tracker.close(status)


def flatten(params: Any, prefix: str = "") -> dict[str, str]:
    """Return nested settings as dotted names and texts; dataclasses, mappings and lists are gone into."""
    if dataclasses.is_dataclass(params) and not isinstance(params, type):
        params = {field.name: getattr(params, field.name) for field in dataclasses.fields(params)}
    if isinstance(params, Mapping):
        pairs = [(str(key), value) for key, value in params.items()]
    elif isinstance(params, Sequence) and not isinstance(params, str | bytes):
        if not any(isinstance(value, Mapping | Sequence) and not isinstance(value, str) for value in params):
            return {prefix: ", ".join(str(value) for value in params)}
        pairs = [(str(index), value) for index, value in enumerate(params)]
    else:
        return {prefix: str(params)}
    flat: dict[str, str] = {}
    for key, value in pairs:
        flat |= flatten(value, f"{prefix}.{key}" if prefix else key)
    return flat


def _now() -> int:
    return int(time.time() * 1000)


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
