"""The Python interface on a whole small model, real files, and the registry's errors."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from prompt_pictures import transparent_box
from shapes import box, sphere
from tiny_bundle import make_tiny_bundle

import ltm3d
from ltm3d import schema
from ltm3d.errors import AssetError, DataError, ModelError, PromptError
from ltm3d.mesh_io.writing import mesh_bytes


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ltm3d.Model:
    return ltm3d.load(str(make_tiny_bundle(tmp_path_factory.mktemp("api") / "bundle")))


def test_an_image_is_a_path_a_picture_or_an_array(model: ltm3d.Model, tmp_path: Path) -> None:
    path = tmp_path / "box.png"
    path.write_bytes(transparent_box())
    picture = Image.open(path)
    shapes = [model.generate(image=each, seed=2) for each in (path, str(path), picture, np.asarray(picture))]
    exported = [shape.export(tmp_path / f"{index}.glb").read_bytes() for index, shape in enumerate(shapes)]
    assert len(set(exported)) == 1 and model.representation == "sdf"
    assert shapes[0].picture is not None and shapes[0].picture.shape == (32, 32, 4)
    assert len(trimesh.load(tmp_path / "0.glb", force="mesh").faces) > 50 and "faces" in repr(shapes[0])


def test_the_same_prompt_and_seed_give_the_same_shape(model: ltm3d.Model) -> None:
    steps: list[tuple[int, int]] = []
    first = model.generate(text="a red chair", seed=1, steps=2, on_step=lambda *at: steps.append(at))
    again = model.generate(text="a red chair", seed=1, steps=2)
    np.testing.assert_array_equal(first.record.vertices, again.record.vertices)
    assert steps == [(1, 2), (2, 2)] and first.seed == 1 and first.note is None
    assert "knows none of the text's words" in str(model.generate(text="木の椅子").note)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ({}, "there is no prompt"),
        ({"image": "absent.png"}, "absent.png: no such file"),
        ({"image": np.zeros((4, 4), np.uint8)}, r"uint8 \[4, 4\]: give uint8 \[H, W, 3\]"),
        ({"image": np.zeros((4, 4, 3))}, "float64"),
        ({"text": "a", "seed": -1}, "seed is -1"),
        ({"text": "a", "steps": 1000}, "num_steps is 1000; it must be 1 to 128"),
    ],
)
def test_a_bad_prompt_says_what_is_wrong(model: ltm3d.Model, prompt: dict, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        model.generate(**prompt)


def test_models_and_files_that_are_not_there(model: ltm3d.Model, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"mlflow\.db does not exist"):
        ltm3d.load()
    with pytest.raises(ModelError, match="nowhere"):
        ltm3d.load(Path("nowhere"))
    shape = model.generate(text="a chair")
    for name in ("shape.off", "nowhere/shape.glb"):
        with pytest.raises(ModelError, match="give a name that ends in one of"):
            shape.export(name)


def test_a_mesh_and_its_file_are_prepared_alike(tmp_path: Path) -> None:
    ball = sphere(3.0)
    (tmp_path / "ball.ply").write_bytes(mesh_bytes(ball, ".ply"))
    for mesh in (ball, tmp_path / "ball.ply", str(tmp_path / "ball.ply")):
        fields = ltm3d.prepare(mesh, seed=3)
        radius = np.linalg.norm(fields["surface"][:, :3].astype(np.float32), axis=1)
        assert radius == pytest.approx(np.full(8192, 0.95), abs=0.02)  # the normalised frame
        volume = fields["volume"].astype(np.float32)
        np.testing.assert_allclose(volume[:, 3], np.linalg.norm(volume[:, :3], axis=1) - 0.95, atol=0.02)
    assert set(ltm3d.prepare(ball, target="point_cloud")) == {field.name for field in schema.POINT_CLOUD_TARGETS}
    (tmp_path / "broken.obj").write_text("v 0 0 0\n")
    with pytest.raises(AssetError, match="no_surface"):
        ltm3d.prepare(tmp_path / "broken.obj")


def test_shapes_and_folders_are_compared_by_one_protocol(tmp_path: Path) -> None:
    small, large = sphere(0.5), sphere(0.6)
    metrics = ltm3d.evaluate(small, large, points=5000)
    assert metrics["volume_iou"] == pytest.approx((0.5 / 0.6) ** 3, abs=0.02)
    same = ltm3d.evaluate(box(), box(), points=5000)
    assert same["f_score@0.05"] == pytest.approx(1, abs=0.01) and metrics["f_score@0.05"] < 0.5
    for folder, mesh in (("pred", small), ("truth", large)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "ball.ply").write_bytes(mesh_bytes(mesh, ".ply"))
    done: list[tuple[int, int]] = []
    report = ltm3d.evaluate(
        tmp_path / "pred", str(tmp_path / "truth"), points=5000, on_shape=lambda *at: done.append(at)
    )
    assert report["protocol"] == "eval/v1" and done == [(1, 1)]
    with pytest.raises(DataError, match="give two folders, or two shapes"):
        ltm3d.evaluate(tmp_path / "pred", large)


def test_the_interface_is_imported_when_it_is_asked_for(repository: Path) -> None:
    code = "import sys, ltm3d; assert not {'torch', 'numpy', 'ltm3d.api'} & set(sys.modules); print(ltm3d.load)"
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with pytest.raises(AttributeError, match="has no attribute 'lod'"):
        _ = ltm3d.lod


@pytest.mark.slow
def test_the_minimal_example_makes_a_file(repository: Path, tmp_path: Path) -> None:
    example = repository / "examples" / "minimal.py"
    assert len(example.read_text().splitlines()) <= 80
    done = subprocess.run([sys.executable, example, tmp_path], cwd=repository, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(trimesh.load(tmp_path / "chair.glb", force="mesh").faces) > 20 and "CD-L1" in done.stdout
