"""The container of PLY: header, elements, properties; text and binary of either byte order."""

import re
from dataclasses import dataclass

import numpy as np

from ltm3d.errors import AssetError

_TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"float": "f4", "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4"},
    **{"uint32": "u4", "int64": "i8", "uint64": "u8", "float16": "f2", "float32": "f4", "float64": "f8"},
}
_MAX_HEADER = 2**16
_TEXTURE = re.compile(r"^comment\s+TextureFile\s+(.+?)\s*$", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True)
class _Property:
    name: str
    dtype: str
    length: str | None = None  # dtype of a list's length


@dataclass(frozen=True, eq=False)
class Ragged:
    """A list property: all values in a row, and how many each of the element's items has."""

    values: np.ndarray
    counts: np.ndarray


Element = dict[str, np.ndarray | Ragged]


@dataclass(frozen=True, eq=False)
class PlyFile:
    """The elements of a PLY by name, each its properties by name; and the picture that a comment names, if any."""

    elements: dict[str, Element]
    texture: str | None


def texture_name(data: bytes) -> str | None:
    """Return the picture that a PLY's header names, if any."""
    head, mark, _ = data[:_MAX_HEADER].partition(b"end_header")
    found = _TEXTURE.search(head.decode("latin-1").replace("\r", "\n")) if mark else None
    return None if found is None else found[1]


def parse_ply(data: bytes) -> PlyFile:
    """Read a PLY file.

    Raises:
        AssetError: `parse_error`. ValueError, KeyError, IndexError: broken.
    """
    head, mark, _ = data.partition(b"end_header")
    if not data.startswith(b"ply") or not mark:
        raise AssetError("parse_error", "no PLY: it begins with ply, and its header ends with end_header")
    end = len(head) + len(mark)
    body = data[end:].lstrip(b" \t") if b"format ascii" in head else data[end:]
    body = body[2:] if body.startswith(b"\r\n") else body[1:]
    text = head.decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")
    kind, layout = _header(text)
    elements: dict[str, Element] = {}
    reader = _TextReader(body) if kind == "ascii" else _BinaryReader(body, "<" if "little" in kind else ">")
    for name, count, properties in layout:
        elements[name] = reader.read(count, properties) if count else {each.name: np.zeros(0) for each in properties}
    return PlyFile(elements, texture_name(data))


def _header(text: str) -> tuple[str, list[tuple[str, int, list[_Property]]]]:
    kind = ""
    layout: list[tuple[str, int, list[_Property]]] = []
    for line in text.split("\n"):
        words = line.split()
        if not words:
            continue
        if words[0] == "format":
            kind = words[1]
        elif words[0] == "element":
            layout.append((words[1], int(words[2]), []))
        elif words[0] == "property" and words[1] == "list":
            layout[-1][2].append(_Property(words[4], _TYPES[words[3]], _TYPES[words[2]]))
        elif words[0] == "property":
            layout[-1][2].append(_Property(words[2], _TYPES[words[1]]))
    if kind not in ("ascii", "binary_little_endian", "binary_big_endian"):
        raise AssetError("parse_error", f"PLY format {kind!r} is not read")
    if any(count < 0 or not properties for _, count, properties in layout):
        raise AssetError("parse_error", "an element of the PLY has no properties or a negative count")
    return kind, layout


class _TextReader:
    def __init__(self, body: bytes) -> None:
        self._tokens = body.split()
        self._place = 0

    def read(self, count: int, properties: list[_Property]) -> Element:
        left = len(self._tokens) - self._place
        if count * len(properties) > left:
            raise AssetError("parse_error", f"the PLY says {count:,} items; {left:,} numbers are left")
        if all(each.length is None for each in properties):
            table = np.array(self._take(count * len(properties)), dtype=np.float64).reshape(count, -1)
            return {each.name: _typed(table[:, column], each.dtype) for column, each in enumerate(properties)}
        found: list[tuple[list[bytes], list[int]]] = [([], []) for _ in properties]
        for _ in range(count):
            for each, (values, counts) in zip(properties, found, strict=True):
                length = 1 if each.length is None else int(self._take(1)[0])
                values.extend(self._take(length))
                counts.append(length)
        element: Element = {}
        for each, (values, counts) in zip(properties, found, strict=True):
            numbers = _typed(np.array(values, dtype=np.float64), each.dtype)
            element[each.name] = numbers if each.length is None else Ragged(numbers, np.array(counts, np.int64))
        return element

    def _take(self, count: int) -> list[bytes]:
        if count < 0 or self._place + count > len(self._tokens):
            raise AssetError("parse_error", "the PLY ends before its last item")
        self._place += count
        return self._tokens[self._place - count : self._place]


