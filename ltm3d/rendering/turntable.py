"""An object turned before the camera."""

import numpy as np

from ltm3d.geometry.mesh import Mesh
from ltm3d.rendering.cameras import CANONICAL_AZIMUTH, CANONICAL_ELEVATION, ViewConfig, orbit_camera, orbit_distance
from ltm3d.rendering.embree import render


def turntable(mesh: Mesh, *, num_frames: int = 8, resolution: int = 128) -> np.ndarray:
    """Return pictures all around the object, uint8 [num_frames, H, W, 4]; the first is the canonical view."""
    config = ViewConfig(num_views=num_frames, resolution=resolution, field_of_view=30.0)
    azimuths = CANONICAL_AZIMUTH + 360 * np.arange(num_frames) / num_frames
    distance = orbit_distance(config)
    cameras = np.stack([orbit_camera(azimuth, CANONICAL_ELEVATION, distance) for azimuth in azimuths])
    return render(mesh, cameras, config=config).images
