"""Remove what is plain behind an object: a wall, a floor, a board between them, and the soft shadow on them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, UInt8
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from ltm3d.errors import PromptError

COLOUR_TOLERANCE = 0.07  # distance of a background pixel to its surface's colour, RGB in [0, 1]
PLAIN_SHARE = 0.4  # share of border pixels that surfaces must explain, each of them in its domain, too
MAX_SURFACES = 4
SURFACE_SHARE = 0.008  # least share of border pixels that makes another surface
OBJECT_SHARE = 0.25  # most of the border that the object itself may touch
DARKEST_SHADOW = 0.35  # of the background's light
SHADOW_TINT = 0.04  # distance of a shadow's colour to the darkened background, RGB in [0, 1]
SHADOW_SLOPE = 0.05  # most that a soft shadow darkens over a 256th of the picture
CRUMB_SHADE = 0.7  # share of shaded pixels from which a part beside the largest is a shadow's rest
FAINT_SHARE = 0.33  # most of the outline that may have nearly the background's colour
THIN = 0.006  # of the picture's longer side: half the width of a line that is no object where it reaches the border


@dataclass(frozen=True, kw_only=True)
class Surface:
    """One plain surface of the background.

    Attributes:
        colour: [H, W, 3], a polynomial in x and y of degree 2, of degree 1 where it is a narrow band.
        distance: [H, W], of each pixel to it, RGB in [0, 1].
        limit: distance up to which a pixel fits it.
        border: [H, W], the border pixels that fit it.
        domain: [H, W], the convex hull of those: where it is what is behind the object.
    """

    colour: np.ndarray
    distance: np.ndarray
    limit: float
    border: np.ndarray
    domain: np.ndarray

    @property
    def fits(self) -> np.ndarray:
        """Mark the pixels [H, W] of its domain that have its colour."""
        return self.domain & (self.distance < self.limit)


def find_object(rgb: UInt8[np.ndarray, "H W 3"]) -> Bool[np.ndarray, "H W"]:
    """Mark what differs from a background of one or a few plain, smoothly shaded surfaces.

    Surfaces are fitted to the border. What matches one and touches its part of the border is background, and so are
    larger holes that match one well, soft shadows, the blurred edge between two surfaces, and thin lines that come in
    from the border.

    Raises:
        PromptError: the border is not plain, nothing differs from it, or the object's outline does not show.
    """
    colours = rgb.astype(np.float32) / 255
    border = border_of(rgb.shape[:2])
    surfaces = find_surfaces(colours, border)
    if not surfaces:
        raise _not_plain()
    removed = _connected(surfaces)
    removed |= _holes(surfaces, removed)
    removed |= _seams(surfaces, removed, colours)
    mask = ~removed
    shades = [_shade(colours, surface) for surface in surfaces]
    for surface, shade in zip(surfaces, shades, strict=True):
        mask = _without_soft_shadow(mask, shade, colours, surface, border)
    if len(surfaces) > 1:
        mask = _without_thin_lines(mask, border)
    parts, count = ndimage.label(mask, structure=np.ones((3, 3)))
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    sizes[0] = 0
    if sizes.max(initial=0) < 2e-4 * mask.size:
        raise PromptError("nothing is left after the plain background is removed: use a picture that shows one object")
    shaded = np.bincount(parts[np.any(shades, axis=0)], minlength=count + 1)
    found = ((sizes == sizes.max()) | ((sizes >= max(0.01 * sizes.max(), 3)) & (shaded < CRUMB_SHADE * sizes)))[parts]
    if found[border].mean() > OBJECT_SHARE:
        raise _not_plain()
    if _faint(found, surfaces) > FAINT_SHARE:
        raise PromptError(
            "the object's outline does not show: its colour is the background's there; take the picture before another "
            "colour, or cut the object out and save a PNG with transparency"
        )
    return found


def without_fringe(rgb: UInt8[np.ndarray, "H W 3"], found: Bool[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W 3"]:
    """Give the pixels of an object's outline, which the background shines into, the colour of what lies next within.

    Parts that are nothing but outline keep their colours.
    """
    inner = ndimage.binary_erosion(found, iterations=2)
    if not inner.any():
        return rgb
    distance, (rows, columns) = ndimage.distance_transform_edt(~inner, return_indices=True)
    is_outline = found & ~inner & (distance < 4)
    cleaned = rgb.copy()
    cleaned[is_outline] = rgb[rows[is_outline], columns[is_outline]]
    return cleaned


def border_of(shape: tuple[int, ...]) -> Bool[np.ndarray, "H W"]:
    """Mark the outermost pixels, one and a half hundredths of the longer side."""
    border = np.zeros(shape, dtype=bool)
    rim = max(1, round(0.015 * max(shape)))
    border[:rim], border[-rim:], border[:, :rim], border[:, -rim:] = True, True, True, True
    return border


def find_surfaces(colours: np.ndarray, border: np.ndarray) -> list[Surface]:
    """Fit plain surfaces to the border, the largest first; none where they do not explain it.

    Beside the largest, a surface must reach two opposite sides, as a floor or a skirting board does and the part of an
    object that the picture's edge cuts off does not. It may be lit evenly or as the largest is.
    """
    surfaces: list[Surface] = []
    remaining = border.copy()
    for _ in range(MAX_SURFACES):
        if remaining.sum() < max(SURFACE_SHARE * border.sum(), 12):
            break
        lights = [np.ones_like(colours[..., :1])]
        if surfaces:
            lights.append(np.clip(surfaces[0].colour.mean(axis=-1, keepdims=True), 0.2, 1))
        tried = [_fit(colours, remaining, light * _commonest((colours / light)[remaining])) for light in lights]
        fitted = [each for each in tried if each is not None]
        surface = max(fitted, key=lambda each: (_spans(each.border), each.border.sum()), default=None)
        if surface is None:
            break
        remaining &= ~surface.border
        if not surfaces or _spans(surface.border):
            surfaces.append(surface)
    if len(surfaces) > 1:
        nearest = np.argmin([surface.distance for surface in surfaces], axis=0)
        shared = [_fit(colours, border & (nearest == index), surface.colour) for index, surface in enumerate(surfaces)]
        surfaces = [surface for surface in shared if surface is not None]
    pure = [surface for surface in surfaces if surface.border.sum() >= PLAIN_SHARE * (border & surface.domain).sum()]
    explained = np.any([surface.border for surface in pure], axis=0).sum() if pure else 0
    return pure if explained >= PLAIN_SHARE * border.sum() else []


def _commonest(values: np.ndarray) -> np.ndarray:
    """Return the median of those colours [N, 3] that are near the one that most are near."""
    seeds = values[:: max(1, len(values) // 64)]
    near = np.linalg.norm(values[None] - seeds[:, None], axis=-1) < 2 * COLOUR_TOLERANCE
    return np.asarray(np.median(values[near[near.sum(axis=1).argmax()]], axis=0))


def _fit(colours: np.ndarray, among: np.ndarray, first: np.ndarray) -> Surface | None:
    """Fit a surface to those of some border pixels [H, W] that are near a first guess of its colour [H, W, 3]."""
    height, width = among.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    terms = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=-1)
    colour = first
    for tolerance in (3, 2, 1.5, 1, 1):
        distance = np.linalg.norm(colours - np.clip(colour, 0, 1), axis=-1)
        fits = among & (distance < tolerance * COLOUR_TOLERANCE)
        if fits.sum() < max(SURFACE_SHARE * border_of(among.shape).sum(), 12):
            return None
        basis = terms[..., : 6 if _is_wide(fits) else 3]
        lit = np.where(colours[fits] > 0.99, np.maximum(colours[fits], colour[fits]), colours[fits])  # beyond white
        coefficients, *_ = np.linalg.lstsq(basis[fits], lit, rcond=None)
        colour = basis @ coefficients
    colour = np.clip(colour, 0, 1)
    distance = np.linalg.norm(colours - colour, axis=-1)
    noise = float(np.percentile(distance[fits], 95))
    return Surface(
        colour=colour, distance=distance, limit=max(COLOUR_TOLERANCE, 2 * noise), border=fits, domain=_hull(fits)
    )


def _hull(marked: np.ndarray) -> np.ndarray:
    """Fill the convex hull of marked pixels [H, W], and a pixel around it."""
    rows, columns = np.nonzero(marked)
    points = np.stack([rows, columns], axis=1).astype(np.float64)
    try:
        hull = ConvexHull(points)
    except QhullError:  # all on one line
        return np.asarray(ndimage.binary_dilation(marked))
    y, x = np.mgrid[: marked.shape[0], : marked.shape[1]].astype(np.float32)
    inside = np.ones_like(marked)
    for a, b, offset in np.unique(hull.equations.astype(np.float32), axis=0):
        inside &= a * y + b * x + offset <= 1
    return inside


def _is_wide(fits: np.ndarray) -> bool:
    """Say whether border pixels [H, W] reach over a quarter of the picture both ways: enough to fit a square term."""
    return all(np.ptp(np.flatnonzero(fits.any(axis=axis))) > fits.shape[1 - axis] / 4 for axis in (0, 1))


def _spans(fits: np.ndarray) -> bool:
    """Say whether border pixels [H, W] reach two opposite sides."""
    return bool((fits[:, 0].any() and fits[:, -1].any()) or (fits[0].any() and fits[-1].any()))


def _connected(surfaces: list[Surface]) -> np.ndarray:
    """Mark what matches a surface and touches its part of the border."""
    removed = np.zeros_like(surfaces[0].border)
    for surface in surfaces:
        regions, count = ndimage.label(surface.fits)
        reaches = np.bincount(regions[surface.border], minlength=count + 1) > 0
        reaches[0] = False
        removed |= reaches[regions]
    return removed


def _holes(surfaces: list[Surface], removed: np.ndarray) -> np.ndarray:
    """Mark larger regions within the object that match a surface well."""
    holes = np.zeros_like(removed)
    for surface in surfaces:
        regions, count = ndimage.label(surface.fits & ~removed)
        sizes = np.bincount(regions.ravel(), minlength=count + 1)
        total = np.bincount(regions.ravel(), weights=surface.distance.ravel(), minlength=count + 1)
        matches = (total < 0.5 * surface.limit * sizes) & (sizes >= 5e-4 * removed.size)
        matches[0] = False
        holes |= matches[regions]
    return holes


def _seams(surfaces: list[Surface], removed: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Mark the blurred edge between two surfaces: pixels near both whose colour is mixed of theirs, or their shadow."""
    seams = np.zeros_like(removed)
    reach = max(2, round(0.008 * max(removed.shape)))
    near = [ndimage.binary_dilation(removed & surface.fits, iterations=reach) for surface in surfaces]
    for i, first in enumerate(surfaces):
        for j, second in enumerate(surfaces[:i]):
            at = near[i] & near[j] & ~removed
            pair = np.stack([first.colour[at], second.colour[at]], axis=-1)  # [N, 3, 2]
            shares = np.clip(np.einsum("nkc,nc->nk", np.linalg.pinv(pair), colours[at]), 0, 1)  # of the two
            off = np.linalg.norm(colours[at] - np.einsum("nck,nk->nc", pair, shares), axis=-1)
            total = shares.sum(axis=-1)
            seams[at] |= (off < SHADOW_TINT) & (total > DARKEST_SHADOW) & (total < 1.05)
    return seams


