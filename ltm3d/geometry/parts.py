"""What a mesh file holds, in whatever format: parts in place, each with one material."""

from dataclasses import dataclass, field, replace

import numpy as np

from ltm3d.errors import AssetError

REPEAT, CLAMP, MIRROR = "repeat", "clamp", "mirror"
_DEGENERATE = 1e-12  # sine of a face's largest angle, below which it is a line


@dataclass(frozen=True, eq=False, kw_only=True)
class Texture:
    """A decoded picture and how coordinates outside of it are taken.

    Attributes:
        pixels: uint8 [H, W, 4], sRGB and straight alpha; row 0 is at the top.
        wrap: for u and v, `repeat`, `clamp` or `mirror`.
    """

    pixels: np.ndarray
    wrap: tuple[str, str] = (REPEAT, REPEAT)


@dataclass(frozen=True, eq=False, kw_only=True)
class Material:
    """The colour of a part.

    Attributes:
        factor: linear RGBA [4], or None where the material says nothing.
        texture: multiplies the factor.
        glow: linear RGB [3] that the surface gives off, times `glow_texture` where there is one.
        min_alpha: what has less is not there: the cutoff of a mask, a hair for blending; None = all is opaque.
    """

    factor: np.ndarray | None = None
    texture: Texture | None = None
    glow: np.ndarray | None = None
    glow_texture: Texture | None = None
    min_alpha: float | None = None


PLAIN = Material()


@dataclass(frozen=True, eq=False, kw_only=True)
class Part:
    """Triangles of one material in the file's frame; N vertices, F faces.

    Attributes:
        vertices: float64 [N, 3].
        faces: int64 [F, 3].
        uv: coordinates in the texture at each corner of each face, float64 [F, 3, 2], origin at the upper left.
        glow_uv: the same in the texture of the glow.
        light: linear RGB or RGBA at each corner, float32 [F, 3, 3 or 4]; multiplies the material.
    """

    vertices: np.ndarray
    faces: np.ndarray
    material: Material = field(default=PLAIN)
    uv: np.ndarray | None = None
    glow_uv: np.ndarray | None = None
    light: np.ndarray | None = None

    def __post_init__(self) -> None:
        if len(self.faces) and (self.faces.min() < 0 or self.faces.max() >= len(self.vertices)):
            number = self.faces.max() if self.faces.min() >= 0 else self.faces.min()
            raise AssetError("parse_error", f"a face names vertex {number}; there are {len(self.vertices)}")


def select_faces(part: Part, faces: np.ndarray) -> Part:
    """Return the part with some of its faces (indices or a mask [F]), and only the vertices that these use."""
    kept = part.faces[faces]
    used, renamed = np.unique(kept, return_inverse=True)
    return replace(
        part,
        vertices=part.vertices[used],
        faces=renamed.reshape(-1, 3).astype(np.int64),
        uv=None if part.uv is None else part.uv[faces],
        glow_uv=None if part.glow_uv is None else part.glow_uv[faces],
        light=None if part.light is None else part.light[faces],
    )


def place(part: Part, matrix: np.ndarray) -> Part:
    """Return the part moved by a matrix [4, 4]; a mirror turns the faces round, so that they still look outward."""
    vertices = part.vertices @ matrix[:3, :3].T + matrix[:3, 3]
    if np.linalg.det(matrix[:3, :3]) >= 0:
        return replace(part, vertices=vertices)
    return replace(
        part,
        vertices=vertices,
        faces=part.faces[:, ::-1],
        uv=None if part.uv is None else part.uv[:, ::-1],
        glow_uv=None if part.glow_uv is None else part.glow_uv[:, ::-1],
        light=None if part.light is None else part.light[:, ::-1],
    )


def drop_degenerate(part: Part) -> Part:
    """Return the part without faces that are a line or a point, and without vertices that no other face uses.

    Faces of coordinates that are NaN or infinite stay: `load_mesh` refuses them by name.
    """
    corners = part.vertices[part.faces]
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        edges = np.roll(corners, -1, axis=1) - corners
        lengths = np.linalg.norm(edges, axis=2)
        edges /= np.maximum(lengths, np.finfo(float).tiny)[..., None]
        # At its widest: a needle to a vertex far away is no line, and must count for the extent.
        sines = np.linalg.norm(np.cross(edges, np.roll(edges, -1, axis=1)), axis=2).max(axis=1)
        is_flat = (sines <= _DEGENERATE) | (lengths == 0).any(axis=1)
    return select_faces(part, ~is_flat)
