"""What the stage writes and its gallery shows; the metrics themselves are tested in tests/evaluation."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from evaluation_data import write_evaluation_data
from mlflow_database import new_database
from shapes import box, sphere
from tiny_bundle import make_tiny_bundle

from ltm3d import schema
from ltm3d.evaluation.metrics_table import Scores
from ltm3d.evaluation.tokenizer_metrics import Encoded
from ltm3d.geometry.mesh import Mesh
from ltm3d.representations.mesh import MeshTargetConfig, build_mesh_target
from ltm3d.representations.sdf import SdfTargetConfig, build_sdf_target
from ltm3d.shards.index import IndexEntry
from ltm3d.shards.write import Reject, write_shard
from ltm3d.tokenizers.sdf import SdfTokenizer
from ltm3d.tokenizers.tokenizer import DecodeConfig
from pipelines.evaluate_tokenizer import reconstructed_items

PARAMS = """
recipe: smoke
seed: 5
targets: [sdf, mesh]
representations: [sdf, mesh]
resources: {num_workers: 1, use_gpu: false, tracking_uri: "sqlite:///mlflow.db"}
encode_tokens: {num_surface: NUM_SURFACE}
evaluate_tokenizer: {resolutions: [16], num_points: 2000, num_queries: 500, num_gallery_assets: 1}
"""
SDF_TARGET = SdfTargetConfig(num_surface=64, num_sharp=8, num_volume=16, num_near=16)
MESH_TARGET = MeshTargetConfig(max_faces=16, num_cells=32)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> SdfTokenizer:
    """All its latents are one sphere."""
    return SdfTokenizer.load(make_tiny_bundle(tmp_path_factory.mktemp("model") / "bundle") / "tokenizer")


def test_inputs_stand_beside_reconstructions_worst_first(tokenizer: SdfTokenizer) -> None:
    tokens = torch.zeros(4, 4)
    ball, cube = sphere(0.6, subdivisions=1), box()
    assets = [Encoded("good", ball, tokens), Encoded("bad", cube, tokens), Encoded("worse", cube, tokens, ball)]
    entries = [
        IndexEntry(
            uid=asset.uid, shard="", split="test", category="solid", caption=f"a {asset.uid} one", source="",
            licence="", name="", num_faces=1, is_watertight=True, scale=1.0, offset=(0.0, 0.0, 0.0),
        )
        for asset in assets
    ]  # fmt: skip
    distances = {"good": 0.1, "bad": 0.4, "worse": 0.7}
    scores = [
        Scores("ceiling", "64^3", {uid: {"chamfer_l1": 0.0} for uid in distances}),
        Scores("round_trip", "64^3", {uid: {"chamfer_l1": value} for uid, value in distances.items()}),
    ]
    items = reconstructed_items(tokenizer, assets, entries, scores, decode=DecodeConfig(resolution=16))
    assert [item.uid for item in items] == ["worse", "bad", "good"]
    assert [item.metrics["chamfer_l1"] for item in items] == [0.7, 0.4, 0.1]
    assert [item.truth for item in items] == [ball, cube, ball], "what the target stands for, else the mesh"
    assert all(isinstance(item.samples[0], Mesh) for item in items)
    assert items[0].caption == "a worse one" and items[0].prompt_kind == "none"


def write_targets(data: Path) -> None:
    """Write the targets of two test boxes as distances, and of one as faces: the other is too complex."""
    solids = {"test-big": box((1.6, 1.6, 1.6)), "test-small": box((0.8, 0.8, 0.8))}
    rng = np.random.default_rng(0)
    for representation in ("sdf", "mesh"):
        write_evaluation_data(data, representation)
    fields = {uid: build_sdf_target(solid, config=SDF_TARGET, rng=rng)[0] for uid, solid in solids.items()}
    faces = {"test-big": build_mesh_target(solids["test-big"], config=MESH_TARGET, rng=rng)[0]}
    for representation, kind, made in (("sdf", schema.SDF_TARGETS, fields), ("mesh", schema.MESH_TARGETS, faces)):
        write_shard(
            data / "targets" / representation / "shard-00000",
            fields=kind,
            arrays={field.name: [row[field.name] for row in made.values()] for field in kind},
            uids=list(made),
            records=[{} for _ in made],
            rejects=[Reject(uid=uid, reason="too_complex") for uid in solids if uid not in made],
            key="k",
        )


def run_stage(folder: Path, repository: Path, program: str, *, num_surface: int) -> subprocess.CompletedProcess[str]:
    (folder / "params.yaml").write_text(PARAMS.replace("NUM_SURFACE", str(num_surface)))
    new_database(folder)
    write_targets(folder / "data")
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    command = [sys.executable, "-c", f"from pipelines import evaluate_tokenizer as stage\n{program}"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=580)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.ray
def test_the_document_counts_what_is_not_measured_and_says_what_it_took(tmp_path: Path, repository: Path) -> None:
    done = run_stage(tmp_path, repository, "for name in ('sdf', 'mesh'): stage.main(name)", num_surface=32)
    assert done.returncode == 0, done.stderr[-4000:]
    for representation, row, num_rejected in (("sdf", "16^3", 0), ("mesh", "all", 1)):
        document = json.loads((tmp_path / "data" / "metrics" / f"tokenizer_{representation}.json").read_text())
        assert document["protocol"] == "eval/v1" and document["skipped"] == {}
        assert document["encode_seconds"] > 0 and document["encode_peak_mib"] > 10
        for method, summary in document[row].items():
            assert (summary["num_assets"], summary["num_rejected"]) == (2 - num_rejected, num_rejected)
            assert ("decode_seconds" in summary) == ("decode_peak_mib" in summary) == (method == "round_trip")
        page = (tmp_path / "data" / "gallery" / f"tokenizer_{representation}" / "assets" / "items.js").read_text()
        assert ("1 more have no target of this kind" in page) == bool(num_rejected)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.ray
def test_too_few_stored_points_are_said_before_anything_is_measured(tmp_path: Path, repository: Path) -> None:
    measured_nothing = "stage.measure_reconstructions = None\nstage.main('sdf')"
    done = run_stage(tmp_path, repository, measured_nothing, num_surface=40)
    assert "80 points of 'surface' are asked for, 64 are stored" in done.stderr, done.stderr[-4000:]
