"""What patches see, against a rendered sphere."""

import math

import numpy as np
import torch
import trimesh

from ltm3d.conditioning.seen_surface import CELLS, NUM_VALUES, SurfaceHead, seen_surface
from ltm3d.geometry.mesh import Mesh
from ltm3d.rendering.cameras import ViewConfig
from ltm3d.transforms.render import render_views

RADIUS = 0.7
VIEWS = ViewConfig(num_views=3, resolution=64, supersample=1)


def test_the_pixels_of_a_sphere_lie_on_it_and_their_normals_point_outward() -> None:
    sphere = trimesh.creation.icosphere(subdivisions=4, radius=RADIUS)
    mesh = Mesh(vertices=sphere.vertices.astype(np.float32), faces=sphere.faces)
    views = render_views(mesh, VIEWS, 0, "sphere")
    for view in range(3):
        surface = seen_surface(
            *(views[name][view] for name in ("depth", "normals", "cameras")), half_tangent=VIEWS.half_tangent, size=32
        )
        seen = np.abs(surface[..., 3:]).sum(axis=-1) > 0
        assert 0.3 < seen.mean() < 0.9
        positions, normals = surface[seen][:, :3], surface[seen][:, 3:]
        np.testing.assert_allclose(np.linalg.norm(positions, axis=1), RADIUS, atol=0.01)
        eye = views["cameras"][view][:3, 3]
        facing = (normals * (eye - positions)).sum(axis=1) / np.linalg.norm(eye - positions, axis=1)
        assert facing.min() > -0.1  # normals are turned to the camera, which at the rim may be inward
        assert (((positions / RADIUS) * normals).sum(axis=1))[facing > 0.1].min() > 0.97


def test_a_cell_is_compared_with_its_own_place_in_the_picture() -> None:
    side, size = 4, 32
    place = torch.arange(size).float()
    surface = torch.stack(torch.meshgrid(place, place, indexing="ij"), dim=-1)
    surface = torch.cat([surface, torch.zeros(size, size, 2), torch.ones(size, size, 2)], dim=-1)[None]
    head = SurfaceHead(8)
    torch.nn.init.zeros_(head.project.weight)
    middle = (torch.arange(side * CELLS) * (size // (side * CELLS)) + 2).float()
    rows = middle.reshape(side, CELLS)
    expected = torch.stack(
        [
            torch.tensor([float(rows[i, p]), float(rows[j, q]), 0.0, 0.0, 1.0, 1.0])
            for i in range(side)
            for j in range(side)
            for p in range(CELLS)
            for q in range(CELLS)
        ]
    ).reshape(1, side * side, CELLS * CELLS * NUM_VALUES)
    head.project.bias.data.zero_()
    constant = head.loss(torch.zeros(1, side * side, 8), surface)
    assert math.isclose(constant.item(), float(expected.abs().mean()), rel_tol=1e-5)
    one_patch = expected[:, 6]
    head.project.bias.data.copy_(one_patch[0])
    only_there = torch.zeros_like(surface)
    row, column = divmod(6, side)
    block = (slice(None), slice(8 * row, 8 * row + 8), slice(8 * column, 8 * column + 8))
    only_there[block] = surface[block]
    assert head.loss(torch.zeros(1, side * side, 8), only_there).item() < 1e-6
