"""A binary tree over triangles, halved at the median: the ground of closest points and winding numbers.

The tree is implicit: node n has the children 2n + 1 and 2n + 2, every leaf lies on the last level, and node k of a
level of L nodes holds the triangles floor(k F / L) to floor((k + 1) F / L) - 1 of the sorted ones.
"""

from functools import cached_property

import numpy as np

from ltm3d.compilation import compiled
from ltm3d.geometry.closest_points import find_closest_points
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.morton import morton_order
from ltm3d.geometry.winding_number import find_winding_numbers

_LEAF_SIZE = 4  # triangles a leaf has at most
_FAR_ERROR = 0.005  # of the winding number, that one far field may bring
_FAR = 1.2  # radii, the least distance to a far field


class TriangleTree:
    """A mesh of at least one face, ready for queries; deterministic, and on one thread.

    Attributes:
        face: number in the mesh of each of the sorted triangles, int64 [F].
        corners: of the sorted triangles, float64 [F, 3, 3].
        boxes: low and high corner of each of the N nodes, float32 [N, 6].
        first_leaf: number of the first leaf; N = 2 · first_leaf + 1.
    """

    def __init__(self, mesh: Mesh) -> None:
        triangles = mesh.triangles.astype(np.float64)
        depth = max(0, int(np.ceil(np.log2(len(triangles) / _LEAF_SIZE))))
        self.first_leaf = 2**depth - 1
        self.face = np.arange(len(triangles))
        _halve(triangles.mean(axis=1), depth, self.face)
        self.corners = triangles[self.face]
        self._starts = np.arange(2**depth) * len(triangles) // 2**depth
        low = self._gather(self.corners.min(axis=1), np.minimum)
        high = self._gather(self.corners.max(axis=1), np.maximum)
        self.boxes = np.concatenate([low, high], axis=1).astype(np.float32)  # the corners are float32: nothing is lost

    def closest_points(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the closest surface point float32 [Q, 3] to each of the points [Q, 3], and its face int64 [Q]."""
        points = np.ascontiguousarray(points, np.float32)
        closest, place = np.empty_like(points), np.empty(len(points), np.int64)
        find_closest_points(points, morton_order(points), self.corners, self.boxes, self.first_leaf, closest, place)
        return closest, self.face[place]

    def winding_numbers(self, points: np.ndarray) -> np.ndarray:
        """Return the winding number float32 [Q] at points [Q, 3], to 0.1: 1 inside an outward-wound closed surface."""
        points = np.ascontiguousarray(points, np.float32)
        numbers = np.empty(len(points), np.float32)
        find_winding_numbers(points, morton_order(points), self.corners, *self._far_fields, self.first_leaf, numbers)
        return numbers

    @cached_property
    def _far_fields(self) -> tuple[np.ndarray, np.ndarray]:
        """What `find_winding_numbers` takes of nodes and of sorted triangles."""
        cross = np.cross(self.corners[:, 1] - self.corners[:, 0], self.corners[:, 2] - self.corners[:, 0]) / 2
        area = np.linalg.norm(cross, axis=1, keepdims=True)
        centre = self.corners.mean(axis=1)
        radius = np.sqrt(np.square(self.corners - centre[:, None]).sum(axis=2).max(axis=1, keepdims=True))
        triangles = np.concatenate([centre, cross, _far_from(radius, area, order=2)], axis=1)
        rows, columns = [0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]
        moments = (cross[:, rows] * centre[:, columns] + cross[:, columns] * centre[:, rows]) / 2
        sums = self._gather(np.concatenate([area * centre, area, cross, moments], axis=1), np.add)
        middle = (self.boxes[:, :3] + self.boxes[:, 3:]) / 2
        total, normal = sums[:, 3:4], sums[:, 4:7]
        centre = np.where(total > 0, sums[:, :3] / np.maximum(total, 1e-300), middle)
        moments = sums[:, 7:] - (normal[:, rows] * centre[:, columns] + normal[:, columns] * centre[:, rows]) / 2
        nodes = np.concatenate([centre, normal, np.zeros_like(total), moments], axis=1)
        _measure_reach(self.corners, self.first_leaf, nodes)
        nodes[:, 6:7] = _far_from(np.sqrt(nodes[:, 6:7]), total, order=3)
        return nodes, triangles

    def _gather(self, values: np.ndarray, add: np.ufunc) -> np.ndarray:
        """Return for each node [N, C] what its triangles' values [F, C] come to."""
        levels = [add.reduceat(values, self._starts, axis=0)]
        while len(levels[-1]) > 1:
            levels.append(add(levels[-1][::2], levels[-1][1::2]))
        return np.concatenate(levels[::-1])


def _far_from(radius: np.ndarray, area: np.ndarray, *, order: int) -> np.ndarray:
    """Return d² from which on the first term that is left out, area / 4πd² · (radius / d)^order, is small enough."""
    distance = (area * radius**order / (4 * np.pi * _FAR_ERROR)) ** (1 / (order + 2))
    return np.square(np.maximum(distance, _FAR * radius))


@compiled()
def _halve(centres: np.ndarray, num_levels: int, order: np.ndarray) -> None:
    """Sort the numbers of centres [F, 3] so that each node's lower half comes first along its longest side.

    Quickselect by Hoare 1961, node by node and level by level.
    """
    count = len(order)
    for level in range(num_levels):
        num_nodes = 1 << level
        for node in range(num_nodes):
            start, end = node * count // num_nodes, (node + 1) * count // num_nodes
            middle = (2 * node + 1) * count // (2 * num_nodes)
            axis, longest = 0, -1.0
            for candidate in range(3):
                low, high = np.inf, -np.inf
                for place in range(start, end):
                    value = centres[order[place], candidate]
                    low, high = min(low, value), max(high, value)
                if high - low > longest:
                    axis, longest = candidate, high - low
            first, last = start, end - 1
            while first < last:
                pivot = centres[order[(first + last) // 2], axis]
                left, right = first, last
                while left <= right:
                    while centres[order[left], axis] < pivot:
                        left += 1
                    while centres[order[right], axis] > pivot:
                        right -= 1
                    if left <= right:
                        order[left], order[right] = order[right], order[left]
                        left += 1
                        right -= 1
                if middle <= right:
                    last = right
                elif middle >= left:
                    first = left
                else:
                    break


@compiled()
def _measure_reach(corners: np.ndarray, first_leaf: int, nodes: np.ndarray) -> None:
    """Write into column 6 of nodes [N, 13] the largest squared distance of a corner within to columns 0 to 2."""
    num_triangles, num_leaves = len(corners), first_leaf + 1
    for leaf in range(num_leaves):
        for triangle in range(leaf * num_triangles // num_leaves, (leaf + 1) * num_triangles // num_leaves):
            node = first_leaf + leaf
            while node >= 0:
                for corner in range(3):
                    x = corners[triangle, corner, 0] - nodes[node, 0]
                    y = corners[triangle, corner, 1] - nodes[node, 1]
                    z = corners[triangle, corner, 2] - nodes[node, 2]
                    nodes[node, 6] = max(nodes[node, 6], x * x + y * y + z * z)
                node = (node + 1) // 2 - 1
