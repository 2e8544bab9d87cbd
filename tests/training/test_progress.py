import logging
import time
from pathlib import Path

import pytest

from ltm3d.training.checkpoints.files import METRICS_FILE
from ltm3d.training.progress import append_metrics, following, read_metrics, rewind_metrics


def row(loss: float) -> dict[str, float]:
    return {"train/loss": loss, "train/samples_per_second": 10.0}


def wait_until(seen: list[int], count: int) -> None:
    deadline = time.monotonic() + 20
    while len(seen) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(seen) >= count


def test_rewinding_drops_later_rows_and_a_row_cut_short(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) == []
    for step in (2, 4, 6):
        append_metrics(tmp_path, step, row(step))
    with (tmp_path / METRICS_FILE).open("a") as file:
        file.write('{"step": 8, "train/lo')
    rewind_metrics(tmp_path, 4)
    append_metrics(tmp_path, 6, row(60.0))
    assert [(each["step"], each["train/loss"]) for each in read_metrics(tmp_path)] == [(2, 2.0), (4, 4.0), (6, 60.0)]


def test_each_row_is_handed_out_once_even_if_training_goes_back(tmp_path: Path) -> None:
    seen: list[int] = []
    arguments = {"name": "run", "num_steps": 8, "batch_size": 2}
    with following(tmp_path, on_metrics=lambda step, _: seen.append(step), **arguments):
        for step in (2, 4):
            append_metrics(tmp_path, step, row(0.0))
        wait_until(seen, 2)
        rewind_metrics(tmp_path, 2)  # a worker died after step 4: the checkpoint was of step 2
        for step in (4, 6):
            append_metrics(tmp_path, step, row(0.0))
    assert seen == [2, 4, 6]
    with following(tmp_path, on_metrics=lambda step, _: seen.append(step), **arguments):  # the driver again
        append_metrics(tmp_path, 8, row(0.0))
    assert seen == [2, 4, 6, 8]


def test_an_error_in_the_callback_does_not_stop_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail(step: int, metrics: dict[str, float]) -> None:
        raise ConnectionError("no server")

    with caplog.at_level(logging.INFO), following(tmp_path, name="run", num_steps=4, batch_size=2, on_metrics=fail):
        append_metrics(tmp_path, 2, row(0.25))
        append_metrics(tmp_path, 4, row(0.125))
    assert caplog.text.count("could not be handed on") == 2
    assert "run: step 4/4, loss 0.1250, 10 samples/s" in caplog.text
