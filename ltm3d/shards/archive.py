"""An asset's own files as one deterministic zip, and the way back that trusts nothing."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ltm3d.errors import AssetError

EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time a zip can name: bytes do not depend on the clock


def archive_bytes(files: Mapping[str, bytes]) -> bytes:
    """Pack relative file names and their bytes, sorted by name and stored without compression."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            _check_name(name)
            entry = zipfile.ZipInfo(name, date_time=EPOCH)
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def read_archive(data: bytes) -> dict[str, bytes]:
    """Give the files of an archive that `archive_bytes` made.

    Raises:
        AssetError: `parse_error` for what is no such zip, `unsafe_reference` for a name that leaves the folder.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files: dict[str, bytes] = {}
            for entry in archive.infolist():
                _check_name(entry.filename)
                if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > len(data):
                    raise AssetError("parse_error", f"{entry.filename!r} in the archive is not a stored file")
                if entry.filename in files:
                    raise AssetError("parse_error", f"{entry.filename!r} is in the archive twice")
                files[entry.filename] = archive.read(entry)
            return files
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise AssetError("parse_error", f"the archive is broken: {error}") from error


def unpack_archive(data: bytes, folder: Path) -> None:
    """Write an archive's files below a folder of the caller's own; errors as in `read_archive`."""
    for name, content in read_archive(data).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _check_name(name: str) -> None:
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or name.endswith("/"):
        raise AssetError("unsafe_reference", f"{name!r} is not a plain name inside the asset's own folder")
