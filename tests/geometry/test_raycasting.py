import numpy as np
import pytest
from shapes import box

from ltm3d.geometry.raycasting import RayScene


def test_rays_hit_the_first_wall_or_nothing() -> None:
    mesh = box()
    directions = np.array([[0, 0, -1], [0, 0, 1], [0.1, 0, -1]], np.float32)
    hits = RayScene(mesh).cast(np.array([0.1, 0.2, 2.0], np.float32), directions)
    assert hits.distance[[0, 2]] == pytest.approx([1.5, 1.5])  # in units of the direction's length
    assert np.isinf(hits.distance[1]) and hits.face[1] == -1
    corners = mesh.triangles[hits.face[0]]
    u, v = hits.uv[0]
    assert (1 - u - v) * corners[0] + u * corners[1] + v * corners[2] == pytest.approx([0.1, 0.2, 0.5], abs=1e-6)


def test_a_way_is_blocked_only_by_what_lies_on_it() -> None:
    origins = np.array([[0, 0, 2], [0, 0, 2], [0, 0, 0], [0, 0, 0]], np.float32)
    ways = np.array([[0, 0, -1.4], [0, 0, -1.6], [0, 0, 0.4], [0, 5, 0]], np.float32)
    assert RayScene(box()).is_blocked(origins, ways).tolist() == [False, True, False, True]
    assert RayScene(box()).is_blocked(origins[:0], ways[:0]).shape == (0,)
