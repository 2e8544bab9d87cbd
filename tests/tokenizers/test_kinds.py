"""Every option of conf/tokenizer trains, encodes and decodes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from half_precision import assert_same_in_bf16
from shapes import box, sphere
from tiny_targets import Targets

from ltm3d.errors import AssetError
from ltm3d.nn.randomness import StepRandom
from ltm3d.representations.gaussians import GaussiansTargetConfig, build_gaussians_target
from ltm3d.representations.mesh import MeshTargetConfig, build_mesh_target
from ltm3d.representations.point_cloud import PointCloudTargetConfig, build_point_cloud_target
from ltm3d.representations.sdf import SdfTargetConfig, build_sdf_target
from ltm3d.splatting.fitting import FitConfig
from ltm3d.tokenizers.kinds import REPRESENTATIONS, kind_of, load_tokenizer, settings_type
from ltm3d.tokenizers.shape_export import describe, shape_bytes
from ltm3d.tokenizers.tokenizer import DecodeConfig
from ltm3d.training.data import training_batch
from ltm3d.transforms.encode_tokens import encode_set
from pipelines._params import Params
from pipelines.compose import CONF, compose

OPTIONS = sorted(path.stem for path in CONF.glob("tokenizer/*.yaml") if not path.stem.endswith("_full"))
NUM_SURFACE = 256


def targets(representation: str, params: Params) -> Targets:
    rng, meshes = np.random.default_rng(0), [sphere(0.8), box((1.2, 0.7, 0.4), color=(200, 80, 40))]
    if representation == "sdf":
        config = SdfTargetConfig(num_surface=2048, num_sharp=256, num_volume=1024, num_near=2048)
        return Targets([build_sdf_target(mesh, config=config, rng=rng)[0] for mesh in meshes])
    if representation == "point_cloud":
        cloud = PointCloudTargetConfig(num_surface=2048, num_sharp=64, num_farthest=64)
        return Targets([build_point_cloud_target(mesh, config=cloud, rng=rng)[0] for mesh in meshes])
    if representation == "mesh":
        faces = params.get("build_targets.mesh.target", MeshTargetConfig)
        return Targets([build_mesh_target(mesh, config=faces, rng=rng)[0] for mesh in meshes])
    splats = GaussiansTargetConfig(num_gaussians=1024, num_views=4, resolution=32, fit=FitConfig(num_steps=2))
    return Targets([build_gaussians_target(mesh, config=splats, rng=rng)[0] for mesh in meshes])


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_trains_encodes_and_decodes(option: str, tmp_path: Path) -> None:
    representation = next(name for name in REPRESENTATIONS if option.startswith(name))
    examples_of = option if (CONF / "examples" / f"{option}.yaml").is_file() else representation
    chosen = (f"tokenizer@tokenizer.{representation}.model={option}",)
    chosen += (f"examples@tokenizer.{representation}.examples={examples_of}",)
    params = Params(compose("demo", chosen))
    config = params.value(f"tokenizer.{representation}.model", settings_type(representation))
    kind = kind_of(representation, config)
    torch.manual_seed(0)
    model = kind(config)
    assets = targets(representation, params)
    examples = kind.examples(
        assets, params.get(f"tokenizer.{representation}.examples", kind.example_config_type), augment=True
    )
    batch = training_batch(examples, range(2), seed=0, step=0, batch_size=2)
    # which target is the nearest may change with a digit, and its gradient with it
    assert_same_in_bf16(model, lambda: model.training_loss(batch, StepRandom(0, 0, range(2))), likeness=0.97)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(6):
        loss, terms = model.training_loss(batch, StepRandom(0, 0, range(2)))
        assert all(bool(torch.as_tensor(value).isfinite().all()) for value in (loss, *terms.values()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0], losses

    posterior = encode_set(model.eval(), assets, num_surface=NUM_SURFACE)
    model.set_latent_statistics(posterior.mean, posterior.std)
    model.save(tmp_path)
    loaded = load_tokenizer(tmp_path)
    try:
        shape = loaded.decode_shape(posterior.mean[0], DecodeConfig(resolution=16, num_points=64))
    except AssetError as error:  # a field without a zero, before it has learnt one
        assert error.reason == "empty_decode" and "[" in str(error)
    else:
        assert describe(shape)[0].isdigit() and shape_bytes(shape, ".ply").startswith(b"ply")
