"""The CPU rasteriser: one thread, compiled, with its gradient written out; the same maths as `reference.py`.

Letters: G Gaussians, H W pixels (H = W), R C rows and columns of blocks, K splats drawn.
"""

from dataclasses import dataclass

import numpy as np

from ltm3d.splatting.blending import BLOCK_HEIGHT, BLOCK_WIDTH, LANES, blend, blend_backward
from ltm3d.splatting.camera import Pinhole
from ltm3d.splatting.projection import SPLAT_GRADIENT_WIDTH, SPLAT_WIDTH, project, project_backward


@dataclass(frozen=True, eq=False)
class Drawing:
    """What is drawn of one view, and what its gradient needs.

    Attributes:
        blocks: colours times alpha, and alpha, float32 [R, C, 4, 8].
        splats: projected Gaussians [G, 11].
        order: the drawn ones, front to back [K].
    """

    blocks: np.ndarray
    splats: np.ndarray
    order: np.ndarray

    @property
    def rgba(self) -> np.ndarray:
        """Colours times alpha, and alpha, float32 [H, W, 4]."""
        return from_blocks(self.blocks)


def rasterize(parameters: np.ndarray, view: Pinhole) -> Drawing:
    """Draw a table of Gaussians, float32 [G, 14].

    Raises:
        ValueError: the resolution is no multiple of 4.
    """
    if view.resolution % BLOCK_WIDTH:
        raise ValueError(f"resolution {view.resolution} is not a multiple of {BLOCK_WIDTH}; round it up")
    num_rows, num_columns = view.resolution // BLOCK_HEIGHT, view.resolution // BLOCK_WIDTH
    splats = np.empty((len(parameters), SPLAT_WIDTH), np.float32)
    depth = np.empty(len(parameters), np.float32)
    place = view.rotation, view.eye, view.focal, view.half_tangent
    project(parameters, *place, view.resolution, splats, depth)
    order = front_to_back(depth)
    blocks = np.empty((num_rows, num_columns, 4, LANES), np.float32)
    blend(splats, order, num_rows, num_columns, blocks.reshape(-1))
    return Drawing(blocks=blocks, splats=splats, order=order)


def rasterize_backward(
    parameters: np.ndarray, view: Pinhole, drawing: Drawing, block_gradient: np.ndarray
) -> np.ndarray:
    """Return the gradient [G, 14] of a loss with respect to the parameters.

    Args:
        block_gradient: of the same loss with respect to `drawing.blocks`, float32 [R, C, 4, 8].
    """
    num_rows, num_columns = drawing.blocks.shape[:2]
    state = np.empty(num_rows * num_columns * 5 * LANES, np.float32)
    splat_gradient = np.empty((len(parameters), SPLAT_GRADIENT_WIDTH), np.float32)
    blend_backward(drawing.splats, drawing.order, drawing.blocks, block_gradient, state, splat_gradient)
    gradient = np.zeros_like(parameters)
    place = view.rotation, view.eye, view.focal, view.half_tangent
    project_backward(parameters, *place, drawing.splats, drawing.order, splat_gradient, gradient)
    return gradient


def to_blocks(rgba: np.ndarray) -> np.ndarray:
    """Put a rgba [..., H, W, D] in blocks [..., R, C, D, 8]."""
    *rest, height, width, depth = rgba.shape
    blocks = rgba.reshape(*rest, height // BLOCK_HEIGHT, BLOCK_HEIGHT, width // BLOCK_WIDTH, BLOCK_WIDTH, depth)
    blocks = np.moveaxis(blocks, (-4, -2), (-2, -1))  # [..., R, 2, C, 4, D] -> [..., R, C, D, 2, 4]
    return np.ascontiguousarray(blocks).reshape(*blocks.shape[:-2], LANES)


def from_blocks(blocks: np.ndarray) -> np.ndarray:
    """Put blocks [..., R, C, D, 8] together to a rgba [..., H, W, D]."""
    *rest, num_rows, num_columns, depth, _ = blocks.shape
    pixels = blocks.reshape(*blocks.shape[:-1], BLOCK_HEIGHT, BLOCK_WIDTH)
    pixels = np.moveaxis(pixels, (-2, -1), (-4, -2))  # [..., R, C, D, 2, 4] -> [..., R, 2, C, 4, D]
    return np.ascontiguousarray(pixels).reshape(*rest, num_rows * BLOCK_HEIGHT, num_columns * BLOCK_WIDTH, depth)


def composite(rgba: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Lay a rgba [H, W, 4] over a colour [3]: [H, W, 3]."""
    return rgba[..., :3] + (1 - rgba[..., 3:]) * background


def front_to_back(depth: np.ndarray) -> np.ndarray:
    """Return the indices of finite depths, float32 [G], all positive: nearest first, equal ones in their order.

    Positive floats sort like their bits; two passes over 16 bits each are numpy's radix sort.
    """
    seen = np.flatnonzero(depth < np.inf)
    bits = depth[seen].view(np.uint32)
    order = np.argsort(bits.astype(np.uint16), kind="stable")
    high = (bits >> 16).astype(np.uint16)
    return seen[order[np.argsort(high[order], kind="stable")]]
