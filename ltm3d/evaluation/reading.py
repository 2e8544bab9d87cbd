"""What a reader of attributes says of a shape; evaluation hands it on, whoever reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ltm3d.geometry.mesh import Mesh


@dataclass(frozen=True)
class Reading:
    """A shape's category, and that category's attributes by name."""

    category: str
    attributes: Mapping[str, str]


class ReadsAttributes(Protocol):
    """Reads a mesh in the normalised frame; picklable, so that workers can share the assets out."""

    def read(self, mesh: Mesh) -> Reading: ...


# (method, prompt) → uid → what was read of each sample; None for one without a surface
MethodReadings = dict[tuple[str, str], dict[str, list[Reading | None]]]
