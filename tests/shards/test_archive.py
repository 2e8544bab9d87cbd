import io
import zipfile

import pytest

from ltm3d.errors import AssetError
from ltm3d.shards.archive import archive_bytes, read_archive, unpack_archive

FILES = {"models/a.obj": b"v 0 0 0\n", "images/t.png": b"\x89PNG"}


def test_files_come_back_and_bytes_do_not_depend_on_order(tmp_path):
    data = archive_bytes(FILES)
    assert data == archive_bytes(dict(reversed(FILES.items())))
    assert read_archive(data) == FILES
    unpack_archive(data, tmp_path)
    assert (tmp_path / "models/a.obj").read_bytes() == FILES["models/a.obj"]


@pytest.mark.parametrize("name", ["../a.obj", "/etc/a.obj", "a/../../b.obj", "..\\a.obj", "", "folder/", "a\0b"])
def test_names_that_leave_the_folder_are_refused_both_ways(name, tmp_path):
    with pytest.raises(AssetError) as caught:
        archive_bytes({name: b""})
    assert caught.value.reason == "unsafe_reference"


def test_a_foreign_zip_cannot_write_outside_or_blow_up(tmp_path):
    folder = tmp_path / "inside"
    folder.mkdir()
    with pytest.raises(AssetError, match="unsafe_reference"):
        unpack_archive(_zip("../outside.txt", b"x"), folder)
    with pytest.raises(AssetError, match="parse_error"):
        unpack_archive(_zip("bomb", bytes(10**7), zipfile.ZIP_DEFLATED), folder)
    with pytest.raises(AssetError, match="parse_error"):
        unpack_archive(b"no zip at all", folder)
    with pytest.raises(AssetError, match="parse_error"):
        unpack_archive(archive_bytes(FILES).replace(b"v 0 0 0", b"v 0 0 1"), folder)  # the checksum no longer holds
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]


def _zip(name: str, content: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()
