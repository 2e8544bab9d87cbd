"""The embedded source: parametric objects of seven categories, made from a seed; needs no data and no network."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ltm3d.errors import AssetError, ConfigError
from ltm3d.mesh_io.writing import mesh_to_glb
from ltm3d.procedural.objects import CATEGORIES, build_mesh, draw_object
from ltm3d.schema import ObjectRecord
from ltm3d.sources.source import check_settings, select_records


@dataclass(frozen=True, kw_only=True)
class ProceduralSource:
    """Objects 0 to `num_objects` - 1 of a seed; object i depends on (seed, i) alone, categories take turns.

    Attributes:
        categories: which of `ltm3d.procedural.objects.CATEGORIES`, in this order.
        limit: the first so many of the objects.
        up, front: the objects' own axes; no others.
    """

    num_objects: int
    seed: int
    categories: tuple[str, ...] = tuple(CATEGORIES)
    limit: int | None = None
    weight: float = 1.0
    licences: tuple[str, ...] | None = None
    up: str = "+y"
    front: str = "+z"

    def __post_init__(self) -> None:
        object.__setattr__(self, "categories", tuple(self.categories))
        check_settings(limit=self.limit, weight=self.weight, licences=self.licences, up=self.up, front=self.front)
        if not 1 <= self.num_objects <= 999_999:
            raise ConfigError(f"num_objects is {self.num_objects}, must be 1 to 999999")
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}, must not be negative")
        unknown = [category for category in self.categories if category not in CATEGORIES]
        if unknown or not self.categories or len(set(self.categories)) < len(self.categories):
            raise ConfigError(
                f"categories are {', '.join(self.categories) or 'none'}; name some of {', '.join(CATEGORIES)} once"
            )
        if (self.up, self.front) != ("+y", "+z"):
            raise ConfigError(f"up {self.up} and front {self.front}: procedural objects have +y and +z, leave both out")

    @property
    def name(self) -> str:
        return "procedural"

    def inputs(self) -> list[Path]:
        """List nothing: the objects are made from the settings."""
        return []

    def list_objects(self) -> list[ObjectRecord]:
        """List the objects, sorted by uid; draws their parameters, builds no geometry."""
        count = self.num_objects if self.limit is None else min(self.limit, self.num_objects)
        records = [self._record(index) for index in range(count)]
        return select_records(records, source=self.name, limit=None, licences=self.licences)

    def fetch(self, record: ObjectRecord) -> dict[str, bytes]:
        """Build an object's GLB from its record's attributes and parameters."""
        if record.source != self.name or record.category not in CATEGORIES:
            raise AssetError("fetch_error", f"{record.uid} is not an object of the procedural source")
        mesh = build_mesh(record.category, record.attributes, record.parameters)
        return {record.main_file: mesh_to_glb(mesh)}

    def places(self, record: ObjectRecord, files: Mapping[str, bytes]) -> list[Path]:
        """List nothing."""
        return []

    def _record(self, index: int) -> ObjectRecord:
        category = self.categories[index % len(self.categories)]
        drawn = draw_object(category, seed=self.seed, index=index)
        return ObjectRecord(
            uid=f"procedural-{category}-{index:06d}",
            source=self.name,
            main_file="model.glb",
            name=f"{category} {index}",
            category=category,
            caption=drawn.caption,
            licence="CC0-1.0",
            attribution="ltm3d procedural source",
            up=self.up,
            front=self.front,
            attributes=dict(drawn.attributes),
            parameters=dict(drawn.parameters),
        )
