"""Drawing an object's attributes and numbers, and what colours they give."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ltm3d.procedural.solids import Rgb

COLOURS: dict[str, Rgb] = {
    "red": (196, 42, 38),
    "orange": (232, 126, 28),
    "yellow": (236, 200, 48),
    "green": (52, 140, 62),
    "blue": (44, 92, 190),
    "purple": (128, 62, 160),
    "brown": (122, 76, 42),
    "black": (44, 44, 48),
    "white": (236, 236, 230),
    "grey": (136, 140, 144),
}
MATERIALS: dict[str, tuple[Rgb, float]] = {  # tint, and the share of it
    "wooden": ((170, 118, 66), 0.22),
    "metal": ((176, 186, 198), 0.22),
    "plastic": ((255, 255, 255), 0.06),
    "fabric": ((214, 206, 196), 0.16),
    "leather": ((84, 50, 34), 0.22),
    "stone": ((150, 148, 140), 0.30),
}
Attributes = dict[str, str]  # name → one of its category's values
Parameters = dict[str, float]  # lengths, the longest side is about 1; angles in degrees
_DIGITS = 4


@dataclass(frozen=True)
class Phrase:
    """Words of a caption and the attributes that they tell."""

    words: str
    attributes: tuple[str, ...]


@dataclass(frozen=True)
class Description:
    """What can be said of an object: `lead` stands before the colour, `details` are the most visible first."""

    noun: Phrase
    details: list[Phrase]
    lead: Phrase = Phrase("", ())


class Design:
    """The attributes (names) and parameters (numbers) of one object while they are drawn.

    Numbers are rounded when drawn, so that the record holds exactly what the geometry is made from.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.attributes: Attributes = {}
        self.parameters: Parameters = {}

    def pick(self, name: str, values: Sequence[str], weights: Sequence[float] | None = None) -> str:
        """Draw one value of an attribute; a draw is used up even where there is no choice."""
        edges = np.cumsum(np.ones(len(values)) if weights is None else np.array(weights, dtype=np.float64))
        index = int(np.searchsorted(edges, self.rng.random() * edges[-1], side="right"))
        self.attributes[name] = values[min(index, len(values) - 1)]
        return self.attributes[name]

    def number(self, name: str, low: float, high: float) -> float:
        """Draw one number of the geometry."""
        self.parameters[name] = round(low + (high - low) * float(self.rng.random()), _DIGITS)
        return self.parameters[name]

    def grade(self, name: str, ranges: Mapping[str, tuple[float, float]]) -> float:
        """Draw an attribute that names a range, and the number in that range, both under the same name."""
        low, high = ranges[self.pick(name, tuple(ranges))]
        return self.number(name, low, high)

    def colour(self, name: str, *, other_than: str = "") -> str:
        """Draw a colour's name."""
        return self.pick(name, [colour for colour in COLOURS if colour != other_than])


def paint(colour: str, material: str, brightness: float = 1.0) -> Rgb:
    """Return the sRGB colour of a named colour in a material."""
    tint, share = MATERIALS[material]
    mixed = [(1.0 - share) * own + share * other for own, other in zip(COLOURS[colour], tint, strict=True)]
    red, green, blue = (int(min(255.0, max(0.0, value * brightness)) + 0.5) for value in mixed)
    return red, green, blue


def phrase(words: str, *attributes: str) -> Phrase:
    """Say something about some attributes."""
    return Phrase(words, attributes)


def listed(phrases: Sequence[str]) -> str:
    """Join phrases as `a, b and c`."""
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"
