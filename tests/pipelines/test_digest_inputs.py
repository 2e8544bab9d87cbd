"""What is changed, and what `dvc repro` computes again: the table of docs/freshness.md, line by line, with real DVC.

The tests of one class share a checkout and stand in their order; each leaves it up to date.
"""

import os
from pathlib import Path

import pytest
import yaml
from pipeline_copy import TINY, PipelineCopy, copy_pipeline, started

from ltm3d.freshness.records import read_records
from ltm3d.mesh_io.writing import mesh_to_glb
from ltm3d.procedural.objects import build_mesh, draw_object
from ltm3d.shards.read import list_shards, read_shard

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

GENERATOR = "train_generator@sdf"
LOSS = "        return loss, {"
SIGN = "return np.where(inside, -distance, distance)"
DISTANCES = "ltm3d/geometry/signed_distance.py"


class TestTraining:
    """From procedural objects to a generator."""

    @pytest.fixture(scope="class")
    def copy(self, tmp_path_factory: pytest.TempPathFactory) -> PipelineCopy:
        copy = copy_pipeline(tmp_path_factory.mktemp("training"))
        copy.compose(*TINY)
        copy.commit("recipe")
        assert GENERATOR in started(copy.repro(GENERATOR))
        return copy

    @staticmethod
    def weights(copy: PipelineCopy) -> bytes:
        return (copy.data / "models" / "generator" / "sdf" / "model.safetensors").read_bytes()

    def test_nothing_changed_starts_nothing(self, copy: PipelineCopy) -> None:
        assert started(copy.repro(GENERATOR)) == []

    def test_comments_docstrings_and_log_texts_start_nothing(self, copy: PipelineCopy) -> None:
        copy.edit(DISTANCES, SIGN, f"# the sign\n        {SIGN}")
        copy.edit("ltm3d/generator/model.py", LOSS, f"        # the loss\n{LOSS}")
        copy.edit("ltm3d/transforms/assets.py", '"%s failed"', '"%s has failed"')
        text = (copy.folder / "ltm3d/tracking/client.py").read_text()
        (copy.folder / "ltm3d/tracking/client.py").write_text(text + "\nANOTHER = 1\n")
        assert started(copy.repro(GENERATOR)) == []

    def test_a_loss_times_100_trains_again(self, copy: PipelineCopy) -> None:
        before = self.weights(copy)
        copy.edit("ltm3d/generator/model.py", LOSS, "        return 100 * loss, {")
        assert "train_generator@sdf: ltm3d/generator/model.py" in copy.ltm3d("code", "status")
        log = copy.repro(GENERATOR)
        assert started(log) == [GENERATOR] and self.weights(copy) != before
        assert (
            "code of train_generator@sdf changed: ltm3d/generator/model.py; its 40 steps will be trained again" in log
        )

    def test_code_that_is_said_to_be_the_same_trains_nothing(self, copy: PipelineCopy) -> None:
        before = self.weights(copy)
        copy.edit("ltm3d/generator/model.py", "        return 100 * loss, {", "        return loss * 100, {")
        log = copy.ltm3d("code", "same", "train_generator", "--why", "a product")
        assert "train_generator@sdf" in log and "ltm3d/generator/model.py" in log
        (record,) = read_records(copy.folder / "code_same.yaml")
        assert (record.stage, record.changed, record.why) == (GENERATOR, "ltm3d/generator/model.py", "a product")
        assert started(copy.repro(GENERATOR)) == []
        log = copy.run("python", "-m", "pipelines.train_generator", "sdf")
        assert "finished before, 40 steps" in log and self.weights(copy) == before
        assert "nothing to record" in copy.ltm3d("code", "same", "train_generator", "--why", "again")

    def test_distances_plus_a_half_are_built_again_and_all_that_reads_them(self, copy: PipelineCopy) -> None:
        before, views = copy.files("targets/sdf"), copy.files("views")
        copy.edit(DISTANCES, SIGN, "return np.where(inside, -distance, distance) + 0.5")
        log = copy.repro(GENERATOR)
        assert f"code of build_targets@sdf changed: {DISTANCES}; 3 shards (70 assets, " in log
        assert {"build_targets@sdf", "train_tokenizer@sdf", GENERATOR} <= set(started(log))
        assert "render_views: 3 of 3 shards are there already" in log and copy.files("views") == views
        after = copy.files("targets/sdf")
        assert all(after[name] != before[name] for name in before if name.endswith("near.npy"))

    def test_another_way_to_the_same_bytes_stops_there(self, copy: PipelineCopy) -> None:
        copy.edit(DISTANCES, "distance) + 0.5", "distance) + (0.25 + 0.25)")
        log = copy.repro(GENERATOR)
        assert f"code of build_targets@sdf changed: {DISTANCES}; 3 shards (70 assets, " in log
        assert "finished before, 60 steps" in log and GENERATOR not in started(log), "its tokens are the same shards"

    def test_a_setting_computes_its_stage_again(self, copy: PipelineCopy) -> None:
        copy.compose(*TINY, "generator.sdf.training.num_steps=41")
        assert started(copy.repro(GENERATOR)) == [GENERATOR]

    def test_where_it_runs_and_the_seed_of_nothing_else(self, copy: PipelineCopy) -> None:
        copy.compose(*TINY, "generator.sdf.training.num_steps=41", "resources.num_workers=1")
        assert started(copy.repro(GENERATOR)) == []

    def test_a_temporary_experiment_makes_no_shard_twice(self, copy: PipelineCopy) -> None:
        copy.commit("all of it")
        log = copy.run(
            "dvc", "exp", "run", "--temp", "--copy-paths", "dvc.lock", "--name", "tried",
            "--set-param", "generator.sdf.training.num_steps=42", GENERATOR,
        )  # fmt: skip
        assert started(log) == [GENERATOR], log


