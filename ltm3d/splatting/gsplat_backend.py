"""Rasterising on a GPU with gsplat (1.5), the interface of `reference.rasterize`.

gsplat is no dependency of the project: it compiles for the machine's CUDA when it is first used.
"""

from typing import Any

import torch
from torch import Tensor

from ltm3d.errors import ConfigError
from ltm3d.splatting.camera import DILATION, NEAR, Pinhole
from ltm3d.splatting.record import COLORS, LOG_SCALES, MEANS, OPACITY_LOGIT, QUATS


def rasterize(parameters: Tensor, view: Pinhole) -> Tensor:
    """Draw a table of Gaussians [G, 14] on its CUDA device: colours times alpha, and alpha, [H, W, 4]; differentiable.

    Raises:
        ConfigError: gsplat is not installed, or the table is not on a CUDA device.
    """
    gsplat = _gsplat()
    if parameters.device.type != "cuda":
        raise ConfigError(
            f"gsplat draws on CUDA, not on {parameters.device}; move the table or use splatting.rasterize"
        )
    side, middle = view.resolution, view.resolution / 2
    world_to_camera = torch.eye(4, dtype=torch.float64)
    world_to_camera[:3, :3] = torch.from_numpy(view.rotation)
    world_to_camera[:3, 3] = torch.from_numpy(-view.rotation @ view.eye)
    intrinsics = torch.tensor([[view.focal, 0, middle], [0, view.focal, middle], [0, 0, 1]])
    colors, alphas, _ = gsplat.rasterization(
        means=parameters[:, MEANS],
        quats=parameters[:, QUATS],
        scales=parameters[:, LOG_SCALES].exp(),
        opacities=parameters[:, OPACITY_LOGIT].sigmoid(),
        colors=parameters[:, COLORS],
        viewmats=world_to_camera[None].to(parameters),
        Ks=intrinsics[None].to(parameters),
        width=side,
        height=side,
        near_plane=NEAR,
        eps2d=DILATION,
        packed=False,
    )
    return torch.cat([colors[0], alphas[0]], dim=2)


def _gsplat() -> Any:
    try:
        import gsplat
    except ImportError as error:
        raise ConfigError(
            "gsplat is not installed; pip install gsplat==1.5.3 beside a CUDA torch, or use splatting.rasterize (CPU)"
        ) from error
    return gsplat
