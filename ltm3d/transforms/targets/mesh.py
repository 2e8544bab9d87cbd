"""Quantised faces as training targets."""

from dataclasses import dataclass, field

from ltm3d.representations.mesh import MeshTargetConfig, build_mesh_target
from ltm3d.schema import MESH_TARGETS
from ltm3d.transforms.targets.kind import TargetKind, TargetsConfig


@dataclass(frozen=True, kw_only=True)
class MeshTargetsConfig(TargetsConfig):
    """Quantised faces."""

    target: MeshTargetConfig = field(default_factory=MeshTargetConfig)


KIND = TargetKind(config=MeshTargetsConfig, fields=MESH_TARGETS, build=build_mesh_target)
