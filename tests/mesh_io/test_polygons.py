import numpy as np
import pytest

from ltm3d.mesh_io.polygons import triangulate


def area(points: np.ndarray, triangles: np.ndarray) -> float:
    a, b, c = points[triangles].transpose(1, 0, 2)
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def turned(flat: np.ndarray) -> np.ndarray:
    """Stand a flat polygon in space."""
    frame, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    return np.concatenate([flat, np.zeros((len(flat), 1))], axis=1) @ frame.T + (3, -2, 5)


@pytest.mark.parametrize("points", [5, 9, 40])
def test_stars_are_covered_once_and_keep_their_winding(points: int) -> None:
    angle = np.arange(2 * points) * np.pi / points
    radius = np.where(np.arange(2 * points) % 2, 0.3, 1.0)
    star = turned(np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius[:, None])
    for ring in (star, star[::-1]):
        triangles, owner = triangulate(ring, np.arange(len(ring)), np.array([len(ring)]))
        assert len(triangles) == len(ring) - 2 and not owner.any()
        x, y = np.cos(angle) * radius, np.sin(angle) * radius
        assert area(ring, triangles) == pytest.approx(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)
        a, b, c = ring[triangles].transpose(1, 0, 2)
        whole = np.cross(ring, np.roll(ring, -1, axis=0)).sum(axis=0)
        assert (np.cross(b - a, c - a) @ whole > 0).all()


def test_polygons_of_all_sizes_keep_their_order() -> None:
    points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [-0.5, 0.5, 0]], float)
    corners = np.array([0, 1, 2, 3, 4, 0, 1, 0, 1, 2, 0, 1, 2, 3, 0])
    triangles, owner = triangulate(points, corners, np.array([5, 2, 3, 4, 1]))
    assert owner.tolist() == [0, 0, 0, 2, 3, 3]
    assert area(points, corners[triangles[owner == 0]]) == pytest.approx(1.25)


def test_polygons_without_area_or_with_nan_end_in_a_fan() -> None:
    line = np.stack([np.arange(5.0), np.zeros(5), np.zeros(5)], axis=1)
    for points in (line, line * np.nan, line * 0):
        triangles, _ = triangulate(points, np.arange(5), np.array([5]))
        assert triangles.tolist() == [[0, 1, 2], [0, 2, 3], [0, 3, 4]]


def test_nothing_gives_nothing() -> None:
    triangles, owner = triangulate(np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert triangles.shape == (0, 3) and owner.shape == (0,)
