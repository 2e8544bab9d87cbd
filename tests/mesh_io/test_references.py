import numpy as np
import pytest
from gltf_scenes import png

from ltm3d.errors import AssetError
from ltm3d.mesh_io.references import BoundedResolver, resolve_reference


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
def test_ways_out_are_refused_for_geometry_and_cost_a_picture_its_colour(asset, name: str) -> None:
    files = resolver(asset)
    with pytest.raises(AssetError, match="unsafe_reference"):
        files.get(name)
    assert files.get_pixels(name) is None
    assert len(files.notes) == 1 and files.notes[0].startswith("picture not read: ")


def test_links_out_of_the_root_are_refused(asset) -> None:
    (asset / "models" / "link.txt").symlink_to(asset.parent / "secret.txt")
    with pytest.raises(AssetError, match="unsafe_reference"):
        resolver(asset).get("link.txt")


def test_missing_files_are_not_refusals(asset) -> None:
    files = resolver(asset)
    with pytest.raises(FileNotFoundError):
        files.get("../images/none.png")
    assert files.get_pixels("../images/none.png") is None
    assert files.notes == ["picture '../images/none.png': not there"]


def test_bytes_and_pixels_are_counted_over_all_files(asset) -> None:
    size = (asset / "images" / "wood grain.png").stat().st_size
    files = resolver(asset, max_bytes=size + size // 2)
    files.get("../images/wood grain.png")
    with pytest.raises(AssetError, match=r"too_large.*bytes"):
        files.get("../images/wood grain.png")
    assert resolver(asset, max_pixels=24).get_pixels("../images/wood grain.png").shape == (4, 6, 4)
    files = resolver(asset, max_pixels=23)
    assert files.get_pixels("../images/wood grain.png") is None
    assert files.notes == ["picture '../images/wood grain.png': not read, 24 pixels; 23 are left of the limit"]


def test_resolve_reference_without_folder_walks_from_the_file(asset) -> None:
    found = resolve_reference("../images/wood grain.png", folder=asset / "models", root=asset)
    assert found == (asset / "images" / "wood grain.png").resolve()


@pytest.mark.parametrize("name", ["../IMAGES/Wood Grain.PNG", "..\\Images\\WOOD grain.png"])
def test_letter_case_is_forgiven(asset, name: str) -> None:
    assert resolver(asset).get(name).startswith(b"\x89PNG")


def test_letter_case_leads_out_of_no_root(asset) -> None:
    (asset.parent / "Other").mkdir()
    (asset.parent / "Other" / "a.png").write_bytes(b"x")
    with pytest.raises(AssetError, match="unsafe_reference"):
        resolver(asset).get("../../OTHER/a.png")
    (asset / "link").symlink_to(asset.parent / "Other")
    with pytest.raises(AssetError, match="unsafe_reference"):
        resolver(asset).get("../LINK/A.png")


def test_names_that_no_file_system_takes_are_not_there(asset) -> None:
    for name in ("a" * 5000, "", ".", "\udce9.png"):
        with pytest.raises((FileNotFoundError, AssetError)):
            resolver(asset).get(name)
        assert resolver(asset).get_pixels(name) is None
