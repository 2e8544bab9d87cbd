"""Files that an asset's main file names: found inside the asset's own folder, or refused."""

import os
import re
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from ltm3d.errors import AssetError
from ltm3d.mesh_io.texture_pictures import count_pixels, decode_picture

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")  # http:, file:, and Windows drives
_MAX_NOTES = 20


class BoundedResolver:
    """Materials, buffers and pictures by a name relative to the main file; nothing outside `root` is read.

    Geometry that may not be read rejects the asset. A picture that may not, or cannot be decoded, costs its colour:
    that is noted. `notes` tells all that the asset has lost so.
    """

    def __init__(self, folder: Path, *, root: Path, max_bytes: int, max_pixels: int) -> None:
        self._folder = folder
        self._root = root.resolve()
        self._bytes_left, self._pixels_left = max_bytes, max_pixels
        self._pictures: dict[str, np.ndarray | None] = {}
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Remember what is lost or was taken otherwise, once."""
        if text not in self.notes and len(self.notes) < _MAX_NOTES:
            self.notes.append(text)

    def get(self, name: str) -> bytes:
        """Read a file that the asset names.

        Raises:
            AssetError: `unsafe_reference` for an absolute name, a URL or a way out of the root; `too_large`.
            FileNotFoundError: it is not there.
        """
        path = resolve_reference(name, folder=self._folder, root=self._root)
        size = path.stat().st_size
        if size > self._bytes_left:
            raise AssetError("too_large", f"with {name!r} the asset has more bytes than the limit")
        self._bytes_left -= size
        return path.read_bytes()

    def get_optional(self, name: str, kind: str, *, only_if_there: bool = False) -> bytes | None:
        """Read a file of colours alone; None and a note where it may not be read or is not there.

        Args:
            kind: for the note.
            only_if_there: no note where it is not there.
        """
        try:
            return self.get(name)
        except AssetError as error:
            self.note(f"{kind} not read: {error.detail}")
        except (OSError, ValueError):
            if not only_if_there:
                self.note(f"{kind} {name[:200]!r}: not there")
        return None

    def get_pixels(self, name: str) -> np.ndarray | None:
        """Return a picture file's pixels, uint8 [H, W, 4]; None and a note where that cannot be."""
        if name not in self._pictures:
            data = self.get_optional(name, "picture")
            self._pictures[name] = None if data is None else self.decode(data, name)
        return self._pictures[name]

    def decode(self, data: bytes, name: str) -> np.ndarray | None:
        """Return the pixels of an encoded picture, uint8 [H, W, 4]; None and a note where that cannot be.

        Args:
            name: for the note.
        """
        try:
            count = count_pixels(data)
            if count > self._pixels_left:
                raise AssetError("too_large", f"{count:,} pixels; {self._pixels_left:,} are left of the limit")
            self._pixels_left -= count
            return decode_picture(data)
        except AssetError as error:
            self.note(f"picture {name[:200]!r}: not read, {error.detail}")
            return None


def resolve_reference(name: str, *, folder: Path, root: Path) -> Path:
    """Return the existing file that `name` means, seen from `folder`, links followed; letter case counts last.

    Raises:
        AssetError: `unsafe_reference` where it is absolute, a URL, or lies outside `root`.
        FileNotFoundError: it is not there.
    """
    root = root.resolve()
    plain = name.strip().replace("\\", "/")
    candidates = list(dict.fromkeys((plain, unquote(plain))))
    for candidate in candidates:
        if candidate.startswith("/") or _SCHEME.match(candidate) or "\0" in candidate:
            raise AssetError("unsafe_reference", f"{name!r} is absolute or a URL")
        path = _resolve(folder / candidate, name, root)
        if os.path.isfile(path):  # which says no to names that no file system takes
            return path
    for candidate in candidates:
        found = _in_other_case(folder, candidate)
        if found is not None and os.path.isfile(path := _resolve(found, name, root)):
            return path
    raise FileNotFoundError(name)


def _resolve(path: Path, name: str, root: Path) -> Path:
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError) as error:  # a circle of links, a name that is too long
        raise FileNotFoundError(name) from error
    if not resolved.is_relative_to(root):
        raise AssetError("unsafe_reference", f"{name!r} lies outside the asset's folder")
    return resolved


def _in_other_case(folder: Path, name: str) -> Path | None:
    """Return the path that differs from `folder / name` in letter case only, or None; names as Windows takes them."""
    place = folder
    for piece in Path(name).parts:
        if piece == ".." or os.path.exists(place / piece):
            place = place / piece
            continue
        try:
            same = sorted(entry for entry in place.iterdir() if entry.name.casefold() == piece.casefold())
        except OSError:
            return None
        if not same:
            return None
        place = same[0]
    return place
