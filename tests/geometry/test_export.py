import io

import numpy as np
import pytest
import trimesh
from shapes import box

from ltm3d.geometry.export import SUFFIXES, mesh_to_glb, write_mesh
from ltm3d.geometry.loading import load_mesh
from ltm3d.geometry.mesh import Mesh


def test_glb_is_read_by_trimesh_with_its_colours() -> None:
    mesh = box((1.0, 0.5, 0.25), color=(200, 100, 50))
    loaded = trimesh.load_scene(io.BytesIO(mesh_to_glb(mesh)), file_type="glb").to_mesh()
    assert np.array_equal(loaded.vertices[loaded.faces], mesh.triangles)
    assert (loaded.visual.vertex_colors[:, :3] == (200, 100, 50)).all()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_comes_back_through_our_own_reader(tmp_path, suffix: str) -> None:
    mesh = box((1.0, 0.5, 0.25))
    write_mesh(mesh, tmp_path / f"box{suffix}")
    assert np.allclose(load_mesh(tmp_path / f"box{suffix}").triangles, mesh.triangles, atol=1e-6)


def test_same_mesh_same_bytes_and_unknown_suffix_is_named(tmp_path) -> None:
    assert mesh_to_glb(box(color=(1, 2, 3))) == mesh_to_glb(box(color=(1, 2, 3)))
    with pytest.raises(ValueError, match=r"\.blend"):
        write_mesh(Mesh(np.eye(3), np.array([[0, 1, 2]])), tmp_path / "a.blend")
