"""Training pairs of the small CLIP."""

import numpy as np
import pytest
import trimesh

from ltm3d.conditioning.clip_examples import ClipExamples
from ltm3d.conditioning.tiny_clip import TinyClipConfig, build_tokenizer
from ltm3d.errors import DataError
from ltm3d.geometry.mesh import Mesh

CAPTIONS = ["A red chair.", "a lamp", "a red chair."]


def box(height: float) -> Mesh:
    shape = trimesh.creation.box((1, height, 1))
    return Mesh(vertices=shape.vertices.astype(np.float32), faces=shape.faces)


def views(count: int) -> list[dict[str, np.ndarray]]:
    """Four views each; every depth is the view's number."""
    images = np.arange(count * 4 * 2 * 2 * 4, dtype=np.uint8).reshape(count, 4, 2, 2, 4)
    depth = np.broadcast_to(np.arange(1, 5, dtype=np.float16)[:, None, None], (4, 2, 2))
    normals, cameras = np.full((4, 2, 2, 3), 127, np.int8), np.tile(np.eye(4, dtype=np.float32), (4, 1, 1))
    return [{"images": each, "depth": depth, "normals": normals, "cameras": cameras} for each in images]


def make(num_views: int = 3) -> ClipExamples:
    tokenizer = build_tokenizer(CAPTIONS, config=TinyClipConfig())
    meshes = [box(height) for height in (0.5, 1.0, 1.5)]
    return ClipExamples(views(num_views), CAPTIONS, meshes, tokenizer, field_of_view=90.0, size=2, num_points=32)


def test_view_is_drawn_by_the_generator_alone() -> None:
    data = make()
    one, same = (data.example(1, np.random.default_rng([0, 5, 1]))["images"] for _ in range(2))
    np.testing.assert_array_equal(one, same)
    seen = {data.example(1, np.random.default_rng(seed))["images"].tobytes() for seed in range(40)}
    assert seen == {data.views[1]["images"][view].tobytes() for view in range(4)}


def test_the_surface_is_that_of_the_view() -> None:
    data = make()
    for seed in range(20):
        example = data.example(1, np.random.default_rng(seed))
        view = int(example["images"].flat[0] - data.views[1]["images"].flat[0]) // 16
        np.testing.assert_allclose(example["surface"][..., 2], -(view + 1))


def test_captions_read_alike_share_an_index() -> None:
    index = [int(make().example(i, np.random.default_rng(0))["caption_index"]) for i in range(3)]
    assert index[0] == index[2] != index[1]


def test_text_is_padded_and_masked() -> None:
    example = make().example(1, np.random.default_rng(0))
    assert example["text_ids"].shape == example["text_mask"].shape == (32,)
    assert example["text_mask"].dtype == bool and example["text_mask"].sum() == 4


def test_points_lie_on_the_surface_of_the_asset() -> None:
    for index, height in enumerate((0.5, 1.0, 1.5)):
        points = make().example(index, np.random.default_rng(0))["points"]
        assert points.shape == (32, 3)
        np.testing.assert_allclose(np.abs(points / [1, height, 1]).max(axis=1), 0.5, atol=1e-5)


def test_views_captions_and_meshes_must_match() -> None:
    with pytest.raises(DataError, match="2 assets have views, 3 captions and 3 meshes"):
        make(num_views=2)