def _typed(numbers: np.ndarray, dtype: str) -> np.ndarray:
    """Return whole numbers as such; what text says more exactly than its type stays float64."""
    with np.errstate(invalid="ignore"):
        return numbers if dtype.startswith("f") else numbers.astype(dtype)


class _BinaryReader:
    def __init__(self, body: bytes, order: str) -> None:
        self._body, self._order, self._place = body, order, 0

    def read(self, count: int, properties: list[_Property]) -> Element:
        if count > len(self._body) - self._place:  # a byte each at least
            raise AssetError("parse_error", f"the PLY says {count:,} items; it is cut off")
        rows = self._uniform(count, properties)
        return self._mixed(count, properties) if rows is None else rows

    def _uniform(self, count: int, properties: list[_Property]) -> Element | None:
        """Read items that are all as long as the first one; None where they are not."""
        fields: list[tuple] = []
        place = self._place
        for number, each in enumerate(properties):
            if each.length is None:
                fields.append((f"v{number}", self._order + each.dtype))
                place += np.dtype(each.dtype).itemsize
                continue
            length = int(self._number(each.length, place))
            fields.append((f"n{number}", self._order + each.length))
            fields.append((f"v{number}", self._order + each.dtype, (length,)))
            place += np.dtype(each.length).itemsize + length * np.dtype(each.dtype).itemsize
        size = place - self._place
        if size <= 0 or self._place + count * size > len(self._body):
            return None
        rows = np.frombuffer(self._body, np.dtype(fields), count, self._place)
        element: Element = {}
        for number, each in enumerate(properties):
            values = rows[f"v{number}"]
            if each.length is None:
                element[each.name] = values
                continue
            counts = rows[f"n{number}"].astype(np.int64)
            if (counts != values.shape[1]).any():
                return None
            element[each.name] = Ragged(values.reshape(-1), counts)
        self._place += count * size
        return element

    def _mixed(self, count: int, properties: list[_Property]) -> Element:
        starts = np.zeros((count, len(properties)), np.int64)
        counts = np.ones((count, len(properties)), np.int64)
        sizes = [np.dtype(each.dtype).itemsize for each in properties]
        place = self._place
        for row in range(count):
            for column, each in enumerate(properties):
                if each.length is not None:
                    counts[row, column] = length = int(self._number(each.length, place))
                    if length < 0:
                        raise AssetError("parse_error", "a list of the PLY has a negative length")
                    place += np.dtype(each.length).itemsize
                starts[row, column] = place
                place += int(counts[row, column]) * sizes[column]
            if place > len(self._body):
                raise AssetError("parse_error", f"the PLY is cut off in item {row + 1:,} of {count:,}")
        self._place = place
        body = np.frombuffer(self._body, np.uint8)
        element: Element = {}
        for column, each in enumerate(properties):
            total = counts[:, column]
            within = np.arange(int(total.sum())) - np.repeat(np.cumsum(total) - total, total)
            first = np.repeat(starts[:, column], total) + within * sizes[column]
            values = body[first[:, None] + np.arange(sizes[column])].view(self._order + each.dtype).reshape(-1)
            element[each.name] = values if each.length is None else Ragged(values, total)
        return element

    def _number(self, dtype: str, place: int) -> int:
        return int(np.frombuffer(self._body, self._order + dtype, 1, place)[0])
