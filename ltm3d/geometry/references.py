"""Files that an asset's main file names: found inside the asset's own folder, or refused."""

import io
import re
import warnings
from pathlib import Path
from urllib.parse import unquote

from ltm3d.errors import AssetError

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")  # http:, file:, and Windows drives


class BoundedResolver:
    """What trimesh asks for materials and pictures, by a name relative to the main file.

    Nothing outside `root` is read. trimesh drops files that fail without a word, so a refusal is remembered:
    call `raise_if_refused` afterwards.
    """

    def __init__(self, folder: Path, *, root: Path, max_bytes: int, max_pixels: int) -> None:
        self._folder = folder
        self._root = root.resolve()
        self._bytes_left, self._pixels_left = max_bytes, max_pixels
        self._refused: AssetError | None = None

    def get(self, name: str) -> bytes:
        """Read a file that the asset names.

        Raises:
            AssetError: `unsafe_reference` for an absolute name, a URL or a way out of the root; `too_large`.
            FileNotFoundError: it is not there.
        """
        try:
            path = resolve_reference(name, folder=self._folder, root=self._root)
            self._bytes_left -= path.stat().st_size
            if self._bytes_left < 0:
                raise AssetError("too_large", f"with {name!r} the asset has more bytes than the limit")
            data = path.read_bytes()
            self._pixels_left -= count_pixels(data)
            if self._pixels_left < 0:
                raise AssetError("too_large", f"with {name!r} the asset's pictures have more pixels than the limit")
        except AssetError as error:
            self._refused = self._refused or error
            raise
        return data

    def __getitem__(self, name: str) -> bytes:
        return self.get(name)

    def raise_if_refused(self) -> None:
        """Raise the first refusal, if there was one."""
        if self._refused is not None:
            raise self._refused


def resolve_reference(name: str, *, folder: Path, root: Path) -> Path:
    """Return the existing file that `name` means, seen from `folder`, links followed.

    Raises:
        AssetError: `unsafe_reference` where it is absolute, a URL, or lies outside `root`.
        FileNotFoundError: it is not there.
    """
    root = root.resolve()
    plain = name.strip().replace("\\", "/")
    for candidate in dict.fromkeys((plain, unquote(plain))):
        if candidate.startswith("/") or _SCHEME.match(candidate) or "\0" in candidate:
            raise AssetError("unsafe_reference", f"{name!r} is absolute or a URL")
        path = (folder / candidate).resolve()
        if not path.is_relative_to(root):
            raise AssetError("unsafe_reference", f"{name!r} lies outside the asset's folder")
        if path.is_file():
            return path
    raise FileNotFoundError(name)


def count_pixels(data: bytes) -> int:
    """Return width times height of an encoded picture without decoding it; 0 where it is no picture."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data)) as picture:
                return picture.width * picture.height
        except Image.DecompressionBombError as error:
            raise AssetError("too_large", str(error)) from error
        except (OSError, ValueError, SyntaxError):
            return 0
