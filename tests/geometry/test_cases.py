"""Inputs of the field's bug reports with their right answers: /work/shared/cases, where it is there."""

import numpy as np
import pytest

from ltm3d.errors import AssetError
from ltm3d.geometry.mesh import Mesh, face_areas
from ltm3d.geometry.surface_points import sample_surface
from ltm3d.mesh_io.loading import LoadLimits
from ltm3d.rendering.cameras import ViewConfig, view_cameras
from ltm3d.rendering.embree import render
from ltm3d.transforms.clean_meshes import clean_file

CUBE = {"sides": (1, 1, 1), "area": 6, "volume": 1}
RED = {**CUBE, "color": (200, 20, 20)}
CASES = {
    "m01_obj_concave_ngon/l_prism.obj": {"sides": (2, 2, 1), "area": 14, "volume": 3},
    "m02_ply_concave_ngon/l_prism.ply": {"sides": (2, 2, 1), "area": 14, "volume": 3},
    "m03d_coff/cube.off": {**CUBE, "color": (255, 0, 0)},
    "m04_glb_gpu_instancing/three_cubes.glb": {"sides": (7, 1, 1), "area": 18, "volume": 3},
    "m05_glb_morph_mesh_weights/tall.glb": {"sides": (1, 3, 1), "area": 14, "volume": 3},
    "m06c_obj_utm_small/cube.obj": {"sides": (0.2, 0.2, 0.2), "area": 0.24, "volume": 0.008},
    "n08_glb_far_small/cube.glb": {"sides": (0.2, 0.2, 0.2), "area": 0.24, "volume": 0.008},
    **{
        f"m07_mtl_{name}/cube.obj": {**CUBE, "color": (25, 153, 25), "note": "picture not read"}
        for name in ("unix_absolute", "windows_drive", "unc", "parent_folder")
    },
    **{f"m08_{name}/cube.obj": RED for name in ("map_options", "map_quoted", "map_case", "mtl_no_usemtl")},
    "m09b_obj_vertex_colors_255/cube.obj": {**CUBE, "color": (200, 25, 25)},
    "m12c_glb_emissive_only/cube.glb": RED,
    "m22_glb_alpha_mask_invisible/cube.glb": {"reason": "no_surface"},
    "m08_mask_leaf.glb": {"sides": (0.42, 0.46, 0), "area": 0.164, "tolerance": 0.02},
    "m25_glass.glb": {"sides": (2, 3.5, 2), "note": "is transparent (BLEND); it is drawn opaque"},
    "m13_glb_triangle_fan/cube.glb": {"sides": (1, 1, 2), "area": 7},
    "m14a_glb_meshopt_as_gltfpack/compressed.glb": {"reason": "unsupported_compression"},
    "m16b_degenerate_far_face.glb": {"sides": (1, 1.8, 1.2), "volume": 2.16},
    "m16d_stl_binary_trailing/cube.stl": CUBE,
    "m21a_glb_texture_avif/cube.glb": RED,
    **{f"m25{name}/cube.obj": CUBE for name in ("c_obj_bom", "f_obj_tabs_comments")},
    "m25g_obj_interleaved_parts/cube.obj": {"sides": (5, 1, 1), "area": 18, "volume": 3},
    "m31_one_vertex_1e3.glb": {"reason": "stray_geometry"},
    "m32_glb_hidden_node/cube.glb": CUBE,
    "m40_17_other_4k_maps.glb": {"sides": (2, 2, 2), "color": (200, 30, 30)},
    "n03_obj_tabs/cube.obj": CUBE,
    "n04_obj_trailing_comments/cube.obj": CUBE,
    "n07_glb_unknown_required/cube.glb": {"reason": "unsupported_extension"},
    "n11_ply_quads_mixed_binary/cube.ply": CUBE,
}


def volume(mesh: Mesh) -> float:
    a, b, c = mesh.triangles.astype(np.float64).transpose(1, 0, 2)
    return float(np.einsum("fx,fx->f", a, np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize("name", CASES)
def test_the_right_answer(shared_data, name: str) -> None:
    path, right = shared_data.parent / "cases" / "meshes" / name, CASES[name]
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    try:
        mesh, facts = clean_file(path, path.parent, "+y", "+z", LoadLimits())
    except AssetError as error:
        assert error.reason == right.get("reason"), error
        return
    assert "reason" not in right, f"{name} was kept"
    scale = facts["scale"]
    assert np.ptp(mesh.vertices, axis=0) / scale == pytest.approx(right["sides"], rel=right.get("tolerance", 1e-3))
    if "area" in right:
        assert face_areas(mesh).sum() / scale**2 == pytest.approx(right["area"], rel=right.get("tolerance", 1e-3))
    if "volume" in right:
        assert volume(mesh) / scale**3 == pytest.approx(right["volume"], rel=1e-3)
    if "color" in right:
        assert mesh.vertex_colors is not None
        assert np.abs(mesh.vertex_colors.astype(int) - right["color"]).max() <= 1
    assert ("note" in right) == ("notes" in facts) and right.get("note", "") in str(facts.get("notes", ""))


def test_a_checker_on_a_low_poly_cube_is_there_at_points_and_in_views(shared_data) -> None:
    path = shared_data.parent / "cases" / "meshes" / "m27_lowpoly_checker_cube.glb"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    mesh, _ = clean_file(path, path.parent, "+y", "+z", LoadLimits())
    colors = sample_surface(mesh, 4000, np.random.default_rng(0)).colors.astype(int)
    light, dark = (colors.min(axis=1) > 200).mean(), (colors.max(axis=1) < 100).mean()
    assert light > 0.3 and dark > 0.3 and light + dark > 0.85
    config = ViewConfig(num_views=1, resolution=128)
    image = render(mesh, view_cameras(config, "m27", mesh), config=config).images[0]
    row = image[..., :3].mean(axis=2)[np.argmax((image[..., 3] == 255).sum(axis=1))]
    assert (np.abs(np.diff(row)) > 40).sum() >= 6  # from check to check
