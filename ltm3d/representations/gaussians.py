"""3D Gaussians as a training target: a fixed number of them, fitted to pictures of the mesh.

Letters: G Gaussians, V views, N surface points.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from ltm3d.errors import ConfigError
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.surface_points import sample_surface
from ltm3d.rendering.cameras import ViewConfig, orbit_camera
from ltm3d.rendering.embree import render
from ltm3d.rendering.pixels import Views
from ltm3d.splatting.canonical import canonicalize
from ltm3d.splatting.fitting import FitConfig, fit, held_out_views
from ltm3d.splatting.initialization import initialize
from ltm3d.splatting.picture_loss import measure_psnr, premultiply
from ltm3d.splatting.record import Gaussians, to_parameters
from ltm3d.splatting.visibility import look_up

_OVERSAMPLING = 4  # surface points for each Gaussian, of which those that the pictures show are kept
_GOLDEN_ANGLE = 180 * (3 - math.sqrt(5))


@dataclass(frozen=True, kw_only=True)
class GaussiansTargetConfig:
    """How one object becomes Gaussians.

    Attributes:
        num_gaussians: of each object, whatever its size.
        num_views: pictures that are fitted; `fit.num_held_out` more are only measured.
        resolution: of a picture, pixels.
        field_of_view: of a picture, degrees.
        supersample: rays a pixel along one axis.
        fit: steps and learning rates.
    """

    num_gaussians: int = 8192
    num_views: int = 32
    resolution: int = 128
    field_of_view: float = 30.0
    supersample: int = 2
    fit: FitConfig = field(default_factory=FitConfig)

    def __post_init__(self) -> None:
        checks = (
            (1 <= self.num_gaussians <= 1_000_000, "num_gaussians", "1 to 1,000,000"),
            (4 <= self.num_views <= 1000, "num_views", "4 to 1,000"),
            (
                16 <= self.resolution <= 2048 and self.resolution % 4 == 0,
                "resolution",
                "a multiple of 4 from 16 to 2,048",
            ),
            (5 <= self.field_of_view <= 120, "field_of_view", "5 to 120 degrees"),
            (1 <= self.supersample <= 8, "supersample", "1 to 8"),
        )
        for holds, name, limit in checks:
            if not holds:
                raise ConfigError(f"{name} {getattr(self, name)} is out of range; use {limit}")


def build_gaussians_target(
    mesh: Mesh, *, config: GaussiansTargetConfig, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Return the field `gaussians` [G, 14] of a mesh in the normalised frame, float16, and the record's facts.

    The table of `splatting.record`, in the one order, axes and signs of `splatting.canonical`. The facts are the mean
    PSNR of the pictures that were fitted and of those held out, dB, for the Gaussians as stored.

    Raises:
        AssetError: `no_surface`, the mesh has no area.
    """
    num_views = config.num_views + config.fit.num_held_out
    cameras = sphere_cameras(num_views, mesh, field_of_view=config.field_of_view, rng=rng)
    views = take_views(mesh, cameras, config=config)
    initial = discs(mesh, views, cameras, config=config, rng=rng)
    seed = int(rng.integers(2**32))
    fitted, _ = fit(initial, views.images, cameras, field_of_view=config.field_of_view, config=config.fit, seed=seed)
    stored = to_parameters(canonicalize(fitted)).astype(np.float16)
    psnr = measure_psnr(
        stored.astype(np.float32), premultiply(views.images), cameras, field_of_view=config.field_of_view
    )
    held_out = held_out_views(num_views, config.fit.num_held_out)
    facts = {"psnr_fitted": float(psnr[~held_out].mean())}
    if held_out.any():
        facts["psnr_held_out"] = float(psnr[held_out].mean())
    return {"gaussians": stored}, facts


def sphere_cameras(count: int, mesh: Mesh, *, field_of_view: float, rng: np.random.Generator) -> np.ndarray:
    """Return cameras [V, 4, 4] spread evenly over a sphere, top to bottom, at a random turn about the vertical axis.

    All are as far away as the smallest sphere around the origin that holds the mesh asks for, so that a pixel has
    nearly the same size in each.
    """
    radius = float(np.linalg.norm(mesh.vertices[np.unique(mesh.faces)], axis=1).max(initial=1e-3))
    distance = radius / math.sin(math.radians(field_of_view) / 2)
    elevations = np.degrees(np.arcsin(1 - (2 * np.arange(count) + 1) / count))
    azimuths = rng.uniform(0, 360) + _GOLDEN_ANGLE * np.arange(count)
    pairs = zip(azimuths.tolist(), elevations.tolist(), strict=True)
    return np.stack([orbit_camera(azimuth % 360, elevation, distance) for azimuth, elevation in pairs])


def take_views(mesh: Mesh, cameras: np.ndarray, *, config: GaussiansTargetConfig) -> Views:
    """Render the pictures to fit: light from the sky alone, since a headlight would move with the camera."""
    view_config = ViewConfig(
        resolution=config.resolution,
        field_of_view=config.field_of_view,
        supersample=config.supersample,
        sky=1.0,
        headlight=0.0,
    )
    return render(mesh, cameras, config=view_config)


def discs(
    mesh: Mesh, views: Views, cameras: np.ndarray, *, config: GaussiansTargetConfig, rng: np.random.Generator
) -> Gaussians:
    """Lay discs on the part of the surface that the pictures show, in the pictures' colours.

    Where the pictures show too few points, some hidden ones are taken too."""
    samples = sample_surface(mesh, _OVERSAMPLING * config.num_gaussians, rng)
    sightings = look_up(samples.points, views.images, views.depth, cameras, field_of_view=config.field_of_view)
    seen = np.flatnonzero(sightings.count)
    if len(seen) < config.num_gaussians:
        hidden = np.flatnonzero(sightings.count == 0)
        seen = np.concatenate([seen, rng.permutation(hidden)[: config.num_gaussians - len(seen)]])
    chosen = seen[rng.permutation(len(seen))[: config.num_gaussians]]
    return initialize(samples.points[chosen], samples.normals[chosen], sightings.colors[chosen])
