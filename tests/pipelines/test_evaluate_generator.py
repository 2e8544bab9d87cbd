"""The stage, run as dvc runs it, on a few balls of each representation."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from evaluation_data import write_evaluation_data
from mlflow_database import new_database
from small_clip import save_small_clip

from ltm3d.evaluation.prompt_alignment import weights_name
from ltm3d.tokenizers.mesh import MeshTokenizer
from ltm3d.tokenizers.point_cloud import PointCloudTokenizer
from pipelines.evaluate_generator import why_unread

REPRESENTATIONS = ("sdf", "point_cloud", "mesh", "gaussians")
PARAMS = """
recipe: smoke
seed: 5
targets: [sdf, point_cloud, mesh, gaussians]
representations: [sdf, point_cloud, mesh, gaussians]
resources: {num_workers: 1, use_gpu: false, tracking_uri: "sqlite:///mlflow.db"}
sampling: {sdf: {}, point_cloud: {}, mesh: {}, gaussians: {}}
evaluation:
  num_points: 2000
  resolution: 16
  num_gallery_assets: 1
  alignment: {clip: [small-clip], num_views: 2, resolution: 32}
"""
ALL = "from pipelines import evaluate_generator as stage\nfor name in {!r}: stage.main(name)"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.ray
def test_every_representation_is_measured_by_the_same_protocol(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "params.yaml").write_text(PARAMS)
    new_database(tmp_path)
    clip = weights_name(str(save_small_clip(tmp_path / "small-clip", ["a big ball", "a small ball"])))
    for representation in REPRESENTATIONS:
        write_evaluation_data(tmp_path / "data", representation)
    command = [sys.executable, "-c", ALL.format(REPRESENTATIONS)]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, done.stderr[-4000:]
    documents = {
        name: json.loads((tmp_path / "data" / "metrics" / f"generator_{name}.json").read_text())
        for name in REPRESENTATIONS
    }
    for name, document in documents.items():
        assert document["protocol"] == "eval/v1" and document["num_test_assets"] == 2
        generated, retrieved = document["image"]["generated"], document["image"]["retrieval"]
        assert generated["num_failures"] == 1, "a sample without a surface is counted"
        assert retrieved["num_failures"] == 0
        assert ("volume_iou" in generated) == (name == "sdf")
        by_asset = json.loads((tmp_path / "data" / "metrics" / f"generator_{name}_assets.json").read_text())
        metrics = by_asset["generated/image"]
        assert metrics["test-big"]["chamfer_l1"] < 0.1, "a ball beside itself"
        assert metrics["test-small"]["chamfer_l1"] > metrics["test-big"]["chamfer_l1"], "the failure counts, and badly"
        assert by_asset["retrieval/image"]["test-big"]["chamfer_l1"] == pytest.approx(2 * 0.1, rel=0.1)
        assert document["sets"]["image/generated"]["num_shapes"] == 2
        assert set(document["skipped"]) == {"ulip2", "uni3d", "attributes"}
        assert generated[f"clip_image:{clip}"] < document["none"]["true_mesh"][f"clip_image:{clip}"] == pytest.approx(1)
        assert -1 <= metrics["test-big"][f"clip_text:{clip}"] <= 1
        assert (tmp_path / "data" / "gallery" / name / "index.html").is_file()
    for hashed in ("test_ids_sha256", "references_sha256", "retrieval_ids_sha256"):
        (digest,) = {document[hashed] for document in documents.values()}
        assert len(digest) == 64


def test_attributes_are_read_from_meshes_alone_and_the_rest_is_named(tmp_path: Path) -> None:
    assert "holds no reader" in why_unread(MeshTokenizer, tmp_path)
    (tmp_path / "config.json").touch()
    assert why_unread(MeshTokenizer, tmp_path) == ""
    assert why_unread(PointCloudTokenizer, tmp_path) == "the reader samples faces, a PointCloud has none"
