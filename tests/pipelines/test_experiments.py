"""A stage within `dvc exp run --temp`, `--queue` and a git worktree: what it logs stays when the folder goes."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from toy_params import PARAMS

STAGE = """
from pipelines import _stage

def main():
    with _stage.stage("NAME", minutes="1 minute", disk="1 MB") as stage:
        stage.tracker.log_metrics({"metric": stage.seed})
        out = stage.data / "NAME.txt"
        out.write_text(str(stage.seed))

_stage.run(main)
"""
STAGES = {
    name: {"cmd": f"{sys.executable} {name}.py", "deps": [f"{name}.py", *deps], "params": ["seed"], "outs": [out]}
    for name, deps, out in (("toy", [], "data/toy.txt"), ("play", ["data/toy.txt"], "data/play.txt"))
}


def run(folder: Path, repository: Path, *command: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # a queued experiment calls `dvc`
    environment = {**os.environ, "PYTHONPATH": str(repository), "PATH": path}
    for who in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{who}_NAME": "t", f"GIT_{who}_EMAIL": "t@t"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def metrics(checkout: Path) -> list[float]:
    """The seeds of the runs that a checkout's database holds; each of the two stages has one a repro."""
    query = "select value from metrics where key = 'metric' order by value"
    values = [value for (value,) in ask(checkout, query)]
    assert values[::2] == values[1::2]
    return values[::2]


def ask(checkout: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(f"file:{checkout / 'mlflow.db'}?mode=ro", uri=True) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_an_experiment_logs_is_in_the_main_checkouts_database(tmp_path: Path, repository: Path) -> None:
    checkout = tmp_path / "main"
    checkout.mkdir()
    (checkout / "params.yaml").write_text(PARAMS)
    for name in STAGES:
        (checkout / f"{name}.py").write_text(STAGE.replace("NAME", name))
    (checkout / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
    (checkout / ".gitignore").write_text("/mlflow.db*\n/mlruns/\n/data/\n")
    dvc = [sys.executable, "-m", "dvc"]
    for command in (["git", "init", "-q"], [*dvc, "init", "-q"], ["git", "add", "-A"], ["git", "commit", "-qm", "one"]):
        run(checkout, repository, *command)

    run(checkout, repository, *dvc, "exp", "run", "--temp", "--set-param", "seed=11")
    assert metrics(checkout) == [11]
    run(checkout, repository, *dvc, "exp", "run", "--queue", "--set-param", "seed=12")
    run(checkout, repository, *dvc, "exp", "queue-worker", "here")  # what `dvc queue start` starts as a daemon
    assert metrics(checkout) == [11, 12]
    run(checkout, repository, "git", "worktree", "add", "-q", str(tmp_path / "tree"))
    run(tmp_path / "tree", repository, *dvc, "repro")
    assert metrics(checkout) == [5, 11, 12]
    run(tmp_path / "tree", repository, *dvc, "exp", "run", "--temp", "--set-param", "seed=13")
    assert metrics(checkout) == [5, 11, 12, 13]
    assert [path.parent for path in tmp_path.rglob("mlflow.db")] == [checkout], "and nowhere else"
    seeds = "select distinct tags.value, params.value from tags join params using (run_uuid) where tags.key = 'repro'"
    together = ask(checkout, f"{seeds} and params.key = 'seed'")
    assert len(together) == 4 == len({name for name, _ in together}), "the two runs of a repro share a tag, no others"
    assert {name for (name,) in ask(checkout, "select name from datasets")} == {"data/toy.txt"}
