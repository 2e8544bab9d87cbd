"""Drawing objects of wished attributes, and slicing them."""

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ltm3d.geometry.mesh import Mesh, concatenate
from ltm3d.procedural.objects import ProceduralObject, draw_object, part_meshes

Found = tuple[ProceduralObject, Mesh]
Finder = Callable[..., Iterator[Found]]


@cache
def draw(category: str, index: int) -> ProceduralObject:
    """Draw an object of the tests' seed; many tests look through the same ones."""
    return draw_object(category, seed=9, index=index)


def find(category: str, count: int = 3, **attributes: str) -> Iterator[Found]:
    """Yield objects with these attributes, their parts side by side: the first `count` of a fixed seed."""
    found = 0
    for index in range(5000):
        drawn = draw(category, index)
        if all(drawn.attributes[name] == value for name, value in attributes.items()):
            yield drawn, concatenate(part_meshes(category, drawn.attributes, drawn.parameters))
            found += 1
            if found == count:
                return
    raise AssertionError(f"only {found} of {category} with {attributes}")


def count_loops(mesh: Mesh, axis: str, level: float) -> int:
    """Count the closed curves in which the components cut the plane `axis` = level."""
    side = mesh.vertices[:, "xyz".index(axis)] > level
    crossing = mesh.faces[side[mesh.faces].any(axis=1) & ~side[mesh.faces].all(axis=1)]
    if not len(crossing):
        return 0
    edges = np.sort(np.stack([crossing, crossing[:, [1, 2, 0]]], axis=-1), axis=-1)  # [F, 3, 2]
    cut = side[edges[..., 0]] != side[edges[..., 1]]
    key = edges[..., 0] * len(mesh.vertices) + edges[..., 1]
    faces = np.repeat(np.arange(len(crossing)), cut.sum(axis=1))
    _, edge = np.unique(key[cut], return_inverse=True)
    graph = coo_matrix((np.ones(len(faces)), (faces, len(crossing) + edge)), shape=[len(crossing) + edge.max() + 1] * 2)
    return int(connected_components(graph, directed=False)[0])


@pytest.fixture(scope="session")
def find_objects() -> Finder:
    return find


@pytest.fixture(scope="session")
def loops() -> Callable[[Mesh, str, float], int]:
    return count_loops
