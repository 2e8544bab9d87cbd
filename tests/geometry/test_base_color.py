import numpy as np
import trimesh
from gltf_scenes import png
from PIL import Image

from ltm3d.geometry.base_color import corner_colors, linear_to_srgb, srgb_to_linear

LEFT_RED_RIGHT_BLUE = np.zeros((8, 8, 3), np.uint8)
LEFT_RED_RIGHT_BLUE[:, :4, 0] = LEFT_RED_RIGHT_BLUE[:, 4:, 2] = 255
SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
FACES = np.array([[0, 1, 2], [0, 2, 3]])


def textured(uv: np.ndarray, material: trimesh.visual.material.Material) -> trimesh.Trimesh:
    visual = trimesh.visual.TextureVisuals(uv=uv, material=material)
    return trimesh.Trimesh(SQUARE, FACES, visual=visual, process=False)


def colors(geometry: trimesh.Trimesh, is_linear: bool = True, max_pixels: int = 100) -> np.ndarray | None:
    return corner_colors(geometry, is_linear=is_linear, max_pixels=max_pixels)


def test_curves_are_inverse_and_half_light_is_188() -> None:
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(linear_to_srgb(srgb_to_linear(every)), every)
    assert linear_to_srgb(np.array([0.5, -1, 2])).tolist() == [188, 0, 255]


def in_obj(picture: np.ndarray, uv: np.ndarray) -> np.ndarray | None:
    material = trimesh.visual.material.SimpleMaterial(image=Image.fromarray(picture))
    return colors(textured(uv, material), is_linear=False)


def test_texture_is_read_at_each_corner_from_inside_its_face() -> None:
    half = np.array([[0.0, 0], [0.49, 0], [0.49, 1], [0.0, 1]])  # the red half, its edges on the borders
    assert (in_obj(LEFT_RED_RIGHT_BLUE, half) == (255, 0, 0)).all()
    assert (in_obj(LEFT_RED_RIGHT_BLUE, half + np.array([0.5, 0])) == (0, 0, 255)).all()
    assert (in_obj(LEFT_RED_RIGHT_BLUE, half + np.array([7.5, -3])) == (0, 0, 255)).all()  # pictures repeat


def test_the_picture_is_upright() -> None:
    red_on_top = np.ascontiguousarray(LEFT_RED_RIGHT_BLUE.transpose(1, 0, 2))
    top = np.array([[0.1, 0.6], [0.9, 0.6], [0.9, 0.9], [0.1, 0.9]])  # v grows upward
    assert (in_obj(red_on_top, top) == (255, 0, 0)).all()


def test_factor_multiplies_linear_light_in_gltf_and_stands_back_in_obj() -> None:
    white = Image.fromarray(np.full((2, 2, 3), 255, np.uint8))
    uv = np.full((4, 2), 0.5)
    metallic = trimesh.visual.material.PBRMaterial(baseColorTexture=white, baseColorFactor=[128, 0, 255, 255])
    assert (colors(textured(uv, metallic)) == (188, 0, 255)).all()
    plain = trimesh.visual.material.PBRMaterial(baseColorFactor=[128, 0, 255, 255])
    assert (colors(textured(uv, plain)) == (188, 0, 255)).all()
    black = trimesh.visual.material.SimpleMaterial(image=white, diffuse=[0, 0, 0, 255])
    assert (colors(textured(uv, black), is_linear=False) == 255).all()
    matt = trimesh.visual.material.SimpleMaterial(diffuse=[10, 128, 255, 255])
    assert (colors(textured(uv, matt), is_linear=False) == (10, 128, 255)).all()


def test_vertex_colours_multiply_the_material() -> None:
    geometry = textured(np.full((4, 2), 0.5), trimesh.visual.material.PBRMaterial(baseColorFactor=[255, 255, 0, 255]))
    geometry.visual.vertex_attributes["color"] = np.full((4, 4), 0.5, np.float32)
    assert (colors(geometry) == (188, 188, 0)).all()


def test_face_and_vertex_colours_without_material() -> None:
    by_face = trimesh.Trimesh(SQUARE, FACES, face_colors=[[255, 0, 0, 255], [0, 9, 0, 255]], process=False)
    assert colors(by_face)[:, :, :].tolist() == [[[255, 0, 0]] * 3, [[0, 9, 0]] * 3]
    by_vertex = trimesh.Trimesh(
        SQUARE, FACES, vertex_colors=[[i, 2 * i, 0, 255] for i in (0, 40, 80, 120)], process=False
    )
    assert colors(by_vertex, is_linear=False)[1].tolist() == [[0, 0, 0], [80, 160, 0], [120, 240, 0]]
    assert colors(trimesh.Trimesh(SQUARE, FACES, process=False)) is None


def test_broken_or_too_large_pictures_leave_the_factor(tmp_path) -> None:
    path = tmp_path / "cut.png"
    path.write_bytes(png(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8))[:2000])
    broken = trimesh.visual.material.PBRMaterial(baseColorTexture=Image.open(path), baseColorFactor=[255, 0, 0, 255])
    geometry = textured(np.full((4, 2), 0.5), broken)
    assert (colors(geometry, max_pixels=10_000) == (255, 0, 0)).all()
    large = trimesh.visual.material.PBRMaterial(
        baseColorTexture=Image.new("RGB", (64, 64)), baseColorFactor=[255, 0, 0, 255]
    )
    assert (colors(textured(np.full((4, 2), 0.5), large)) == (255, 0, 0)).all()
