"""`ltm3d inspect` on shards that the library itself writes."""

from pathlib import Path

import numpy as np
import pytest
from index_entries import entry_of
from PIL import Image

from ltm3d.cli.inspect import inspect
from ltm3d.errors import DataError
from ltm3d.schema import Field
from ltm3d.shards.index import write_index
from ltm3d.shards.ledger import ledger_of
from ltm3d.shards.read import read_shard
from ltm3d.shards.write import Reject, write_shard

IMAGES = (Field(name="images", dtype="uint8", shape=("V", "H", "W", 4), unit="sRGB"),)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two downloaded assets, of which one is a kept chair with a view and samples, the other timed out."""
    red = np.zeros((2, 4, 4, 4), np.uint8)
    red[:, 1:3, 1:3] = (255, 0, 0, 255)
    write(tmp_path / "raw", ["chair-1", "lamp-2"], [])
    write(tmp_path / "meshes", ["chair-1"], [Reject(uid="lamp-2", reason="timeout", detail="120 s")])
    write(tmp_path / "views", ["chair-1"], [], images=[red])
    write(tmp_path / "samples/sdf", ["chair-1-text-0"], [Reject(uid="chair-1-image-0", reason="empty_decode")])
    write_index(tmp_path / "meshes", [entry_of("chair-1")])
    return tmp_path


def write(root: Path, uids: list[str], rejects: list[Reject], images: list[np.ndarray] | None = None) -> None:
    folder = root / "shard-00000"
    fields = IMAGES if images else ()
    arrays = {"images": images} if images else {}
    records = [{} for _ in uids]
    write_shard(folder, fields=fields, arrays=arrays, uids=uids, records=records, rejects=rejects, key="k")
    ledger_of(root.name, [read_shard(folder)]).write(root)


def test_a_kept_asset_stands_at_every_stage(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inspect("chair-1", data=data)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "chair-1  A chair."
    assert any(line.split() == ["split", "test"] for line in lines)
    stages = [line.split()[:2] for line in lines if line.startswith(("raw", "meshes", "views", "samples"))]
    assert stages == [
        ["raw", "ok"],
        ["meshes", "ok"],
        ["views", "ok"],
        ["samples/sdf", "rejected"],
        ["samples/sdf", "ok"],
    ]
    assert f"{data}/views/shard-00000 row 0" in "\n".join(lines)


def test_a_rejected_asset_says_why(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inspect("lamp-2", data=data)
    out = capsys.readouterr().out
    assert "meshes           rejected  timeout: took longer than the limit (120 s)" in out
    assert "views" not in out


def test_the_contact_sheet_shows_the_views_on_white(data: Path, tmp_path: Path) -> None:
    inspect("chair-1", data=data, contact=tmp_path / "contact.png")
    with Image.open(tmp_path / "contact.png") as picture:
        assert picture.size == (8, 4)
        assert picture.getpixel((0, 0)) == (255, 255, 255) and picture.getpixel((5, 1)) == (255, 0, 0)


def test_no_views_no_contact_sheet(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lamp-2 has no rendered views"):
        inspect("lamp-2", data=data, contact=tmp_path / "contact.png")


def test_an_unknown_uid_names_its_neighbours(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"chair-11: no stage knows this asset \(2 are known.*chair-1"):
        inspect("chair-11", data=data)
    with pytest.raises(DataError, match="nothing was downloaded yet"):
        inspect("chair-1", data=tmp_path / "empty")