def _faint(found: np.ndarray, surfaces: list[Surface]) -> float:
    """Return the share of pixels just within an outline [H, W] that have nearly a surface's colour."""
    inner = ndimage.binary_erosion(found) & ~ndimage.binary_erosion(found, iterations=3)
    limits = [min(surface.limit, 2 * COLOUR_TOLERANCE) for surface in surfaces]
    distances = [ndimage.uniform_filter(surface.distance, 3) for surface in surfaces]
    alike = [
        surface.domain & (distance < 1.5 * limit)
        for surface, distance, limit in zip(surfaces, distances, limits, strict=True)
    ]
    return float(np.any(alike, axis=0)[inner].mean()) if inner.any() else 0.0


def _shade(colours: np.ndarray, surface: Surface) -> np.ndarray:
    """Mark the pixels [H, W] of a surface's domain that have its colour, darkened."""
    light, tint = _light(colours, surface.colour)
    return surface.domain & (light > DARKEST_SHADOW) & (light < 1.05) & (tint < SHADOW_TINT)


def _light(colours: np.ndarray, backdrop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of a backdrop's light in each pixel, and how far the colour is from the backdrop under it."""
    light = np.einsum("hwc,hwc->hw", colours, backdrop) / np.maximum(np.einsum("hwc,hwc->hw", backdrop, backdrop), 1e-6)
    return light, np.linalg.norm(colours - light[..., None] * backdrop, axis=-1)


def _without_soft_shadow(
    mask: np.ndarray, shade: np.ndarray, colours: np.ndarray, surface: Surface, border: np.ndarray
) -> np.ndarray:
    """Take from a mask [H, W] the surface darkened without an edge, as far as it joins what is removed.

    A grey thing has an edge against its background, where this ends. Where most of the mask would go, it stays: so the
    shadow of a grey thing that is as dark as the thing itself stays, too.
    """
    light, _ = _light(colours, surface.colour)
    step = max(mask.shape) / 256
    slope = ndimage.gaussian_gradient_magnitude(light, max(step, 0.7)) * step
    regions, count = ndimage.label(~mask | (shade & (slope < SHADOW_SLOPE)))
    reaches_border = np.bincount(regions[border & ~mask], minlength=count + 1) > 0
    reaches_border[0] = False
    kept = mask & ~reaches_border[regions]
    return kept if kept.sum() >= 0.25 * mask.sum() else mask


def _without_thin_lines(mask: np.ndarray, border: np.ndarray) -> np.ndarray:
    """Take from a mask [H, W] the thin lines that come in from the border: joints of boards, the edge of a carpet."""
    radius = max(1.5, THIN * max(mask.shape))
    padded = np.pad(mask, 1, mode="edge")
    core = ndimage.distance_transform_edt(padded)[1:-1, 1:-1] > radius
    thick = ndimage.distance_transform_edt(~core) <= radius + 1 if core.any() else np.zeros_like(mask)
    lines, count = ndimage.label(mask & ~thick, structure=np.ones((3, 3)))
    reaches = np.bincount(lines[border], minlength=count + 1) > 0
    reaches[0] = False
    return mask & ~reaches[lines]


def _not_plain() -> PromptError:
    return PromptError(
        "the picture has no plain background to remove: cut the object out and save a PNG with transparency, "
        "or take the picture in front of a plain wall"
    )
