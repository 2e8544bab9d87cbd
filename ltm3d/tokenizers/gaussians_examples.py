"""Training examples of the Gaussians' tokenizer: fitted Gaussians and pictures of them."""

from dataclasses import dataclass

import numpy as np

from ltm3d.errors import ConfigError
from ltm3d.rendering.cameras import orbit_camera
from ltm3d.splatting.camera import pinhole
from ltm3d.splatting.rasterize import rasterize
from ltm3d.splatting.record import MEANS, from_parameters, to_parameters
from ltm3d.tokenizers.augmentation import AugmentationConfig, draw_stretch
from ltm3d.tokenizers.target_examples import TargetExamples

# G Gaussians, V views, H W pixels

MARGIN = 1.05  # how much more than the object the pictures show


@dataclass(frozen=True, kw_only=True)
class GaussiansExampleConfig(AugmentationConfig):
    """How many of an asset's Gaussians one training step reads, and what pictures it draws of them.

    Attributes:
        num_gaussians: of those stored, evenly among them, that are encoded.
        num_target: of those stored, at random, that the decoded ones are compared with.
        num_views: pictures of all that are stored, from random sides.
        resolution: of a picture, pixels.
        field_of_view: of a picture, degrees.
    """

    num_gaussians: int = 512
    num_target: int = 1024
    num_views: int = 1
    resolution: int = 64
    field_of_view: float = 30.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("num_gaussians", "num_target", "num_views"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 16 <= self.resolution <= 1024 or self.resolution % 4:
            raise ConfigError(f"resolution is {self.resolution}; use a multiple of 4 from 16 to 1,024")
        if not 5 <= self.field_of_view <= 120:
            raise ConfigError(f"field_of_view is {self.field_of_view}; use 5 to 120 degrees")

    @property
    def num_encoded(self) -> int:
        """Gaussians that the encoder reads of an asset."""
        return self.num_gaussians


class GaussiansExamples(TargetExamples):
    """Fitted Gaussians with pictures of them."""

    config: GaussiansExampleConfig

    def example(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return `gaussians` [S, 14], `target` [G, 14], `rgbas` [V, H, W, 4], `cameras` [V, 4, 4], `field_of_view`."""
        config = self.config
        table = np.array(self.targets.get("gaussians", index), np.float32)
        if max(config.num_gaussians, config.num_target) > len(table):
            raise ConfigError(
                f"{max(config.num_gaussians, config.num_target)} Gaussians are asked for, {len(table)} are stored; "
                "lower num_gaussians and num_target or store more"
            )
        if self.augment:
            from ltm3d.splatting.stretching import stretch_gaussians

            stretch = draw_stretch(config, table[:, MEANS], rng)
            if (stretch != 1).any():
                table = to_parameters(stretch_gaussians(from_parameters(table), stretch))
        stride = len(table) // config.num_gaussians
        cameras = random_cameras(config.num_views, table[:, MEANS], field_of_view=config.field_of_view, rng=rng)
        rgbas = [
            rasterize(table, pinhole(camera, field_of_view=config.field_of_view, resolution=config.resolution)).rgba
            for camera in cameras
        ]
        return {
            "gaussians": table[int(rng.integers(stride)) :: stride][: config.num_gaussians],
            "target": table[rng.choice(len(table), config.num_target, replace=False)],
            "rgbas": np.stack(rgbas),
            "cameras": cameras,
            "field_of_view": np.asarray(config.field_of_view, np.float32),
        }


def random_cameras(count: int, means: np.ndarray, *, field_of_view: float, rng: np.random.Generator) -> np.ndarray:
    """Return cameras float32 [V, 4, 4] from sides uniform over the sphere, as far as the object asks for."""
    radius = MARGIN * float(np.linalg.norm(means, axis=1).max(initial=1e-3))
    distance = radius / np.sin(np.radians(field_of_view) / 2)
    elevations = np.degrees(np.arcsin(rng.uniform(-0.98, 0.98, count)))
    azimuths = rng.uniform(0, 360, count)
    return np.stack(
        [
            orbit_camera(azimuth, elevation, distance)
            for azimuth, elevation in zip(azimuths.tolist(), elevations.tolist(), strict=True)
        ]
    ).astype(np.float32)
