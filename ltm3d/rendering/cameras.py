"""Where pictures are taken from, and under how strong a light.

A camera is a camera-to-world matrix [4, 4] with OpenGL axes: x right, y up, looking along -z. Azimuth 0 looks at the
object's front (+z) and grows towards +x; elevation is above the horizon.
"""

import hashlib
import math
from dataclasses import dataclass

import numpy as np

from ltm3d.errors import ConfigError
from ltm3d.geometry.mesh import Mesh

CANONICAL_AZIMUTH = 30.0
CANONICAL_ELEVATION = 20.0
_CENTRING_STEPS = 8
CORNER_RADIUS = 0.95 * math.sqrt(3)  # of the sphere around the normalised frame


@dataclass(frozen=True, kw_only=True)
class ViewConfig:
    """How the views of one object are taken: a fixed set, then a random one, from the same band of the sphere.

    Attributes:
        num_views: of the fixed set, the first of which is the canonical view.
        num_random_views: of the random set, uniform on the band.
        azimuth_range: degrees; the fixed set shares it out evenly, from the canonical view on.
        elevation_range: degrees; the band's lower and upper edge.
        azimuth_jitter: degrees, of the fixed set but for its canonical view.
        field_of_view: degrees, of the whole picture.
        fill: share of the picture that the object's longer side fills, 0 = the whole frame's sphere always fits.
        supersample: samples a pixel along one axis.
        sky, headlight: strengths of the diffuse lights, one from above and one beside the camera.
        light_range: lowest and highest factor of both strengths, drawn for each of them in each view but the canonical.
    """

    num_views: int = 6
    num_random_views: int = 0
    resolution: int = 128
    azimuth_range: tuple[float, float] = (-180.0, 180.0)
    elevation_range: tuple[float, float] = (5.0, 35.0)
    azimuth_jitter: float = 20.0
    field_of_view: float = 30.0
    fill: float = 0.9
    supersample: int = 2
    sky: float = 0.35
    headlight: float = 0.75
    light_range: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "elevation_range", tuple(self.elevation_range))
        object.__setattr__(self, "azimuth_range", tuple(self.azimuth_range))
        object.__setattr__(self, "light_range", tuple(self.light_range))
        low, high = self.elevation_range
        first, last = self.azimuth_range
        weakest, strongest = self.light_range
        checks = (
            (self.num_views >= 1, "num_views", self.num_views, "at least 1"),
            (self.num_random_views >= 0, "num_random_views", self.num_random_views, "0 or more"),
            (8 <= self.resolution <= 4096, "resolution", self.resolution, "8 to 4096"),
            (-90 < low <= high < 90, "elevation_range", (low, high), "[low, high] within -90 to 90 degrees"),
            (
                first <= CANONICAL_AZIMUTH <= last <= first + 360,
                "azimuth_range",
                (first, last),
                f"[low, high], at most 360 degrees with {CANONICAL_AZIMUTH:g} in it",
            ),
            (0 <= self.azimuth_jitter <= 180, "azimuth_jitter", self.azimuth_jitter, "0 to 180 degrees"),
            (5 <= self.field_of_view <= 120, "field_of_view", self.field_of_view, "5 to 120 degrees"),
            (0 <= self.fill <= 1, "fill", self.fill, "0 to 1"),
            (1 <= self.supersample <= 8, "supersample", self.supersample, "1 to 8"),
            (self.sky >= 0 and self.headlight >= 0, "sky, headlight", (self.sky, self.headlight), "not negative"),
            (0 <= weakest <= strongest <= 4, "light_range", (weakest, strongest), "[low, high] within 0 to 4"),
        )
        for holds, name, value, limit in checks:
            if not holds:
                raise ConfigError(f"{name} {value} is out of range; use {limit}")

    @property
    def half_tangent(self) -> float:
        """Half the picture's width at distance 1."""
        return math.tan(math.radians(self.field_of_view) / 2)


def orbit_camera(azimuth: float, elevation: float, distance: float) -> np.ndarray:
    """Return the camera [4, 4] that looks at the origin from these angles, degrees, and distance."""
    a, e = math.radians(azimuth), math.radians(elevation)
    back = np.array([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])
    right = np.array([math.cos(a), 0.0, -math.sin(a)])
    camera = np.eye(4)
    camera[:3, 0], camera[:3, 1], camera[:3, 2] = right, np.cross(back, right), back
    camera[:3, 3] = back * distance
    return camera.astype(np.float32)


