import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ltm3d.tracking.client import open_client
from ltm3d.tracking.replay import sync
from ltm3d.tracking.run import Tracker, flatten, stage_run
from ltm3d.tracking.spool import Spool

DEAD_SERVER = "http://127.0.0.1:9"


def open_run(
    tracking_uri: str, folder: Path, params: Mapping[str, Any] | None = None
) -> AbstractContextManager[Tracker]:
    return stage_run(
        name="train@sdf",
        experiment="test",
        tracking_uri=tracking_uri,
        params=params or {"seed": 1, "model": {"width": 8}},
        tags={"stage": "train"},
        state_dir=folder / "state",
    )


def history(client: Any, run_id: str, name: str) -> list[tuple[int, float]]:
    return [(metric.step, metric.value) for metric in client.get_metric_history(run_id, name)]


def test_a_run_holds_params_metrics_files_and_the_machine(tmp_path: Path, tracking_uri: str) -> None:
    page = tmp_path / "view.html"
    page.write_text("<p>")
    gallery = tmp_path / "gallery"
    gallery.mkdir()
    (gallery / "index.html").write_text("<p>")
    with open_run(tracking_uri, tmp_path) as tracker:
        assert tracker.run_id is not None
        for step in (1, 2):
            tracker.log_metrics({"loss": 1 / step, "f@0.05": step}, step=step)
        tracker.log_artifact(page, "shapes")
        tracker.log_artifact(gallery)
        page.unlink()
    client = open_client(tracking_uri)
    run = client.get_run(tracker.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"seed": "1", "model.width": "8"}
    assert run.data.tags["stage"] == "train"
    assert history(client, tracker.run_id, "loss") == [(1, 1.0), (2, 0.5)]
    assert run.data.metrics["f_0.05"] == 2
    assert run.data.metrics["system/system_memory_usage_percentage"] > 0
    assert [item.path for item in client.list_artifacts(tracker.run_id, "shapes")] == ["shapes/view.html"]
    assert [item.path for item in client.list_artifacts(tracker.run_id, "gallery")] == ["gallery/index.html"]
    assert (tmp_path / "mlruns").is_dir(), "files lie beside the database"


def test_an_interrupted_run_is_reopened_and_a_finished_one_is_not(tmp_path: Path, tracking_uri: str) -> None:
    ids = []
    with pytest.raises(RuntimeError), open_run(tracking_uri, tmp_path) as tracker:
        ids.append(str(tracker.run_id))
        tracker.log_metrics({"loss": 3.0}, step=1)
        raise RuntimeError("the stage breaks")
    client = open_client(tracking_uri)
    assert client.get_run(ids[0]).info.status == "FAILED"
    with open_run(tracking_uri, tmp_path) as tracker:
        assert tracker.run_id == ids[0]
        assert client.get_run(ids[0]).info.status == "RUNNING"
        tracker.log_metrics({"loss": 2.0}, step=2)
    assert history(client, ids[0], "loss") == [(1, 3.0), (2, 2.0)]
    with pytest.raises(RuntimeError), open_run(tracking_uri, tmp_path) as tracker:
        ids.append(str(tracker.run_id))
        raise RuntimeError
    with open_run(tracking_uri, tmp_path, {"seed": 2}) as tracker:  # other parameters are another run
        ids.append(str(tracker.run_id))
    assert len(set(ids)) == 3
    assert [client.get_run(run_id).info.status for run_id in ids] == ["FINISHED", "FAILED", "FINISHED"]


@pytest.mark.slow
def test_a_killed_process_goes_on_in_the_same_run(tmp_path: Path, tracking_uri: str) -> None:
    program = (
        "import sys, time; sys.path[:0] = sys.argv[1:2]\n"
        "from pathlib import Path; from ltm3d.tracking.run import stage_run\n"
        "with stage_run(name='train@sdf', experiment='test', tracking_uri=sys.argv[2],"
        " params={'seed': 1, 'model': {'width': 8}}, tags={}, state_dir=Path(sys.argv[3])) as tracker:\n"
        "    tracker.log_metrics({'loss': 3.0}, step=1); print(tracker.run_id, flush=True); time.sleep(60)\n"
    )
    root = str(Path(__file__).parents[2])
    arguments = [sys.executable, "-c", program, root, tracking_uri, str(tmp_path / "state")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        run_id = process.stdout.readline().strip()
        os.kill(process.pid, signal.SIGKILL)
    with open_run(tracking_uri, tmp_path) as tracker:
        assert tracker.run_id == run_id
        tracker.log_metrics({"loss": 2.0}, step=2)
    assert history(open_client(tracking_uri), run_id, "loss") == [(1, 3.0), (2, 2.0)]


def test_a_dead_server_neither_stops_nor_delays_and_nothing_is_lost(
    tmp_path: Path, tracking_uri: str, caplog: pytest.LogCaptureFixture
) -> None:
    start = time.monotonic()
    with caplog.at_level(logging.WARNING, "ltm3d"), open_run(DEAD_SERVER, tmp_path) as tracker:
        tracker.log_metrics({"loss": 1.0}, step=1)
        tracker.log_metrics({"loss": "none"})  # type: ignore[dict-item]
        tracker.log_artifact(tmp_path / "not there")
        assert tracker.run_id is None
    assert time.monotonic() - start < 30
    assert "cannot be reached" in caplog.text and "not in MLflow" in caplog.text
    sent = sync(tmp_path, tracking_uri=tracking_uri)
    assert list(sent) == [tmp_path / "state"]
    run_id = Spool(tmp_path / "state").run_id
    assert run_id is not None
    client = open_client(tracking_uri)
    assert history(client, run_id, "loss") == [(1, 1.0)]
    assert client.get_run(run_id).info.status == "FINISHED"
    assert sync(tmp_path, tracking_uri=tracking_uri) == {}


@pytest.mark.slow
def test_a_server_that_accepts_and_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        with open_run(f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path) as tracker:
            tracker.log_metrics({"loss": 1.0}, step=1)
        assert time.monotonic() - start < 40
    assert Spool(tmp_path / "state").num_unsent > 0


def test_unsent_runs_go_with_the_next_one(tmp_path: Path, tracking_uri: str) -> None:
    with open_run(DEAD_SERVER, tmp_path) as tracker:
        tracker.log_metrics({"loss": 1.0}, step=1)
    spool = Spool(tmp_path / "state")
    text = (spool.folder / "spool.jsonl").read_text()
    (spool.folder / "spool.jsonl").write_text(text.replace(DEAD_SERVER, tracking_uri))  # the server is back
    with open_run(tracking_uri, tmp_path) as tracker:
        tracker.log_metrics({"loss": 2.0}, step=1)
    client = open_client(tracking_uri)
    experiment = client.get_experiment_by_name("test").experiment_id
    assert sorted(run.data.metrics["loss"] for run in client.search_runs([experiment])) == [1.0, 2.0]
    assert sync(tmp_path) == {}


@dataclass(frozen=True)
class Nested:
    width: int = 8
    betas: tuple[float, float] = (0.9, 0.95)


def test_settings_become_dotted_names() -> None:
    flat = flatten({"model": Nested(), "sources": [{"kind": "folder", "limit": None}], "on": True})
    assert flat == {
        "model.width": "8",
        "model.betas": "0.9, 0.95",
        "sources.0.kind": "folder",
        "sources.0.limit": "None",
        "on": "True",
    }