class TestFolder:
    """A folder of meshes as the only source."""

    NUM_SHARDS = 4

    @pytest.fixture(scope="class")
    def meshes(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        folder = tmp_path_factory.mktemp("meshes")
        for index in range(11):
            self.write(folder / f"chair{index:02d}.glb", index)
        triangle = "mtllib b.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"
        (folder / "b.obj").write_text(triangle)
        return folder

    @staticmethod
    def write(path: Path, index: int) -> None:
        drawn = draw_object("chair", seed=5, index=index)
        path.write_bytes(mesh_to_glb(build_mesh("chair", drawn.attributes, drawn.parameters)))

    @pytest.fixture(scope="class")
    def copy(self, tmp_path_factory: pytest.TempPathFactory, meshes: Path) -> PipelineCopy:
        copy = copy_pipeline(tmp_path_factory.mktemp("folder"))
        params = yaml.safe_load((copy.folder / "params.yaml").read_text())
        params["sources"] = [{"kind": "folder", "root": str(meshes)}]
        params["download"]["num_shards"] = self.NUM_SHARDS
        params["clean_meshes"] |= {"val_fraction": 0.3, "test_fraction": 0.3}
        (copy.folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
        copy.repro("clean_meshes")
        return copy

    def digests(self, copy: PipelineCopy) -> dict[str, int]:
        """Shard → the time that it was made."""
        root = copy.data / "raw"
        return {shard.name: (root / shard.name / "shard.json").stat().st_mtime_ns for shard in list_shards(root)}

    def repro(self, copy: PipelineCopy) -> tuple[list[str], set[str]]:
        """Give the stages that ran, and the shards that were fetched anew."""
        before = self.digests(copy)
        log = copy.repro("clean_meshes")
        after = self.digests(copy)
        return started(log), {name for name in after if after[name] != before.get(name)}

    def shard_of(self, copy: PipelineCopy, uid: str) -> str:
        (name,) = (shard.name for shard in list_shards(copy.data / "raw") if uid in shard.uids)
        return name

    def test_nothing_changed_starts_nothing(self, copy: PipelineCopy) -> None:
        assert self.repro(copy) == ([], set())

    def test_a_touched_file_fetches_nothing(self, copy: PipelineCopy, meshes: Path) -> None:
        os.utime(meshes / "chair03.glb", ns=(10**18, 10**18))
        assert self.repro(copy) == (["download"], set())

    def test_an_edited_mesh_costs_its_shard(self, copy: PipelineCopy, meshes: Path) -> None:
        self.write(meshes / "chair03.glb", 100)
        stages, shards = self.repro(copy)
        assert stages == ["download", "clean_meshes"] and shards == {self.shard_of(copy, "chair03")}
        assert self.repro(copy) == ([], set())

    def test_an_added_mesh_costs_its_shard(self, copy: PipelineCopy, meshes: Path) -> None:
        self.write(meshes / "chair77.glb", 77)
        stages, shards = self.repro(copy)
        assert stages == ["download", "clean_meshes"] and shards == {self.shard_of(copy, "chair77")}

    def test_a_removed_mesh_costs_its_shard(self, copy: PipelineCopy, meshes: Path) -> None:
        shard = self.shard_of(copy, "chair03")
        (meshes / "chair03.glb").unlink()
        stages, shards = self.repro(copy)
        assert stages == ["download", "clean_meshes"] and shards == {shard}
        assert "chair03" not in read_shard(copy.data / "raw" / shard).uids

    def test_a_material_that_comes_costs_the_shard_of_its_mesh(self, copy: PipelineCopy, meshes: Path) -> None:
        (meshes / "b.mtl").write_text("newmtl red\nKd 1 0 0\n")
        assert self.repro(copy)[1] == {self.shard_of(copy, "b")}
        (meshes / "b.mtl").write_text("newmtl red\nKd 1 0 1\n")
        assert self.repro(copy)[1] == {self.shard_of(copy, "b")}

    def test_a_fresh_clone_with_the_data_fetches_nothing(
        self, copy: PipelineCopy, meshes: Path, tmp_path: Path
    ) -> None:
        """What was read from which file is in data/runs, which stays behind: the files are compared with the shards."""
        copy.commit("settings")
        copy.run("git", "add", "dvc.lock")
        copy.run("dvc", "remote", "add", "--local", "--default", "team", str(tmp_path / "remote"))
        copy.run("dvc", "push")
        copy.commit("lock")
        copy.run("git", "clone", "--quiet", str(copy.folder), str(tmp_path / "clone"))
        clone = PipelineCopy(tmp_path / "clone")
        clone.run("dvc", "remote", "add", "--local", "--default", "team", str(tmp_path / "remote"))
        clone.run("dvc", "pull", "--with-deps", "clean_meshes")
        assert started(clone.repro("clean_meshes")) == []
        os.utime(meshes / "chair05.glb", ns=(10**18, 10**18))
        assert self.repro(clone) == (["download"], set())
        self.write(meshes / "chair05.glb", 101)
        assert self.repro(clone)[1] == {self.shard_of(clone, "chair05")}
