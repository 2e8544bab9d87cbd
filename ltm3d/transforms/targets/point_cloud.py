"""Coloured points as training targets."""

from dataclasses import dataclass, field

from ltm3d.representations.point_cloud import PointCloudTargetConfig, build_point_cloud_target
from ltm3d.schema import POINT_CLOUD_TARGETS
from ltm3d.transforms.targets.kind import TargetKind, TargetsConfig


@dataclass(frozen=True, kw_only=True)
class PointCloudTargetsConfig(TargetsConfig):
    """Coloured points."""

    target: PointCloudTargetConfig = field(default_factory=PointCloudTargetConfig)


KIND = TargetKind(config=PointCloudTargetsConfig, fields=POINT_CLOUD_TARGETS, build=build_point_cloud_target)
