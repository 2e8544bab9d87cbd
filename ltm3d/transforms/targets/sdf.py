"""Signed distances as training targets."""

from dataclasses import dataclass, field

from ltm3d.representations.sdf import SdfTargetConfig, build_sdf_target
from ltm3d.schema import SDF_TARGETS
from ltm3d.transforms.targets.kind import TargetKind, TargetsConfig


@dataclass(frozen=True, kw_only=True)
class SdfTargetsConfig(TargetsConfig):
    """Signed distances."""

    target: SdfTargetConfig = field(default_factory=SdfTargetConfig)


KIND = TargetKind(config=SdfTargetsConfig, fields=SDF_TARGETS, build=build_sdf_target)
