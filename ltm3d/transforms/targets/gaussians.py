"""3D Gaussians as training targets."""

from dataclasses import dataclass, field

from ltm3d.representations.gaussians import GaussiansTargetConfig, build_gaussians_target
from ltm3d.schema import GAUSSIANS_TARGETS
from ltm3d.transforms.targets.kind import TargetKind, TargetsConfig


@dataclass(frozen=True, kw_only=True)
class GaussiansTargetsConfig(TargetsConfig):
    """3D Gaussians."""

    target: GaussiansTargetConfig = field(default_factory=GaussiansTargetConfig)


KIND = TargetKind(config=GaussiansTargetsConfig, fields=GAUSSIANS_TARGETS, build=build_gaussians_target)
