import json
from dataclasses import replace
from pathlib import Path

from ltm3d.transforms.mapping import ShardJob
from pipelines.encode_conditions import add_captions

VIEWS = Path("data/views")
JOBS = [ShardJob(name=name, uids=(f"{name}-a", f"{name}-b"), inputs=(VIEWS / name,), key=name) for name in ("s0", "s1")]
CAPTIONS = {uid: f"a caption of {uid}" for job in JOBS for uid in job.uids}


def test_a_new_caption_is_new_work_for_its_shard_alone(tmp_path: Path) -> None:
    before = add_captions(JOBS, CAPTIONS, tmp_path / "captions")
    assert before == add_captions(JOBS, {**CAPTIONS, "elsewhere": "of no job"}, tmp_path / "captions")
    after = add_captions(JOBS, {**CAPTIONS, "s1-b": "a better one"}, tmp_path / "captions")
    assert before[0].key == after[0].key and before[1].key != after[1].key
    assert {job.key for job in before}.isdisjoint(job.key for job in JOBS)


def test_a_job_finds_the_captions_of_its_own_assets_beside_its_views(tmp_path: Path) -> None:
    stale = add_captions([*JOBS, replace(JOBS[0], name="s2")], CAPTIONS, tmp_path / "captions")[2].inputs[1]
    for job in add_captions(JOBS, CAPTIONS, tmp_path / "captions"):
        views, captions = job.inputs
        assert views == VIEWS / job.name
        assert json.loads(captions.read_text()) == {uid: CAPTIONS[uid] for uid in job.uids}
    assert not stale.exists()
