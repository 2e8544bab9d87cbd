"""Colours within faces: what a texture shows between vertices, without texture coordinates.

Mesh colours (Yuksel, Keyser, House 2010): a face of level n has a triangular grid of (n + 1)(n + 2) / 2 texels, n
intervals along each edge. No atlas, no seams: it goes where its face goes.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

MAX_LEVEL = 255


@dataclass(frozen=True, eq=False)
class FaceColors:
    """The texels of F faces.

    Attributes:
        levels: intervals along an edge, uint8 [F]; 0 = the face shows the colours of its vertices.
        texels: uint8 sRGB [T, 3], face after face; within a face row by row, from corner 0 to corner 1, and in a row
            from the edge 0-1 on, in the direction from corner 0 to corner 2.
    """

    levels: np.ndarray
    texels: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", np.ascontiguousarray(self.levels, np.uint8))
        object.__setattr__(self, "texels", np.ascontiguousarray(self.texels, np.uint8))
        wanted = int(num_texels(self.levels).sum())
        if self.levels.ndim != 1 or self.texels.shape != (wanted, 3):
            raise ValueError(
                f"levels {self.levels.shape} and texels {self.texels.shape} do not fit; expected [F], [{wanted}, 3]"
            )

    @cached_property
    def starts(self) -> np.ndarray:
        """Index of each face's first texel, int64 [F]."""
        return np.cumsum(num_texels(self.levels)) - num_texels(self.levels)

    def select(self, faces: np.ndarray) -> "FaceColors":
        """Return the texels of some of the faces, by their indices or a mask [F]."""
        levels, starts = self.levels[faces], self.starts[faces]
        sizes = num_texels(levels)
        within = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return FaceColors(levels, self.texels[np.repeat(starts, sizes) + within])

    def look_up(self, faces: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Find the texels around places on faces.

        Args:
            faces: face of each place [S].
            weights: barycentric, of the face's corners [S, 3].

        Returns:
            Which of the places lie on faces with texels [K]; their three texels, uint8 sRGB [K, 3, 3]; the shares of
            these, which sum to 1, float32 [K, 3].
        """
        which = np.flatnonzero(self.levels[faces])
        level, start = self.levels[faces[which]].astype(np.int64), self.starts[faces[which]]
        x, y = (weights[which, corner].astype(np.float32) * level for corner in (1, 2))
        row = np.clip(x.astype(np.int64), 0, level - 1)
        place = np.clip(y.astype(np.int64), 0, level - 1 - row)
        x, y = np.clip(x - row, 0, 1), np.clip(y - place, 0, 1)
        upper = (x + y > 1) & (row + place < level - 1)
        total = np.maximum(x + y, 1)  # 1 but for rounding, where there is no upper half
        near = np.stack([np.maximum(1 - x - y, 0), x / total, y / total], axis=1)
        far = np.stack([x + y - 1, 1 - y, 1 - x], axis=1)
        shares = np.where(upper[:, None], far, near).astype(np.float32)
        texels = start + np.stack(
            [
                _index(level, row + upper, place + upper),
                _index(level, row + 1, place),
                _index(level, row, place + 1),
            ]
        )
        return which, self.texels[texels.T], shares


def num_texels(levels: np.ndarray) -> np.ndarray:
    """Return how many texels faces of these levels have, int64."""
    levels = levels.astype(np.int64)
    return np.where(levels > 0, (levels + 1) * (levels + 2) // 2, 0)


def texel_places(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the face of each texel, int64 [T], and its barycentric weights, float32 [T, 3]."""
    sizes = num_texels(levels)
    faces = np.repeat(np.arange(len(levels)), sizes)
    starts = np.cumsum(sizes) - sizes
    weights = np.empty((len(faces), 3), np.float32)
    for level in np.unique(levels[levels > 0]).tolist():
        row, place = (axis.astype(np.float32) for axis in np.nonzero(np.tri(level + 1, dtype=bool)[::-1]))
        grid = np.stack([level - row - place, row, place], axis=1) / np.float32(level)
        weights[starts[levels == level][:, None] + np.arange(len(grid))] = grid
    return faces, weights


def join_face_colors(parts: list[FaceColors | None], num_faces: list[int]) -> FaceColors | None:
    """Return the texels of several meshes as one; None where none has any."""
    if all(part is None for part in parts):
        return None
    levels = [np.zeros(n, np.uint8) if part is None else part.levels for part, n in zip(parts, num_faces, strict=True)]
    texels = [np.zeros((0, 3), np.uint8) if part is None else part.texels for part in parts]
    return FaceColors(np.concatenate(levels), np.concatenate(texels))


def _index(level: np.ndarray, row: np.ndarray, place: np.ndarray) -> np.ndarray:
    return row * (2 * level + 3 - row) // 2 + place
