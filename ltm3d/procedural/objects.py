"""Making one object: (seed, index) → attributes, numbers, caption and mesh."""

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from ltm3d.articles import with_article
from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.union import unite
from ltm3d.procedural import airplane, bench, chair, lamp, sofa, table, watercraft
from ltm3d.procedural.design import Attributes, Description, Design, Parameters, listed
from ltm3d.procedural.solids import Part

CATEGORIES: dict[str, ModuleType] = {
    "lamp": lamp,
    "chair": chair,
    "airplane": airplane,
    "table": table,
    "watercraft": watercraft,
    "sofa": sofa,
    "bench": bench,
}
_MOST_TOLD = 6  # attributes in a caption, besides the kind that the noun names
_DECIMALS = 5  # of the coordinates: below what any stage resolves, above what processors differ by


@dataclass(frozen=True, kw_only=True)
class ProceduralObject:
    """What one object is, without its geometry: `build_mesh` makes that from the attributes and parameters alone.

    Attributes:
        attributes: names of properties, each with one of the values in its category's `ATTRIBUTES`.
        parameters: lengths (longest side about 1) and angles (degrees).
        mentioned: the attributes that the caption tells.
    """

    category: str
    attributes: Attributes
    parameters: Parameters
    caption: str
    mentioned: tuple[str, ...]


def draw_object(category: str, *, seed: int, index: int) -> ProceduralObject:
    """Draw object `index` of a seed; it depends on nothing else."""
    design = Design(np.random.default_rng([seed, index]))
    CATEGORIES[category].draw(design)
    caption, mentioned = describe(category, design.attributes)
    return ProceduralObject(
        category=category,
        attributes=design.attributes,
        parameters=design.parameters,
        caption=caption,
        mentioned=mentioned,
    )


def describe(category: str, attributes: Attributes) -> tuple[str, tuple[str, ...]]:
    """Return the caption of an object and the attributes it tells: the kind and at most six more."""
    description: Description = CATEGORIES[category].describe(attributes)
    lead, noun = description.lead, description.noun
    told = [*lead.attributes, "colour", "material", *noun.attributes]
    words = []
    for detail in description.details:
        if len(told) + len(detail.attributes) <= _MOST_TOLD + len(noun.attributes):
            words.append(detail.words)
            told += detail.attributes
    head = f"{lead.words} {attributes['colour']} {attributes['material']} {noun.words}".strip()
    return f"A 3D model of {with_article(head)} with {listed(words)}, {category.capitalize()}.", tuple(told)


def build_parts(category: str, attributes: Attributes, parameters: Parameters) -> list[Part]:
    """Return an object's closed parts; those that meet overlap."""
    parts: list[Part] = CATEGORIES[category].build(attributes, parameters)
    return parts


def part_meshes(category: str, attributes: Attributes, parameters: Parameters) -> list[Mesh]:
    """Return the parts as coloured meshes."""
    return [
        Mesh(part.vertices, part.faces, np.full((len(part.vertices), 3), part.color, np.uint8))
        for part in build_parts(category, attributes, parameters)
    ]


def build_mesh(category: str, attributes: Attributes, parameters: Parameters) -> Mesh:
    """Build an object's mesh, one closed surface: y up, front +z."""
    united = unite(part_meshes(category, attributes, parameters))
    return Mesh(np.round(united.vertices, _DECIMALS), united.faces, united.vertex_colors)
