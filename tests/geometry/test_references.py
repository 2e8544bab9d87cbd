import numpy as np
import pytest
from gltf_scenes import png

from ltm3d.errors import AssetError
from ltm3d.geometry.references import BoundedResolver, count_pixels, resolve_reference


@pytest.fixture
def asset(tmp_path):
    """An asset as ShapeNet lays it out, with a secret beside it."""
    (tmp_path / "secret.txt").write_text("secret")
    root = tmp_path / "asset"
    for folder in ("models", "images"):
        (root / folder).mkdir(parents=True)
    (root / "images" / "wood grain.png").write_bytes(png(np.zeros((4, 6, 3), np.uint8)))
    return root


def resolver(asset, max_bytes: int = 10_000, max_pixels: int = 10_000) -> BoundedResolver:
    return BoundedResolver(asset / "models", root=asset, max_bytes=max_bytes, max_pixels=max_pixels)


@pytest.mark.parametrize(
    "name", ["../images/wood grain.png", "..\\images\\wood grain.png", " ../images/wood%20grain.png"]
)
def test_files_inside_the_root_are_found_however_they_are_written(asset, name: str) -> None:
    files = resolver(asset)
    assert files.get(name).startswith(b"\x89PNG")
    files.raise_if_refused()


@pytest.mark.parametrize(
    "name",
    [
        "../../secret.txt",
        "..%2f..%2fsecret.txt",
        "/etc/passwd",
        "\\\\server\\share\\a.png",
        "C:\\textures\\a.png",
        "file:///etc/passwd",
        "http://example.org/a.png",
        "images/../../../secret.txt",
    ],
)
def test_ways_out_are_refused_and_remembered(asset, name: str) -> None:
    files = resolver(asset)
    with pytest.raises(AssetError, match="unsafe_reference"):
        files.get(name)
    with pytest.raises(AssetError, match="unsafe_reference"):
        files.raise_if_refused()


def test_links_out_of_the_root_are_refused(asset) -> None:
    (asset / "models" / "link.txt").symlink_to(asset.parent / "secret.txt")
    with pytest.raises(AssetError, match="unsafe_reference"):
        resolver(asset).get("link.txt")


def test_missing_files_are_not_refusals(asset) -> None:
    files = resolver(asset)
    with pytest.raises(FileNotFoundError):
        files.get("../images/none.png")
    files.raise_if_refused()


def test_bytes_and_pixels_are_counted_over_all_files(asset) -> None:
    size = (asset / "images" / "wood grain.png").stat().st_size
    files = resolver(asset, max_bytes=size + size // 2)
    files.get("../images/wood grain.png")
    with pytest.raises(AssetError, match=r"too_large.*bytes"):
        files.get("../images/wood grain.png")
    with pytest.raises(AssetError, match=r"too_large.*pixels"):
        resolver(asset, max_pixels=23).get("../images/wood grain.png")


def test_resolve_reference_without_folder_walks_from_the_file(asset) -> None:
    found = resolve_reference("../images/wood grain.png", folder=asset / "models", root=asset)
    assert found == (asset / "images" / "wood grain.png").resolve()


def test_count_pixels_reads_the_head_only(asset) -> None:
    data = png(np.zeros((100, 50, 3), np.uint8))
    assert count_pixels(data) == 5000
    assert count_pixels(data[:41]) == 5000  # the rest is not there
    assert count_pixels(b"no picture") == 0
