"""What each patch of a picture shows of the shape: positions in the shape's own frame, and normals.

Contrast asks a picture's tokens for no more than what tells objects apart. A generator must know where in the
normalised frame the seen surface lies ("normalised object coordinates", Wang et al. 2019), so they learn to say it.

Letters: B samples, H W pixels of a view, S pixels of the encoder's picture, N patches, C channels of a token.
"""

import numpy as np
import torch.nn.functional as F
from jaxtyping import Float, Int8
from torch import Tensor, nn

CELLS = 2  # along each axis of a patch; each says one position and one normal
NUM_VALUES = 6


def seen_surface(
    depth: Float[np.ndarray, "H W"],
    normals: Int8[np.ndarray, "H W 3"],
    camera: Float[np.ndarray, "4 4"],
    *,
    half_tangent: float,
    size: int,
) -> Float[np.ndarray, "S S 6"]:
    """Give position and normal of the surface in the middle of each of S x S pixels; zeros where there is none.

    A pixel at (u, v) in [-1, 1]², v up, with depth d lies at (u τ d, v τ d, -d) before the camera, τ the half tangent.

    Args:
        depth: along the optical axis, 0 = background.
        normals: world frame, x 127.
        camera: camera to world, OpenGL axes.
        half_tangent: half the picture's width at distance 1.
    """
    resolution = depth.shape[0]
    middle = ((np.arange(size) + 0.5) * resolution / size).astype(np.int64)
    d = depth[np.ix_(middle, middle)].astype(np.float32)
    u = (2 * (middle + 0.5) / resolution - 1) * half_tangent
    seen = np.stack([u[None] * d, -u[:, None] * d, -d], axis=-1)
    positions = seen @ camera[:3, :3].T + camera[:3, 3]
    directions = normals[np.ix_(middle, middle)].astype(np.float32) / 127
    surface = np.concatenate([positions, directions], axis=-1)
    return np.where(d[..., None] > 0, surface, 0).astype(np.float32)


class SurfaceHead(nn.Module):
    """Read the seen surface off an encoder's patch tokens; for training alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, CELLS * CELLS * NUM_VALUES)

    def loss(self, patches: Float[Tensor, "B N C"], surface: Float[Tensor, "B S S 6"]) -> Float[Tensor, ""]:
        """Return the mean absolute error of positions and normals over all cells that show the surface.

        Args:
            patches: in rows from the top left.
            surface: as `seen_surface` gives it, moved like the picture.
        """
        side = round(patches.shape[1] ** 0.5)
        step = surface.shape[1] // (side * CELLS)
        cells = surface[:, step // 2 :: step, step // 2 :: step]
        target = (
            cells.unflatten(2, (side, CELLS)).unflatten(1, (side, CELLS)).transpose(2, 3)
        )  # [B i p j q 6] -> [B i j p q 6]
        target = target.flatten(3, 4).flatten(1, 2)
        predicted = self.project(self.norm(patches)).unflatten(2, (CELLS * CELLS, NUM_VALUES))
        is_seen = target[..., 3:].abs().sum(dim=-1) > 0
        error = F.l1_loss(predicted, target, reduction="none").mean(dim=-1)
        return (error * is_seen).sum() / is_seen.sum().clamp(min=1)
