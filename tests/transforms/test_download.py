import dataclasses
import json
import os

import pytest
from mesh_files import record

from ltm3d.errors import AssetError, ConfigError
from ltm3d.shards.archive import read_archive
from ltm3d.shards.manifest import shard_name
from ltm3d.sources.folder import FolderSource
from ltm3d.transforms.download import DownloadConfig, content_hash, download_shard, plan_download
from ltm3d.transforms.source_files import look_again, read_fetched


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shelf:
    """A source of uids; `lost` ones cannot be fetched."""

    uids: tuple[str, ...]
    lost: tuple[str, ...] = ()
    root: str = "shelf"
    limit: int | None = None
    name: str = "shelf"
    weight: float = 1.0

    def list_objects(self):
        return [record(uid) for uid in self.uids]

    def inputs(self):
        return []

    def places(self, record, files):
        return []

    def fetch(self, asked):
        if asked.uid in self.lost:
            raise AssetError("fetch_error", "lost")
        return {"model.glb": f"{self.root}:{asked.uid}".encode()}


def objects(*sources):
    return [(source, entry) for source in sources for entry in source.list_objects()]


def plan(folder, *sources, num_shards=4):
    return plan_download(objects(*sources), config=DownloadConfig(num_shards=num_shards), folder=folder, raw=folder)


def test_assets_and_their_files_come_from_their_own_source(tmp_path):
    shelf, chest = Shelf(uids=("a", "b", "c"), lost=("b",)), Shelf(uids=("d",), root="chest")
    jobs, sources = plan(tmp_path, shelf, chest, num_shards=1)
    assert [job.uids for job in jobs] == [("a", "b", "c", "d")]
    result = download_shard(jobs[0], sources=sources)
    contents = [read_archive(array.tobytes())["model.glb"] for array in result.arrays["archive"]]
    assert contents == [b"shelf:a", b"shelf:c", b"chest:d"]
    assert [(reject.uid, reject.reason) for reject in result.rejects] == [("b", "fetch_error")]
    assert result.records[0] == dataclasses.asdict(record("a")) | {"content_hash": content_hash({"x": b"shelf:a"})}


def test_a_new_asset_changes_one_job_and_another_limit_none(tmp_path):
    uids = tuple(f"u{i}" for i in range(30))
    before = {job.name: job.key for job in plan(tmp_path, Shelf(uids=uids))[0]}
    after = {job.name: job.key for job in plan(tmp_path, Shelf(uids=(*uids, "new"), limit=31))[0]}
    assert {name for name in after if after[name] != before.get(name)} == {shard_name("new", 4)}
    moved = {job.name: job.key for job in plan(tmp_path, Shelf(uids=uids, root="elsewhere"))[0]}
    assert all(moved[name] != before[name] for name in before)


def test_the_plan_does_not_depend_on_the_order_of_objects(tmp_path):
    shelf = Shelf(uids=("c", "a", "b"))
    one, _ = plan_download(objects(shelf), config=DownloadConfig(num_shards=2), folder=tmp_path, raw=tmp_path)
    two, _ = plan_download(objects(shelf)[::-1], config=DownloadConfig(num_shards=2), folder=tmp_path, raw=tmp_path)
    assert one == two
    listed = [row["record"]["uid"] for job in one for row in json.loads(job.inputs[0].read_text())]
    assert sorted(listed) == ["a", "b", "c"]


def test_content_hash_sees_bytes_and_not_names():
    assert content_hash({"a": b"1", "b": b"2"}) == content_hash({"x/y": b"2", "z": b"1"})
    assert content_hash({"a": b"12"}) != content_hash({"a": b"1", "b": b"2"})


@pytest.mark.parametrize("settings", [{"num_shards": 0}, {"max_reject_fraction": 1.5}])
def test_settings_out_of_range(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        DownloadConfig(**settings)


def test_rows_that_cannot_be_used_are_rejects_and_are_not_asked_for_again(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "good.obj").write_text("v 0 0 0\n")
    os.mkfifo(root / "pipe.obj")
    with open(os.fsencode(root) + b"/caf\xe9.obj", "wb") as file:
        file.write(b"x")
    (root / "out").symlink_to("/proc")
    (root / "zero.ply").symlink_to("/dev/zero")
    source = FolderSource(root=root)
    (job,), sources = plan(tmp_path / "plan", source, num_shards=1)
    result = download_shard(job, sources=sources)
    assert list(result.uids) == ["good"] and len(job.uids) == 5
    reasons = sorted((reject.reason, reject.detail.split(" is ")[-1][:10]) for reject in result.rejects)
    assert [reason for reason, _ in reasons] == ["bad_row", "bad_row", "bad_row", "unsafe_reference"]
    known = read_fetched(job.inputs[0].with_suffix(".files.json"))
    assert set(known) == set(job.uids) and all(look_again(fetched) for fetched in known.values())
