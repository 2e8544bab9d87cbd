"""Materials of OBJ files."""

from dataclasses import dataclass

_NUMBERS = {"-o", "-s", "-t"}  # options with one to three numbers
_VALUES = {"-blendu", "-blendv", "-cc", "-clamp", "-texres", "-bm", "-boost", "-imfchan", "-type"}  # with one value
_PAIRS = {"-mm"}


@dataclass(frozen=True, kw_only=True)
class PictureMap:
    """A picture of a material, by name, and how texture coordinates become places in it: uv · scale + offset."""

    name: str
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)
    clamp: bool = False


@dataclass(kw_only=True)
class ObjMaterial:
    """What counts of one `newmtl`: the diffuse colour (sRGB in [0, 1]) and its picture."""

    diffuse: tuple[float, float, float] | None = None
    picture: PictureMap | None = None


def parse_mtl(text: str) -> dict[str, ObjMaterial]:
    """Return the materials of an MTL file by name; lines that are broken count as absent."""
    materials: dict[str, ObjMaterial] = {}
    current = ObjMaterial()
    for line in text.split("\n"):
        key, _, rest = (
            line.strip().partition(" ") if "\t" not in line else line.strip().replace("\t", " ").partition(" ")
        )
        key, rest = key.lower(), rest.strip()
        if key == "newmtl":
            current = materials.setdefault(rest, ObjMaterial())
        elif key == "kd":
            current.diffuse = _numbers(rest) or current.diffuse
        elif key == "map_kd" and rest:
            current.picture = parse_map(rest)
    return materials


def parse_map(text: str) -> PictureMap | None:
    """Read `[options] name`; names may hold spaces and stand in quotes."""
    rest = text.split(" #")[0].strip()
    vectors: dict[str, tuple[float, ...]] = {}
    clamp = False
    while rest.startswith("-"):
        option, _, rest = rest.partition(" ")
        option, rest = option.lower(), rest.strip()
        if option not in _NUMBERS | _VALUES | _PAIRS:
            rest = rest or option
            break
        values = []
        for _ in range(3 if option in _NUMBERS else 2 if option in _PAIRS else 1):
            value, _, after = rest.partition(" ")
            if not after or (option not in _VALUES and not _is_number(value)):
                break
            values.append(value)
            rest = after.strip()
        if option in _NUMBERS:
            vectors[option] = tuple(float(value) for value in values)
        clamp = clamp or (option == "-clamp" and values == ["on"])
    name = rest.strip().strip("\"'").strip()
    scale, offset = vectors.get("-s", ()), vectors.get("-o", ())
    return (
        PictureMap(
            name=name,
            scale=(_at(scale, 0, 1.0), _at(scale, 1, 1.0)),
            offset=(_at(offset, 0, 0.0), _at(offset, 1, 0.0)),
            clamp=clamp,
        )
        if name
        else None
    )


def _at(values: tuple[float, ...], index: int, default: float) -> float:
    return values[index] if index < len(values) else default


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(text: str) -> tuple[float, float, float] | None:
    values = text.split()[:3]
    if not values or not all(_is_number(value) for value in values):
        return None  # Kd spectral, Kd xyz
    red, green, blue = (float(value) for value in (values if len(values) == 3 else values[:1] * 3))
    return red, green, blue
