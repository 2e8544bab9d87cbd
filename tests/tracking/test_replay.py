from pathlib import Path

from ltm3d.tracking.client import open_client
from ltm3d.tracking.replay import replay
from ltm3d.tracking.spool import OFFSET, RUN_ID, Spool, open_spool


def filled_spool(folder: Path, tracking_uri: str) -> Spool:
    header = {
        "experiment": "test",
        "name": "stage",
        "tracking_uri": tracking_uri,
        "tags": {"a": "b"},
        "fingerprint": "",
        "time": 5,
    }
    spool, _ = open_spool(folder, header)
    spool.append({"kind": "params", "values": {"seed": "1"}})
    for step in range(600):
        spool.append(
            {"kind": "metrics", "step": step, "time": 1000 + step, "values": {"loss": 1 / (step + 1), "x": step}}
        )
    spool.append({"kind": "metrics", "step": 0, "time": 1, "values": {"not a number": float("nan")}})
    spool.append({"kind": "status", "status": "FINISHED", "time": 9000})
    return spool


def test_replaying_twice_or_after_a_crash_gives_one_run_without_doubles(tmp_path: Path, tracking_uri: str) -> None:
    spool = filled_spool(tmp_path / "state", tracking_uri)
    assert replay(spool.folder) == 604
    assert replay(spool.folder) == 0
    client = open_client(tracking_uri)
    run_id = spool.run_id
    # A crash between sending and noting it: the server has all, the spool knows of nothing.
    for name in (OFFSET, RUN_ID):
        (spool.folder / name).unlink()
    assert replay(spool.folder) == 604
    assert spool.run_id == run_id
    steps = [metric.step for metric in client.get_metric_history(run_id, "loss")]
    assert sorted(steps) == list(range(600))
    assert len(client.search_runs([client.get_run(run_id).info.experiment_id])) == 1
    assert client.get_run(run_id).info.end_time == 9000


def test_a_record_the_server_rejects_does_not_hold_up_the_others(tmp_path: Path, tracking_uri: str) -> None:
    spool = filled_spool(tmp_path / "state", tracking_uri)
    spool.append({"kind": "metrics", "step": 0, "time": 1, "values": {"no|such|name": 1.0}})
    spool.append({"kind": "tags", "values": {"after": "yes"}})
    replay(spool.folder)
    assert open_client(tracking_uri).get_run(spool.run_id).data.tags["after"] == "yes"
    assert spool.num_unsent == 0


def test_a_run_that_the_server_has_lost_is_made_anew(tmp_path: Path, tracking_uri: str) -> None:
    spool = filled_spool(tmp_path / "state", tracking_uri)
    replay(spool.folder)
    lost = str(spool.run_id)
    open_client(tracking_uri).delete_run(lost)
    spool.append({"kind": "tags", "values": {"after": "yes"}})
    replay(spool.folder)
    run = open_client(tracking_uri).get_run(spool.run_id)
    assert spool.run_id != lost
    assert run.data.params == {"seed": "1"} and run.data.tags["after"] == "yes"
