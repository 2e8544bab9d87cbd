"""Tokenizers of every representation that have learnt one red sphere, whatever the tokens are; seconds each."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from shapes import sphere
from torch import Tensor
from torch.nn.functional import normalize

from ltm3d.diffusion.flow_matching import FlowMatching
from ltm3d.geometry.mesh import Mesh
from ltm3d.nn.randomness import StepRandom
from ltm3d.representations.mesh import quantize, sort_faces
from ltm3d.tokenizers.gaussians import GaussiansTokenizer, GaussiansTokenizerConfig
from ltm3d.tokenizers.mesh import MeshTokenizer, MeshTokenizerConfig
from ltm3d.tokenizers.point_cloud import PointCloudTokenizer, PointCloudTokenizerConfig
from ltm3d.tokenizers.sdf import SdfTokenizer, SdfTokenizerConfig
from ltm3d.tokenizers.tokenizer import Tokenizer

RADIUS = 0.6
RED = (0.8, 0.2, 0.15)
SMALL: dict[str, Any] = {
    **{"num_tokens": 4, "token_dim": 4, "width": 32},
    **{"encoder_depth": 1, "decoder_depth": 1, "num_heads": 2},
}  # sizes of a tokenizer of sets
NUM_CELLS = 16  # of the mesh, along an axis
NUM_FACES = 20  # of an icosahedron

Batch = dict[str, Tensor]


def sphere_normals(num_points: int, seed: int) -> tuple[Tensor, torch.Generator]:
    """Return directions of two draws of surface points [2, N, 3], and the generator for what else is drawn."""
    random = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(2, num_points, 3, generator=random), dim=-1), random


def sdf_batch(seed: int) -> Batch:
    """Return surface points and queries of a sphere with their true distances."""
    normals, random = sphere_normals(128, seed)
    volume = torch.rand(2, 128, 3, generator=random) * 2 - 1
    near = normals * RADIUS + 0.05 * torch.randn(2, 128, 3, generator=random)
    labelled = [torch.cat([q, q.norm(dim=-1, keepdim=True) - RADIUS], dim=-1) for q in (volume, near)]
    return {"surface": torch.cat([normals * RADIUS, normals], dim=-1), "volume": labelled[0], "near": labelled[1]}


def cloud_batch(seed: int) -> Batch:
    """Return coloured points of the sphere, to read and to learn."""
    normals, _ = sphere_normals(256, seed)
    colors = (2 * torch.tensor(RED) - 1).expand_as(normals)
    rows = torch.cat([normals * RADIUS, normals, colors], dim=-1)
    return {"surface": rows[:, :128], "decoded": rows[:, 128:]}


def gaussians_batch(seed: int) -> Batch:
    """Return round Gaussians on the sphere."""
    normals, _ = sphere_normals(128, seed)
    further = torch.tensor([*[-2.0] * 3, 1.0, 0.0, 0.0, 0.0, 4.0, *RED]).expand(2, 128, -1)
    table = torch.cat([normals * RADIUS, further], dim=-1)
    return {"gaussians": table, "target": table}


def fit(tokenizer: Tokenizer, batch_of: Callable[[int], Mapping[str, Tensor]], *, num_steps: int, seed: int) -> None:
    """Train on the sphere alone, with a decoder that does not see the tokens: whatever is generated is the sphere."""
    torch.nn.init.zeros_(tokenizer.from_tokens.weight).requires_grad_(False)
    optimizer = torch.optim.Adam(tokenizer.parameters(), lr=2e-3)
    for step in range(num_steps):
        loss, _ = tokenizer.training_loss(batch_of(step), StepRandom(seed, step, [0, 1], "cpu"))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def train_sphere_tokenizer(seed: int) -> SdfTokenizer:
    """Fit distances."""
    torch.manual_seed(seed)
    tokenizer = SdfTokenizer(
        SdfTokenizerConfig(
            **SMALL,
            truncation=0.3,
            near_weight=1.0,
        )
    )
    fit(tokenizer, sdf_batch, num_steps=60, seed=seed)
    return tokenizer


def train_cloud_tokenizer(seed: int) -> PointCloudTokenizer:
    """Fit a flow of points."""
    torch.manual_seed(seed)
    tokenizer = PointCloudTokenizer(
        PointCloudTokenizerConfig(
            **SMALL,
            flow=FlowMatching(num_steps=6),
        )
    )
    fit(tokenizer, cloud_batch, num_steps=300, seed=seed)
    return tokenizer


def train_gaussians_tokenizer(seed: int) -> GaussiansTokenizer:
    """Fit parameters, without pictures."""
    torch.manual_seed(seed)
    tokenizer = GaussiansTokenizer(
        GaussiansTokenizerConfig(
            **SMALL,
            picture_weight=0.0,
            ssim_weight=0.0,
        )
    )
    fit(tokenizer, gaussians_batch, num_steps=100, seed=seed)
    return tokenizer


def train_mesh_tokenizer(
    seed: int, mesh: Mesh | None = None, *, num_cells: int = NUM_CELLS, num_steps: int = 300
) -> MeshTokenizer:
    """Fit one mesh, an icosahedron if none is given; all of its faces are there."""
    mesh = mesh or sphere(RADIUS, subdivisions=0)
    faces = torch.from_numpy(np.array(sort_faces(quantize(mesh.vertices, num_cells)[mesh.faces])))
    batch = {"triangles": faces.expand(2, -1, -1, -1), "mask": torch.ones(2, len(faces), dtype=torch.bool)}
    torch.manual_seed(seed)
    tokenizer = MeshTokenizer(
        MeshTokenizerConfig(
            num_tokens=len(faces),
            token_dim=4,
            num_cells=num_cells,
            width=32,
            encoder_depth=1,
            decoder_depth=1,
            num_heads=2,
        )
    )
    torch.nn.init.zeros_(tokenizer.means_to_places.weight).requires_grad_(False)  # the way past the layers
    fit(tokenizer, lambda _: batch, num_steps=num_steps, seed=seed)
    tokenizer.latent_mean[-1], tokenizer.latent_std[-1] = 1.0, 0.1  # a flag above 0 is a face
    return tokenizer


TRAINING: dict[str, Callable[[int], Tokenizer]] = {
    "sdf": train_sphere_tokenizer,
    "point_cloud": train_cloud_tokenizer,
    "gaussians": train_gaussians_tokenizer,
    "mesh": train_mesh_tokenizer,
}
