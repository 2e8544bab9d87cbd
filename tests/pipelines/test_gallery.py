"""A page as a stage writes and logs it, looked at where people look: in MLflow's artifact view, in a real browser."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import browser
import pytest
from gallery_items import make_items, make_process

from ltm3d.freshness.stage_code import CodeReader
from ltm3d.resources import Resources
from ltm3d.serving.gallery import GalleryWords
from ltm3d.serving.pages import read_page_data
from ltm3d.shards.index import IndexEntry
from ltm3d.tracking.client import open_client
from ltm3d.tracking.run import stage_run
from pipelines._gallery import choose, read_curve, write_page
from pipelines._params import load_params
from pipelines._stage import Stage

START_S = 120
ROWS = [
    {"prompt": "image", "method": "generated", "num_assets": 3, "chamfer_l1": 0.2, "chamfer_l1_low": 0.1,
     "chamfer_l1_high": 0.3, "f_score@0.02": 0.1},
]  # fmt: skip


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Run `mlflow server` on sqlite and a folder, on a port of its own, and yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    places = ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--artifacts-destination", str(folder / "files")]
    address = f"http://127.0.0.1:{port}"
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*command, *places], stdout=log, stderr=log, start_new_session=True, cwd=folder,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
        )  # fmt: skip
    try:
        for _ in range(START_S * 5):
            try:
                with urllib.request.urlopen(f"{address}/health", timeout=5):
                    break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None, (folder / "server.log").read_text()[-2000:]
                time.sleep(0.2)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=20)


@contextmanager
def opened_stage(root: Path, tracking_uri: str) -> Iterator[Stage]:
    params = load_params()
    (root / "state").mkdir()
    with ExitStack() as exits:
        tracker = exits.enter_context(
            stage_run(
                name="evaluate_generator@sdf", experiment="ltm3d", tracking_uri=tracking_uri, params={}, tags={},
                state_dir=root / "state",
            )
        )  # fmt: skip
        state = root / "state"
        folder = root / "data"
        yield Stage(
            "evaluate_generator",
            "sdf",
            params,
            Resources(),
            state,
            tracker,
            exits,
            folder,
            reader=CodeReader(),
            state={},
        )


def write(stage: Stage) -> Path:
    plots = stage.data / "plots"
    plots.mkdir(parents=True)
    (plots / "train_generator_sdf.json").write_text(json.dumps([{"step": 1, "loss": 2.0}, {"step": 9, "loss": 1.0}]))
    stale = stage.data / "gallery" / "sdf" / "stale.txt"
    stale.parent.mkdir(parents=True)
    stale.write_text("")
    page = write_page(
        stage,
        "sdf",
        make_items(),
        words=GalleryWords(title="LTM3D · sdf"),
        rows=ROWS,
        trained={"tokenizer": "train_tokenizer_sdf", "generator": "train_generator_sdf"},
        processes=[make_process()],
    )
    assert not stale.exists()
    return page


@pytest.mark.slow
@pytest.mark.skipif(browser.PROGRAM is None, reason="no Chromium here: apt-get install chromium")
def test_the_logged_page_turns_in_mlflows_artifact_view(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    with mlflow_server(tmp_path) as address:
        with opened_stage(tmp_path, address) as stage:
            page_path = write(stage)
        data = read_page_data(page_path.parent)
        assert list(data["summary"][0]) == ["prompt", "method", "chamfer_l1", "chamfer_l1_low", "chamfer_l1_high"]
        assert [(curve["name"], len(curve["rows"])) for curve in data["curves"]] == [("tokenizer", 0), ("generator", 2)]
        run = open_client(address).search_runs([open_client(address).get_experiment_by_name("ltm3d").experiment_id])[0]
        place = f"experiments/{run.info.experiment_id}/runs/{run.info.run_id}/artifacts/gallery/gallery.html"
        with browser.open_browser(1700, 1200) as page:
            page.open(f"{address}/#/{place}")
            page.wait("document.querySelector('iframe[sandbox=allow-scripts]')", 60)
            with page.inside("blob:"):
                page.wait("document.querySelector('.jumps button')", 60)
                page.evaluate("document.querySelector('.jumps button').click()")  # shapes come first, this lies below
                page.wait("document.querySelector('.process .live canvas')?.dataset.frames > 2", 60)
                assert page.evaluate("document.querySelectorAll('.item').length") == 3
                page.evaluate("document.querySelector('.chips button[data-value=lamp]').click()")
                assert page.evaluate("document.querySelectorAll('.item:not([hidden])').length") == 1
                page.evaluate(
                    "{const s = document.querySelector('.process input'); s.value = 1;"
                    " s.dispatchEvent(new Event('input'))}"
                )
                assert "step 1 of 4" in page.evaluate("document.querySelector('.process output').textContent")
                assert page.console == []


def test_assets_are_chosen_category_by_category_in_turn() -> None:
    entries = [
        IndexEntry(
            uid=f"{category}{number}", shard="", split="test", category=category, caption="", source="", licence="",
            name="", num_faces=1, is_watertight=True, scale=1.0, offset=(0.0, 0.0, 0.0),
        )
        for category, count in (("lamp", 3), ("chair", 1), ("sofa", 2))
        for number in reversed(range(count))
    ]  # fmt: skip
    assert [entry.uid for entry in choose(entries, 5)] == ["chair0", "lamp0", "sofa0", "lamp1", "sofa1"]
    assert len(choose(entries, 100)) == 6


def test_a_curve_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert read_curve(tmp_path / "none.json") == []