def orbit_distance(config: ViewConfig) -> float:
    """Return the distance at which the sphere around the whole frame fits the picture."""
    return CORNER_RADIUS / math.sin(math.radians(config.field_of_view) / 2)


def view_cameras(config: ViewConfig, seed_key: object, mesh: Mesh | None = None) -> np.ndarray:
    """Return the cameras of one object's views, float32 [V, 4, 4]: the fixed set, then the random one.

    The first is the canonical three-quarter front view; the others of the fixed set share out the azimuth range, with
    jitter. The random set is uniform on the band: azimuth and the sine of the elevation are.

    Args:
        seed_key: what jitter and random set depend on, e.g. (seed, uid); the text of it counts.
        mesh: where given, and `config.fill` > 0, each camera is moved until this mesh fills the picture.
    """
    rng = _generator(seed_key)
    distance = orbit_distance(config)
    cameras = [orbit_camera(CANONICAL_AZIMUTH, CANONICAL_ELEVATION, distance)]
    low, high = config.azimuth_range
    span = max(high - low, 1e-9)
    for view in range(1, config.num_views):
        azimuth = low + (CANONICAL_AZIMUTH - low + span * view / config.num_views) % span
        jitter = rng.uniform(-config.azimuth_jitter, config.azimuth_jitter)
        cameras.append(orbit_camera(azimuth + jitter, rng.uniform(*config.elevation_range), distance))
    rng = _generator(("random views", seed_key))  # its own: the same set beside any fixed one
    bottom, top = (math.sin(math.radians(elevation)) for elevation in config.elevation_range)
    for _ in range(config.num_random_views):
        azimuth, height = rng.uniform(low, high), rng.uniform(bottom, top)
        cameras.append(orbit_camera(azimuth, math.degrees(math.asin(height)), distance))
    stacked = np.stack(cameras)
    return stacked if mesh is None else fit_cameras(stacked, mesh, config=config)


def view_lights(config: ViewConfig, seed_key: object) -> np.ndarray:
    """Return the strengths of sky and headlight in each view of one object, float64 [V, 2].

    The canonical view has the config's own; in the others each is multiplied by a factor from `config.light_range`.

    Args:
        seed_key: as in `view_cameras`.
    """
    lights = standard_lights(config, config.num_views + config.num_random_views)
    lights[1:] *= _generator(("lights", seed_key)).uniform(*config.light_range, lights[1:].shape)
    return lights


def standard_lights(config: ViewConfig, num_views: int) -> np.ndarray:
    """Return the config's strengths of sky and headlight for each view, float64 [V, 2]."""
    return np.tile(np.array([config.sky, config.headlight]), (num_views, 1))


def _generator(key: object) -> np.random.Generator:
    digest = hashlib.sha256(repr(key).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def fit_cameras(cameras: np.ndarray, mesh: Mesh, *, config: ViewConfig) -> np.ndarray:
    """Move cameras [V, 4, 4], without turning them, until the mesh is centred and its longer side fills the picture.

    The share is `config.fill`; with 0 the cameras are returned as they are.
    """
    points = mesh.vertices[np.unique(mesh.faces)].astype(np.float64)
    if config.fill == 0 or not len(points):
        return cameras
    moved = cameras.astype(np.float64)
    reach = config.fill * config.half_tangent
    for camera in moved:
        seen = points @ camera[:3, :3]  # rotation only: x right, y up, -z = depth
        center = (seen.min(axis=0) + seen.max(axis=0)) / 2
        offset = seen - center
        # With the eye at (x, y, d) a point spans |p - (x, y)| <= reach * (d - p_z) on both axes: solve for the
        # smallest d for which the four sides' planes leave room for an (x, y).
        slack = offset[:, :2] + reach * offset[:, 2:]
        opposite = -offset[:, :2] + reach * offset[:, 2:]
        high, low = slack.max(axis=0), opposite.max(axis=0)  # high - e <= reach d, low + e <= reach d
        distance = float(((high + low) / 2).max()) / reach
        distance = max(distance, float(offset[:, 2].max()) + 1e-3)
        eye = (high - low) / 2
        for _ in range(_CENTRING_STEPS):  # the shorter side has room left: centre it too
            seen_at = (offset[:, :2] - eye) / (distance - offset[:, 2:])
            eye = eye + distance * (seen_at.max(axis=0) + seen_at.min(axis=0)) / 2
        camera[:3, 3] = camera[:3, :3] @ (center + np.array([*eye, distance]))
    return moved.astype(np.float32)
