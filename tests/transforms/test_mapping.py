import functools
import importlib
import json
import logging
from pathlib import Path

import pytest
import shard_jobs
from shard_jobs import FIELDS, number

from ltm3d.errors import DataError
from ltm3d.shards.ledger import Ledger, read_ledger
from ltm3d.shards.manifest import shard_name
from ltm3d.shards.rates import read_rates
from ltm3d.shards.read import ShardSet, list_shards
from ltm3d.transforms.mapping import ShardJob, map_shards, map_shards_with_model, plan_jobs

UIDS = [f"n-{i}" for i in range(20)]


def jobs_of(uids=UIDS, num_shards=4, version=1) -> list[ShardJob]:
    by_shard: dict[str, list[str]] = {}
    for uid in uids:
        by_shard.setdefault(shard_name(uid, num_shards), []).append(uid)
    return plan_jobs(by_shard, inputs=(), key_parts=(version,))


def run(jobs, transform, output, *, num_workers=2, max_reject_fraction=0.1, max_tries=3):
    return map_shards(
        jobs,
        transform,
        fields=FIELDS,
        output=output,
        num_workers=num_workers,
        label="squares",
        max_reject_fraction=max_reject_fraction,
        max_tries=max_tries,
    )


def files_of(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_every_shard_is_one_ray_data_task_and_every_asset_has_a_line(small_ray, tmp_path, caplog):
    jobs = jobs_of()
    with caplog.at_level(logging.INFO):
        ledger = run(jobs, shard_jobs.squares, tmp_path / "out")
    assert ledger.num_tasks == len(jobs) == 4
    assert f"{len(jobs)} Ray Data tasks" in caplog.text
    assert "19 of 20 assets ok" in caplog.text
    assert len(ledger.ok) == 19
    assert ledger.rejects["n-13"].reason == "too_complex"
    assert read_ledger(tmp_path / "out") == read_ledger(tmp_path / "out")
    assert read_ledger(tmp_path / "out").counts() == {"ok": 19, "too_complex": 1}
    shards = ShardSet(tmp_path / "out", uids=["n-7", "n-19"])
    assert [int(shards.get("value", i)) for i in range(2)] == [49, 361]
    assert shards.record(1) == {"number": 19}


def test_bytes_do_not_depend_on_the_number_of_workers(small_ray, tmp_path):
    for num_workers in (1, 3):
        run(jobs_of(), shard_jobs.squares, tmp_path / str(num_workers), num_workers=num_workers)
    assert files_of(tmp_path / "1") == files_of(tmp_path / "3")


def test_a_second_run_does_nothing_and_a_new_asset_does_one_shard(small_ray, tmp_path):
    out, notes = tmp_path / "out", tmp_path / "notes"
    notes.mkdir()
    transform = functools.partial(shard_jobs.note_and_square, notes)
    run(jobs_of(), transform, out)
    before = files_of(out)
    assert run(jobs_of(), transform, out).num_tasks == 0
    assert len(list(notes.iterdir())) == 4
    assert files_of(out) == before
    assert run(jobs_of([*UIDS, "n-40"]), transform, out).num_tasks == 1
    assert len(list(notes.iterdir())) == 5
    assert "n-40" in {uid for shard in list_shards(out) for uid in shard.uids}
    assert run(jobs_of(version=2), transform, out).num_tasks == 4


def test_workers_note_what_shards_took_beside_the_stage_and_not_in_the_shard(small_ray, tmp_path):
    (tmp_path / "runs" / "squares").mkdir(parents=True)
    run(jobs_of(), shard_jobs.spin_and_square, tmp_path / "squares")
    run(jobs_of(), shard_jobs.squares, tmp_path / "elsewhere" / "data" / "squares")
    assert files_of(tmp_path / "squares") == files_of(tmp_path / "elsewhere" / "data" / "squares")
    rates = read_rates(tmp_path)["squares"]
    assert (rates.num_assets, rates.num_kept) == (20, 19)
    shards = [path for path in (tmp_path / "squares").rglob("*") if path.is_file() and path.name != "ledger.json"]
    assert rates.num_bytes == sum(path.stat().st_size for path in shards)
    assert rates.cpu_seconds > 4 * shard_jobs.SPIN_S - 0.2  # in a child that lives on; the clock ticks at 0.01 s
    run(jobs_of([*UIDS, "n-40"]), shard_jobs.squares, tmp_path / "squares")
    assert read_rates(tmp_path)["squares"].num_assets == 21


def test_the_simulation_of_scale_runs_and_counts_every_asset(small_ray, tmp_path):
    scale = importlib.import_module("benchmarks.preprocess.scale")
    first, ledgers = scale.simulate(tmp_path, num_assets=300, num_shards=6, num_workers=2)
    assert [ledger.num_tasks for ledger in ledgers] == [6, 6]
    assert set(read_rates(tmp_path)) == {"clean_meshes", "build_targets@stub"}
    before = files_of(tmp_path)
    resumed, ledgers = scale.simulate(tmp_path, num_assets=300, num_shards=6, num_workers=2)
    assert [ledger.num_tasks for ledger in ledgers] == [0, 0]
    assert files_of(tmp_path) == before
    assert first.rows.keys() == resumed.rows.keys()


def test_stale_shards_go_and_nothing_else(small_ray, tmp_path):
    out = tmp_path / "out"
    run(jobs_of(num_shards=8), shard_jobs.squares, out)
    (out / "shard-notes").mkdir()
    (out / "mine.txt").write_text("kept")
    (out / ".shard-00001.abc").mkdir()
    jobs = jobs_of(num_shards=2)
    run(jobs, shard_jobs.squares, out)
    assert {path.name for path in out.iterdir()} == {job.name for job in jobs} | {
        "shard-notes",
        "mine.txt",
        "ledger.json",
    }


def test_too_many_rejects_fail_after_everything_is_written(small_ray, tmp_path):
    with pytest.raises(DataError, match=r"rejected 1 of 20 assets.*max_reject_fraction = 0.01"):
        run(jobs_of(), shard_jobs.squares, tmp_path, max_reject_fraction=0.01)
    assert len(list_shards(tmp_path)) == 4
    assert read_ledger(tmp_path).rejects["n-13"].detail == "13"


def test_a_worker_killed_once_is_started_anew(small_ray, tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    victim = jobs_of()[1].name
    run(jobs_of(), functools.partial(shard_jobs.kill_worker, notes, victim, 1), tmp_path / "killed")
    assert len(list(notes.iterdir())) == 1
    run(jobs_of(), shard_jobs.squares, tmp_path / "calm")
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "calm")


def test_a_worker_killed_again_and_again_commits_nothing_and_a_rerun_does_the_rest(small_ray, tmp_path):
    notes, out = tmp_path / "notes", tmp_path / "out"
    notes.mkdir()
    victim = jobs_of()[0].name
    with pytest.raises(DataError, match="Ray worker died"):
        run(jobs_of(), functools.partial(shard_jobs.kill_worker, notes, victim, 99), out, num_workers=1)
    assert not (out / victim).exists()
    done = {shard.name for shard in list_shards(out)}
    ledger = run(jobs_of(), shard_jobs.squares, out)
    assert ledger.num_tasks == 4 - len(done)
    assert len(ledger) == 20


def test_an_error_of_the_stage_is_told_in_one_line_and_a_bug_with_its_trace(small_ray, tmp_path):
    with pytest.raises(DataError, match=r"squares, shard-\d+: the input is of another make"):
        run(jobs_of(), shard_jobs.raise_data_error, tmp_path)
    with pytest.raises(RuntimeError, match=r"(?s)raise_bug.*KeyError: 'a bug'"):
        run(jobs_of(), shard_jobs.raise_bug, tmp_path)
    assert list_shards(tmp_path) == []


def test_no_job_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no asset to work on"):
        run([], shard_jobs.squares, tmp_path)
    with pytest.raises(DataError, match="no asset to work on in data/raw"):
        plan_jobs({}, inputs=[Path("data/raw")], key_parts=())


def test_a_model_is_loaded_once_an_actor(small_ray, tmp_path):
    out, notes = tmp_path / "out", tmp_path / "notes"
    notes.mkdir()
    jobs = jobs_of(num_shards=8)
    ledger = map_shards_with_model(
        jobs,
        shard_jobs.Adder,
        (notes, 100),
        fields=FIELDS,
        output=out,
        num_workers=2,
        label="add",
        max_reject_fraction=0,
    )
    assert len(ledger.ok) == 20
    assert ledger.num_tasks == len(jobs) == 8
    assert len(list(notes.iterdir())) == 2
    shards = ShardSet(out)
    assert all(int(shards.get("value", i)) == number(uid) + 100 for i, uid in enumerate(shards.uids))


def test_a_model_that_cannot_be_loaded_is_told_in_one_line(small_ray, tmp_path):
    with pytest.raises(DataError, match="the model folder is empty"):
        map_shards_with_model(
            jobs_of(),
            shard_jobs.Unloadable,
            (),
            fields=FIELDS,
            output=tmp_path,
            num_workers=1,
            label="add",
            max_reject_fraction=0,
        )


def run_lossy(output: Path, reason: str, lost: list[str], notes: Path, **settings) -> Ledger:
    """Run with some assets lost for a reason; what is worked on is noted."""
    notes.mkdir(exist_ok=True)
    transform = functools.partial(shard_jobs.lose_and_square, notes, reason, lost)
    return run(jobs_of(), transform, output, max_reject_fraction=1, **settings)


def worked_on(notes: Path) -> list[str]:
    found = sorted(path.name for path in notes.iterdir())
    for path in notes.iterdir():
        path.unlink()
    return found


@pytest.mark.parametrize("reason", ["failed", "fetch_error", "timeout", "out_of_memory", "crash:SIGKILL"])
def test_assets_that_another_run_may_mend_are_tried_again_and_their_neighbours_stay(small_ray, tmp_path, reason):
    """Then the shards are those of a run in which nothing was lost, to the byte, with any number of workers."""
    notes = tmp_path / "notes"
    run(jobs_of(), shard_jobs.squares, tmp_path / "calm")
    run_lossy(tmp_path / "out", reason, ["n-1", "n-4", "n-7"], notes)
    assert len(worked_on(notes)) == 20
    ledger = run_lossy(tmp_path / "out", reason, ["n-7"], notes, num_workers=1)
    assert worked_on(notes) == ["n-1", "n-4", "n-7"]
    assert ledger.counts() == {"ok": 18, reason: 1, "too_complex": 1}
    run_lossy(tmp_path / "out", reason, [], notes)
    assert worked_on(notes) == ["n-7"]
    assert files_of(tmp_path / "out") == files_of(tmp_path / "calm")
    assert run_lossy(tmp_path / "out", reason, [], notes).num_tasks == 0


def test_what_is_lost_again_and_again_is_settled_and_changes_nothing_for_later_stages(small_ray, tmp_path):
    notes, out = tmp_path / "notes", tmp_path / "out"
    digests = set()
    for tries in (1, 2, 3):
        ledger = run_lossy(out, "timeout" if tries < 3 else "crash:SIGSEGV", ["n-1"], notes)
        assert len(worked_on(notes)) == (20 if tries == 1 else 1)
        assert ledger.tries == {"n-1": tries} == read_ledger(out).tries
        digests.add(tuple(shard.digest for shard in list_shards(out)))
    assert len(digests) == 1, "shard.json says what it said"
    assert ledger.rejects["n-1"].reason == "timeout"
    assert run_lossy(out, "timeout", ["n-1"], notes).num_tasks == 0 and worked_on(notes) == []
    assert run_lossy(out, "timeout", ["n-1"], notes, max_tries=4).tries == {"n-1": 4}, "the setting is in no key"
    assert json.loads((out / "ledger.json").read_text())["assets"]["n-1"]["tries"] == 4


def test_a_fault_of_ours_is_tried_at_each_run(small_ray, tmp_path):
    for time in range(5):
        run_lossy(tmp_path / "out", "failed", ["n-1"], tmp_path / "notes")
        assert len(worked_on(tmp_path / "notes")) == (1 if time else 20)


def test_the_rates_stay_those_of_whole_shards(small_ray, tmp_path):
    (tmp_path / "runs" / "squares").mkdir(parents=True)
    for _ in range(2):
        run_lossy(tmp_path / "squares", "failed", ["n-1"], tmp_path / "notes")
        assert read_rates(tmp_path)["squares"].num_assets == 20


def test_a_model_makes_a_shard_over_as_a_whole(small_ray, tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    for lost in (["n-1"], []):
        ledger = map_shards_with_model(
            jobs_of(),
            shard_jobs.Loser,
            (notes, lost),
            fields=FIELDS,
            output=tmp_path / "out",
            num_workers=1,
            label="lose",
            max_reject_fraction=1,
        )
        shard = next(job for job in jobs_of() if "n-1" in job.uids)
        assert worked_on(notes) == (sorted(UIDS) if lost else sorted(shard.uids))
    assert ledger.counts() == {"ok": 19, "too_complex": 1}
