"""Cut away what a mask hides: a card with the picture of a leaf becomes the leaf."""

from dataclasses import replace

import numpy as np

from ltm3d.geometry.base_color import alpha_within
from ltm3d.geometry.parts import Part, select_faces

FINEST = 1 / 256  # of an asset's longest side: as fine as its faces are cut
MAX_PIECES = 200_000  # of one part; where there would be more, faces that are hidden in part stay whole
_SHARE = 0.25  # of the places looked at that must be seen for a smallest piece to stay


def cut_hidden(part: Part, *, smallest: float) -> Part:
    """Leave out faces that the material's mask hides, and quarter those that it hides in part, again and again.

    Args:
        smallest: length of the longest edge from which a piece is not cut further.
    """
    limit = part.material.min_alpha
    if limit is None:
        return part
    done: list[Part] = []
    rest, count = part, len(part.faces)
    while len(rest.faces):
        share = (alpha_within(rest) >= limit).mean(axis=1)
        edges = np.roll(rest.vertices[rest.faces], -1, axis=1) - rest.vertices[rest.faces]
        is_cut = (share > 0) & (share < 1) & (np.linalg.norm(edges, axis=2).max(axis=1) > smallest)
        count += 3 * int(is_cut.sum())
        if count > MAX_PIECES:
            is_cut[:] = False
        stays = ~is_cut & (share >= _SHARE if done and count <= MAX_PIECES else share > 0)
        done.append(_rows(rest, stays))
        rest = _quarter(_rows(rest, is_cut))
    if len(done) == 1 and len(done[0].faces) == len(part.faces):
        return part
    uv, glow_uv, light = (
        None if getattr(part, name) is None else np.concatenate([getattr(each, name) for each in done])
        for name in ("uv", "glow_uv", "light")
    )
    faces = np.concatenate([each.faces for each in done])
    joined = replace(part, vertices=rest.vertices, faces=faces, uv=uv, glow_uv=glow_uv, light=light)
    return select_faces(joined, np.arange(len(faces)))


def _rows(part: Part, kept: np.ndarray) -> Part:
    """Return the part with some of its faces [F] and all its vertices."""
    uv, glow_uv, light = (None if values is None else values[kept] for values in (part.uv, part.glow_uv, part.light))
    return replace(part, faces=part.faces[kept], uv=uv, glow_uv=glow_uv, light=light)


def _quarter(part: Part) -> Part:
    """Cut all faces at the middles of their edges; neighbours share the new vertices, which come last."""
    edges = np.sort(np.stack([part.faces, np.roll(part.faces, -1, axis=1)], axis=2), axis=2).reshape(-1, 2)
    edges, which = np.unique(edges, axis=0, return_inverse=True)
    middles = len(part.vertices) + which.reshape(-1, 3)

    def cut(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else _pieces(values, (values + np.roll(values, -1, axis=1)) / 2)

    return replace(
        part,
        vertices=np.concatenate([part.vertices, part.vertices[edges].mean(axis=1)]),
        faces=_pieces(part.faces, middles),
        uv=cut(part.uv),
        glow_uv=cut(part.glow_uv),
        light=cut(part.light),
    )


def _pieces(corners: np.ndarray, middles: np.ndarray) -> np.ndarray:
    """Values at the corners and at the middles of edges 01, 12, 20 [F, 3, …] → those of the four pieces [4F, 3, …]."""
    (a, b, c), (ab, bc, ca) = np.moveaxis(corners, 1, 0), np.moveaxis(middles, 1, 0)
    return np.concatenate([np.stack(piece, axis=1) for piece in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
