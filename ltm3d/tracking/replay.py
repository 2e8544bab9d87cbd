"""Send a spool to MLflow. Doing it twice, or going on after a crash, gives the same run as doing it once."""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ltm3d.errors import DataError
from ltm3d.tracking.client import experiment_id, open_client
from ltm3d.tracking.spool import UNSENT, Spool, find_unsent, remove

log = logging.getLogger(__name__)

MAX_METRICS = 1000  # MLflow's limits of one call
MAX_PARAMS = 100
SPOOL_TAG = "ltm3d.spool"
REJECTED = ("INVALID_PARAMETER_VALUE", "BAD_REQUEST", "MALFORMED_REQUEST")


def replay(folder: Path, *, tracking_uri: str | None = None) -> int:
    """Send what a spool still holds and return the count of records sent.

    Metrics keep the time they were measured at, so the server knows what it already has; the run is found by the
    spool's own id before a new one is made.

    Args:
        folder: a stage's state folder, or one that lies under its `unsent/`.
        tracking_uri: where to send to; what the spool says if None.

    Raises:
        Exception: whatever MLflow raises while the server cannot be reached; the spool keeps what was not sent.
    """
    spool = Spool(folder)
    with spool.locked():
        header = spool.header
        if header is None:
            raise DataError(f"{folder} holds no spool; name a stage's folder under data/runs")
        if not spool.num_unsent:
            return 0
        uri = tracking_uri or header["tracking_uri"]
        client = open_client(uri)
        run_id = _find_or_create_run(client, spool, header, uri)
        num_sent = 0
        for group, offset in _groups(spool.records(spool.offset)):
            _send(client, run_id, spool, group)
            spool.offset = offset
            num_sent += len(group)
    return num_sent


def sync(root: Path, *, tracking_uri: str | None = None) -> dict[Path, int]:
    """Replay every spool under a folder that is not fully sent, and return folder → records sent.

    What was put away under `unsent/` is removed once it is sent.
    """
    sent = {}
    for spool in find_unsent(root):
        sent[spool.folder] = replay(spool.folder, tracking_uri=tracking_uri)
        if spool.folder.parent.name == UNSENT:
            remove(spool)
            spool.folder.rmdir()
    return sent


def _find_or_create_run(client: Any, spool: Spool, header: Mapping[str, Any], uri: str) -> str:
    from mlflow.exceptions import MlflowException

    if spool.run_id is not None:
        try:
            if client.get_run(spool.run_id).info.lifecycle_stage == "active":
                return spool.run_id
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
        log.warning("MLflow has lost run %s of %s; a new run is made and all is sent again", spool.run_id, spool.folder)
        spool.offset = 0
    experiment = experiment_id(client, uri, header["experiment"])
    found = client.search_runs([experiment], f"tags.`{SPOOL_TAG}` = '{header['spool_id']}'", max_results=1)
    if found:
        run = found[0]
    else:
        tags = {**header["tags"], SPOOL_TAG: header["spool_id"]}
        run = client.create_run(experiment, start_time=header["time"], run_name=header["name"], tags=tags)
    spool.run_id = run.info.run_id
    return str(run.info.run_id)


def _groups(records: Iterable[tuple[dict[str, Any], int]]) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Put neighbouring records of metrics together, as many as one call may carry."""
    group: list[dict[str, Any]] = []
    end = num_values = 0
    for record, offset in records:
        size = len(record.get("values", ()))
        joins = bool(group) and record["kind"] == group[0]["kind"] == "metrics" and num_values + size <= MAX_METRICS
        if group and not joins:
            yield group, end
            group, num_values = [], 0
        group.append(record)
        end, num_values = offset, num_values + size
    if group:
        yield group, end


def _send(client: Any, run_id: str, spool: Spool, group: list[dict[str, Any]]) -> None:
    from mlflow.exceptions import MlflowException

    first = group[0]
    try:
        match first["kind"]:
            case "metrics":
                _send_metrics(client, run_id, group)
            case "params":
                _send_params(client, run_id, first["values"])
            case "tags":
                for name, value in first["values"].items():
                    client.set_tag(run_id, name, value)
            case "input":
                _send_input(client, run_id, first)
            case "artifact":
                _send_artifact(client, run_id, spool, first)
            case "status" if first["status"] == "RUNNING":
                client.update_run(run_id, status="RUNNING")
            case "status":
                client.set_terminated(run_id, first["status"], end_time=first["time"])
    except MlflowException as error:
        if error.error_code not in REJECTED:
            raise
        log.warning("MLflow does not take a record of %s, which is left out: %s", first["kind"], error.message)


def _send_metrics(client: Any, run_id: str, group: list[dict[str, Any]]) -> None:
    from mlflow.entities import Metric

    metrics = [
        Metric(name, value, record["time"], record["step"])
        for record in group
        for name, value in record["values"].items()
    ]
    for start in range(0, len(metrics), MAX_METRICS):
        client.log_batch(run_id, metrics=metrics[start : start + MAX_METRICS], synchronous=True)


def _send_params(client: Any, run_id: str, values: Mapping[str, str]) -> None:
    from mlflow.entities import Param

    known = client.get_run(run_id).data.params  # a parameter is written once in MLflow
    params = [Param(name, value) for name, value in values.items() if name not in known]
    for start in range(0, len(params), MAX_PARAMS):
        client.log_batch(run_id, params=params[start : start + MAX_PARAMS], synchronous=True)


def _send_input(client: Any, run_id: str, record: Mapping[str, Any]) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

    source = json.dumps({"uri": record["place"]})
    dataset = Dataset(name=record["name"], digest=record["digest"], source_type="local", source=source)
    client.log_inputs(run_id, [DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, record["context"])])])


def _send_artifact(client: Any, run_id: str, spool: Spool, record: Mapping[str, Any]) -> None:
    path = spool.folder / record["place"]
    if not path.exists():
        log.warning("%s is gone from the spool %s and is left out", path.name, spool.folder)
    elif path.is_dir():
        client.log_artifacts(run_id, str(path), "/".join(part for part in (record["folder"], path.name) if part))
    else:
        client.log_artifact(run_id, str(path), record["folder"] or None)
    spool.drop_file(record["place"])
