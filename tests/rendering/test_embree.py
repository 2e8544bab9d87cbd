import numpy as np
from shapes import sphere

from ltm3d.geometry.cleaning import clean_mesh
from ltm3d.geometry.loading import load_mesh
from ltm3d.geometry.normalize import normalize
from ltm3d.rendering.cameras import ViewConfig, view_cameras
from ltm3d.rendering.embree import render

CONFIG = ViewConfig(resolution=64, field_of_view=60.0)


def test_same_input_same_bytes() -> None:
    first, second = (render(sphere(), view_cameras(CONFIG, 0), config=CONFIG) for _ in range(2))
    assert first.images.tobytes() == second.images.tobytes()


def test_real_assets_fill_their_pictures_with_contrast(shared_data) -> None:
    config = ViewConfig(num_views=2, resolution=64)
    for path in sorted(shared_data.glob("shapenet/*/*/models/*.obj"))[::60]:
        mesh, _ = normalize(clean_mesh(load_mesh(path, root=path.parents[1])), front="-z")
        images = render(mesh, view_cameras(config, 0, mesh), config=config).images
        for image in images:
            seen = image[..., 3] >= 8
            span = max(np.ptp(np.nonzero(seen.any(axis=axis))[0]) + 1 for axis in (0, 1))
            assert 0.84 * 64 <= span <= 0.97 * 64, path
