"""Alignment with a CLIP of random weights from a folder, as transformers saves it."""

from pathlib import Path

import numpy as np
import pytest
import transformers
from shapes import box, sphere
from small_clip import save_small_clip

from ltm3d.errors import ConfigError
from ltm3d.evaluation.measurement import map_here
from ltm3d.evaluation.metrics_table import Scores
from ltm3d.evaluation.prompt_alignment import AlignmentConfig, AlignmentWork, load_clip, measure_alignment, weights_name
from ltm3d.evaluation.shape_pictures import shape_pictures
from ltm3d.nn.weights import weights_hash

CAPTIONS = ["a red ball", "a wooden cube"]
BALL, CUBE = sphere(0.8, subdivisions=2), box()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_clip(tmp_path_factory.mktemp("weights") / "small-clip", CAPTIONS)


def work() -> list[AlignmentWork]:
    return [
        AlignmentWork("ball", CAPTIONS[0], BALL, {"image/generated": [BALL, CUBE], "image/retrieval": [BALL]}),
        AlignmentWork("cube", CAPTIONS[1], CUBE, {"image/generated": [None, CUBE], "image/retrieval": [BALL]}),
    ]


def test_metrics_are_cosines_of_pictures_and_captions(clip: Path) -> None:
    config = AlignmentConfig(clip=(str(clip),), num_views=2, resolution=32)
    found = measure_alignment(work(), config, map_assets=map_here)
    name = f"small-clip-{weights_hash(clip)[:8]}"
    assert weights_name(str(clip)) == name
    assert set(found.by_asset) == {"none/true_mesh", "image/generated", "image/retrieval"}
    assert set(found.by_asset["image/generated"]["ball"]) == {f"clip_image:{name}", f"clip_text:{name}"}
    image = {
        row: {uid: each[f"clip_image:{name}"] for uid, each in rows.items()} for row, rows in found.by_asset.items()
    }
    assert image["none/true_mesh"] == {"ball": pytest.approx(1), "cube": pytest.approx(1)}
    assert image["image/retrieval"]["ball"] == pytest.approx(1) and image["image/retrieval"]["cube"] < 0.9999

    encoder = load_clip(str(clip))
    seen = {key: encoder.encode_images(shape_pictures(shape, num_views=2, resolution=32)).embedding.numpy()
            for key, shape in (("ball", BALL), ("cube", CUBE), ("none", None))}  # fmt: skip
    text = encoder.encode_texts(["a wooden cube"]).embedding.numpy()[0]
    expected = np.mean([seen["none"] @ text, seen["cube"] @ text])
    assert found.by_asset["image/generated"]["cube"][f"clip_text:{name}"] == pytest.approx(expected, abs=1e-5)
    pairs = np.mean([1.0, (seen["ball"] * seen["cube"]).sum(axis=1).mean()])
    assert image["image/generated"]["ball"] == pytest.approx(pairs, abs=1e-5)

    scores = [Scores("generated", "image", {uid: {"chamfer_l1": 0.1} for uid in ("ball", "cube")})]
    found.add_to(scores)
    summary = scores[0].summary(seed=0)
    assert summary[f"clip_text:{name}"] == pytest.approx(
        np.mean([rows[f"clip_text:{name}"] for rows in found.by_asset["image/generated"].values()])
    )


def test_what_is_not_measured_is_named(tmp_path: Path) -> None:
    found = measure_alignment(work(), AlignmentConfig(), map_assets=map_here)
    assert found.by_asset == {}
    assert set(found.skipped) == {"clip", "ulip2", "uni3d"} and "no weights are configured" in found.skipped["clip"]
    config = AlignmentConfig(clip=(str(tmp_path / "gone"),), uni3d="/weights/uni3d.pt")
    found = measure_alignment(work(), config, map_assets=map_here)
    assert "there is no model folder" in found.skipped["clip:gone"] and found.by_asset == {}
    assert "no package" in found.skipped["uni3d"] and "no weights are configured" not in found.skipped["uni3d"]


def test_an_encoder_of_pictures_alone_is_no_clip(tmp_path: Path) -> None:
    config = transformers.Dinov2Config(
        image_size=28, patch_size=14, hidden_size=16, mlp_ratio=2, num_hidden_layers=1, num_attention_heads=2
    )
    transformers.Dinov2Model(config).save_pretrained(tmp_path)
    found = measure_alignment(work(), AlignmentConfig(clip=(str(tmp_path),)), map_assets=map_here)
    assert found.by_asset == {} and f"clip:{tmp_path.name}" in found.skipped


@pytest.mark.parametrize(("name", "value"), [("num_views", 0), ("resolution", 30), ("resolution", 8)])
def test_settings_have_limits(name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=name):
        AlignmentConfig(**{name: value})
