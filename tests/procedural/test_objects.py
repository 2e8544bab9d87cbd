import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ltm3d.geometry.mesh import Mesh, is_watertight
from ltm3d.geometry.surface_points import sample_surface
from ltm3d.geometry.triangle_tree import TriangleTree
from ltm3d.procedural.objects import CATEGORIES, ProceduralObject, build_mesh, build_parts, describe, draw_object
from ltm3d.procedural.solids import signed_volume

NUM_OBJECTS = 42  # a category
CAPTION = re.compile(r"A 3D model of an? [A-Za-z0-9 -]+ with [A-Za-z0-9 ,-]+, [A-Z][a-z]+\.")


@pytest.fixture(scope="module", params=list(CATEGORIES))
def objects(request: pytest.FixtureRequest) -> list[ProceduralObject]:
    return [draw_object(request.param, seed=11, index=index) for index in range(NUM_OBJECTS)]


def test_every_component_is_closed_and_outward(objects: list[ProceduralObject]) -> None:
    for drawn in objects:
        for number, part in enumerate(build_parts(drawn.category, drawn.attributes, drawn.parameters)):
            assert is_watertight(Mesh(part.vertices, part.faces)), (drawn.caption, number)
            assert signed_volume(part.vertices, part.faces) > 0, (drawn.caption, number)


def test_meshes_have_moderate_size_and_no_degenerate_extent(objects: list[ProceduralObject]) -> None:
    for drawn in objects:
        mesh = build_mesh(drawn.category, drawn.attributes, drawn.parameters)
        assert 500 <= len(mesh.faces) <= 9000, drawn.caption
        assert np.isfinite(mesh.vertices).all()
        extent = np.ptp(mesh.vertices, axis=0)
        assert extent.min() > 0.12 * extent.max(), drawn.caption
        assert 0.5 < extent.max() < 2.0


def test_few_parts_are_thin(objects: list[ProceduralObject]) -> None:
    shares = []
    for drawn in objects:
        parts = build_parts(drawn.category, drawn.attributes, drawn.parameters)
        points = np.concatenate([part.vertices for part in parts])
        longest = np.ptp(points, axis=0).max()
        for part in parts:
            centred = part.vertices - part.vertices.mean(axis=0)
            axes = np.linalg.eigh(centred.T @ centred)[1]
            shares.append(np.ptp(centred @ axes, axis=0).min() / longest)
    assert np.mean(np.array(shares) < 0.034) < 0.06
    assert np.median(shares) > 0.04


def test_attributes_are_the_declared_ones(objects: list[ProceduralObject]) -> None:
    declared = CATEGORIES[objects[0].category].ATTRIBUTES
    assert len(declared) >= 12
    assert len(declared["variant"]) >= 3
    for drawn in objects:
        assert set(drawn.attributes) == set(declared)
        for name, value in drawn.attributes.items():
            assert value in declared[name], name


def test_every_declared_value_is_drawn() -> None:
    for category, module in CATEGORIES.items():
        drawn = [draw_object(category, seed=2, index=index).attributes for index in range(350)]
        for name, values in module.ATTRIBUTES.items():
            assert {attributes[name] for attributes in drawn} == set(values), (category, name)


def test_objects_vary(objects: list[ProceduralObject]) -> None:
    assert len({drawn.attributes["variant"] for drawn in objects}) >= 3
    assert len({drawn.attributes["colour"] for drawn in objects}) >= 8
    assert len({drawn.caption for drawn in objects}) > 0.9 * NUM_OBJECTS
    assert len({tuple(drawn.parameters.values()) for drawn in objects}) == NUM_OBJECTS


def test_captions_have_the_papers_form(objects: list[ProceduralObject]) -> None:
    for drawn in objects:
        assert CAPTION.fullmatch(drawn.caption), drawn.caption
        assert drawn.caption.endswith(f", {drawn.category.capitalize()}.")
        assert f"{drawn.attributes['colour']} {drawn.attributes['material']}" in drawn.caption
        assert not re.search(r"\ba [aeiou]", drawn.caption), drawn.caption
        assert len(drawn.caption.split()) <= 30


def test_captions_tell_three_to_six_attributes_besides_the_kind(objects: list[ProceduralObject]) -> None:
    for drawn in objects:
        assert drawn.mentioned.count("variant") == 1
        assert len(set(drawn.mentioned)) == len(drawn.mentioned)
        assert 3 <= len(drawn.mentioned) - 1 <= 6, drawn.caption


def test_captions_say_what_is_mentioned_and_nothing_else(objects: list[ProceduralObject]) -> None:
    """Swap each attribute for a value that another object of the same variant has."""
    for drawn in objects:
        peers = [other.attributes for other in objects if other.attributes["variant"] == drawn.attributes["variant"]]
        for name in set(drawn.attributes) - {"variant"}:
            for value in {attributes[name] for attributes in peers} - {drawn.attributes[name]}:
                caption, mentioned = describe(drawn.category, drawn.attributes | {name: value})
                if name in drawn.mentioned:
                    assert caption != drawn.caption, (name, value)
                elif mentioned == drawn.mentioned:
                    assert caption == drawn.caption, (name, value)


def test_object_depends_on_seed_and_index_only() -> None:
    draw_object("chair", seed=1, index=0)
    again = draw_object("chair", seed=1, index=7)
    assert again == draw_object("chair", seed=1, index=7)
    assert again != draw_object("chair", seed=2, index=7)
    assert again != draw_object("chair", seed=1, index=8)


def test_mesh_is_rebuilt_from_attributes_and_parameters() -> None:
    drawn = draw_object("sofa", seed=0, index=3)
    shuffled = dict(reversed(drawn.parameters.items()))
    first, second = (build_mesh("sofa", drawn.attributes, numbers) for numbers in (drawn.parameters, shuffled))
    assert first.vertices.tobytes() == second.vertices.tobytes()
    assert first.vertex_colors is not None and second.vertex_colors is not None
    assert first.vertex_colors.tobytes() == second.vertex_colors.tobytes()


DIGEST = """
import hashlib
from ltm3d.procedural.objects import CATEGORIES, build_mesh, draw_object
digest = hashlib.sha256()
for category in CATEGORIES:
    for index in range(4):
        drawn = draw_object(category, seed=5, index=index)
        mesh = build_mesh(category, drawn.attributes, drawn.parameters)
        digest.update(repr(drawn).encode())
        for array in (mesh.vertices, mesh.faces, mesh.vertex_colors):
            digest.update(array.tobytes())
print(digest.hexdigest())
"""


def test_objects_are_equal_in_two_processes(repository: Path) -> None:
    digests = [
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            cwd=repository,
            env={"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1", "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "123")
    ]
    assert digests[0] == digests[1] != ""


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_mesh_has_no_face_inside_the_solid(category: str) -> None:
    drawn = draw_object(category, seed=4, index=1)
    mesh = build_mesh(category, drawn.attributes, drawn.parameters)
    samples = sample_surface(mesh, 500, np.random.default_rng(0))
    step = 2e-4 * samples.normals
    outside, inside = (TriangleTree(mesh).winding_numbers(samples.points + sign * step) for sign in (1, -1))
    assert np.mean(np.abs(outside) < 0.5) > 0.98
    assert np.mean(np.abs(inside - 1) < 0.5) > 0.98
