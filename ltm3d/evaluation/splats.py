"""Metrics of decoded Gaussians by the pictures they give (eval/v1, "Reconstruction")."""

import numpy as np
import torch

from ltm3d.geometry.mesh import Mesh
from ltm3d.representations.gaussians import GaussiansTargetConfig, sphere_cameras, take_views
from ltm3d.splatting.camera import pinhole
from ltm3d.splatting.picture_loss import measure_psnr, premultiply
from ltm3d.splatting.rasterize import rasterize
from ltm3d.splatting.record import NUM_PARAMETERS, OPACITY_LOGIT, Gaussians, to_parameters
from ltm3d.splatting.similarity import ssim

FIELD_OF_VIEW = 30.0
SKIPPED_METRICS = {"lpips": "there is no package of it here, and its network's weights do not come without a network"}


def true_pictures(
    mesh: Mesh, *, num_views: int, resolution: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Render an object from sides that no fit has used: rgbas [V, H, W, 4] and cameras [V, 4, 4]."""
    config = GaussiansTargetConfig(resolution=resolution, field_of_view=FIELD_OF_VIEW)
    cameras = sphere_cameras(num_views, mesh, field_of_view=FIELD_OF_VIEW, rng=rng)
    return premultiply(take_views(mesh, cameras, config=config).images), cameras


def picture_metrics(gaussians: Gaussians | None, rgbas: np.ndarray, cameras: np.ndarray) -> dict[str, float]:
    """Return the means over views of `psnr`, dB, over black and white together, and `ssim` over black.

    Args:
        gaussians: None where there are none; the pictures are empty then.
    """
    if gaussians is None:
        table = np.zeros((1, NUM_PARAMETERS), np.float32)
        table[0, OPACITY_LOGIT] = -20
    else:
        table = to_parameters(gaussians)
    drawn = np.stack(
        [
            rasterize(table, pinhole(camera, field_of_view=FIELD_OF_VIEW, resolution=rgbas.shape[1])).rgba
            for camera in cameras
        ]
    )
    made, true = (torch.from_numpy(each[..., :3].clip(0, 1)).permute(0, 3, 1, 2) for each in (drawn, rgbas))
    return {
        "psnr": float(measure_psnr(table, rgbas, cameras, field_of_view=FIELD_OF_VIEW).mean()),
        "ssim": float(ssim(made, true).mean()),
    }
