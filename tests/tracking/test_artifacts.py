from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from shapes import box

from ltm3d.tracking.artifacts import contact_sheet, write_shapes


def test_a_contact_sheet_has_one_row_a_shape_on_white() -> None:
    sheet = contact_sheet(
        [("red", box((1.8, 0.8, 0.8), color=(220, 20, 20))), ("grey", box((0.6, 1.8, 0.6)))], resolution=48
    )
    assert sheet.shape == (2 * 48 + 4, 8 * 48, 3)
    assert (sheet[0, 0] == 255).all() and (sheet[48:52] == 255).all()
    middles = sheet[24, 24::48].astype(int)
    assert (middles[:, 0] > middles[:, 1] + 40).all(), "every frame of the first row shows the red box"
    grey = sheet[52 + 24, 24::48].astype(int)
    assert (np.ptp(grey, axis=1) == 0).all() and (grey < 255).all()


def test_shapes_become_files_that_others_can_read(tmp_path: Path) -> None:
    shapes = [("a-0", box((1.8, 0.8, 0.8), color=(220, 20, 20))), ("b-0", box((0.6, 1.8, 0.6)))]
    paths = write_shapes(tmp_path / "shapes", shapes, page="<p>page</p>")
    assert [path.name for path in paths] == ["turntable.png", "a-0.glb", "b-0.glb", "view.html"]
    with Image.open(paths[0]) as picture:
        assert picture.size == (8 * 128, 2 * 128 + 4)
    back = trimesh.load(paths[1], force="mesh")
    np.testing.assert_allclose(back.extents, [1.8, 0.8, 0.8], rtol=1e-5)
    with pytest.raises(ValueError, match="distinct file names"):
        write_shapes(tmp_path, [("../x", shapes[0][1])], page="")
