"""Networks of the tests' own, exported as users do it, score shapes and pictures."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from shapes import box, sphere
from torch import Tensor, nn

from ltm3d.errors import ModelError
from ltm3d.evaluation.exported_model import COLOUR, load_exported
from ltm3d.evaluation.picture_metrics import measure_pictures
from ltm3d.evaluation.shape_files import ShapeFileConfig
from ltm3d.evaluation.shape_folder import Networks, pair_files, score, to_report, to_text
from ltm3d.mesh_io.writing import write_mesh
from ltm3d.metrics.frechet_distance import frechet_distance


class Extent(nn.Module):
    """Embed a cloud by its mean absolute coordinates and its mean colour."""

    def forward(self, points: Tensor) -> Tensor:
        return points.abs().mean(dim=1)


class Means(nn.Module):
    """Embed a picture by the means of its channels."""

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures.mean(dim=(2, 3))


class Difference(nn.Module):
    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return (first - second).abs().mean(dim=(1, 2, 3))


def exported(path: Path, network: nn.Module, *inputs: Tensor) -> Path:
    if path.suffix == ".pt2":
        torch.export.save(torch.export.export(network, inputs), path)
    else:
        torch.jit.trace(network, inputs).save(str(path))  # type: ignore[no-untyped-call]
    return path


@pytest.mark.parametrize("suffix", [".pt2", ".pt"])
def test_points_are_given_as_they_are_with_one_colour(tmp_path: Path, suffix: str) -> None:
    encoder = load_exported(exported(tmp_path / f"extent{suffix}", Extent(), torch.rand(1, 8192, 6)))
    points = torch.rand(8192, 3) * 5
    expected = torch.cat([points.mean(dim=0), torch.full((3,), COLOUR)])
    torch.testing.assert_close(encoder.embed_points(points), expected)
    assert encoder.name.startswith("extent-") and len(encoder.name) == len("extent-") + 8


def test_what_is_no_network_or_does_not_take_the_input_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no exported network"):
        load_exported(tmp_path / "absent.pt2")
    for suffix in (".pt2", ".pt"):
        (tmp_path / f"broken{suffix}").write_bytes(b"no network")
        with pytest.raises(ModelError, match="is no exported network"):
            load_exported(tmp_path / f"broken{suffix}")
    encoder = load_exported(exported(tmp_path / "means.pt2", Means(), torch.rand(1, 3, 64, 64)))
    with pytest.raises(ModelError, match=r"means-.* does not take \[1, 3, 128, 128\]: .*; export it for inputs"):
        encoder.embed_picture(torch.rand(3, 128, 128))


def test_fid_and_lpips_are_those_of_the_networks(tmp_path: Path) -> None:
    size = (1, 3, 128, 128)
    encoder = load_exported(exported(tmp_path / "means.pt", Means(), torch.rand(size)))
    lpips = load_exported(exported(tmp_path / "difference.pt2", Difference(), torch.rand(size), torch.rand(size)))
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (2, 3, 2, 128, 128, 4)).astype(np.uint8)
    pictures[..., 3] = 255
    result = measure_pictures(list(pictures[0]), list(pictures[1]), encoder=encoder, lpips=lpips)
    scaled = pictures[..., :3] / 255
    means = scaled.mean(axis=(3, 4)).reshape(2, 6, 3)
    assert result.of_sets[f"fid:{encoder.name}"] == pytest.approx(frechet_distance(*means), rel=1e-3, abs=1e-7)
    differences = np.abs(scaled[0] - scaled[1]).mean(axis=(1, 2, 3, 4))
    assert result.of_pairs[f"lpips:{lpips.name}"] == pytest.approx(differences, rel=1e-4)


def test_shapes_are_scored_by_an_encoder_of_points_and_failures_count(tmp_path: Path) -> None:
    encoder = load_exported(exported(tmp_path / "extent.pt2", Extent(), torch.rand(1, 8192, 6)))
    config = ShapeFileConfig(num_points=10_000, num_queries=2000, encoded_points=True)
    for folder, shapes in {"true": ("ball", "box"), "predicted": ("ball",)}.items():
        (tmp_path / folder).mkdir()
        for name in shapes:
            write_mesh(sphere(0.8) if name == "ball" else box(), tmp_path / folder / f"{name}.glb")

    def report(settings: ShapeFileConfig) -> dict[str, Any]:
        pairs, _ = pair_files(tmp_path / "predicted", tmp_path / "true")
        scored = [score(pair, settings, call=lambda function, *rest: function(*rest)) for pair in pairs]
        return to_report(scored, settings, without_truth=(), sets="none", networks=Networks(points=encoder))

    whole = report(config)
    name = f"point_similarity:{encoder.name}"
    assert whole["assets"]["ball"][name] == pytest.approx(1, abs=1e-3) and whole["assets"]["box"][name] == 0
    assert "published weights (ULIP, Uni3D) were not tried here" in to_text(whole)
    turned = report(replace(config, pred_up="+z", pred_front="-y"))
    assert turned["assets"]["ball"][name] == pytest.approx(1, abs=1e-3)
