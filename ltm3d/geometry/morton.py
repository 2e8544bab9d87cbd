"""The Z-order curve by Morton 1966."""

import numpy as np


def morton_order(points: np.ndarray) -> np.ndarray:
    """Return the indices [N] that put points [N, 3] on a Z-order curve, so that neighbours in memory are in space."""
    low = points.min(axis=0) if len(points) else np.zeros(3, np.float32)
    extent = max(float(np.ptp(points, axis=0).max()), 1e-12) if len(points) else 1.0
    cells = ((points - low) * (1023 / extent)).astype(np.uint32)
    code = np.zeros(len(points), np.uint64)
    for axis in range(3):  # spread 10 bits to every third place
        bits = cells[:, axis].copy()
        for shift, keep in ((16, 0x030000FF), (8, 0x0300F00F), (4, 0x030C30C3), (2, 0x09249249)):
            bits = (bits | (bits << np.uint32(shift))) & np.uint32(keep)
        code |= bits.astype(np.uint64) << np.uint64(32 + axis)
    code |= np.arange(len(points), dtype=np.uint64)  # equal codes in their old order
    return (np.sort(code) & np.uint64(0xFFFFFFFF)).astype(np.int64)
