import base64
import json
import re
from pathlib import Path

import browser
import numpy as np
import pytest
from shapes import box, torus

from ltm3d.geometry.mesh import Mesh
from ltm3d.serving.viewer import magnification, pack_mesh, script_json, three_script, view_html

needs_browser = pytest.mark.skipif(browser.PROGRAM is None, reason="no Chromium here: apt-get install chromium")


def test_the_script_is_three_js_from_the_installed_package() -> None:
    script = three_script()
    assert "Three.js Authors" in script and "SPDX-License-Identifier: MIT" in script
    assert "</script" not in script and "B64GLTF" not in script


def test_positions_are_packed_to_a_thirty_thousandth() -> None:
    mesh = torus()
    packed = pack_mesh(mesh)
    back = np.frombuffer(base64.b64decode(packed["positions"]), "<i2").reshape(-1, 3) * packed["scale"]
    np.testing.assert_allclose(back, mesh.vertices, atol=np.abs(mesh.vertices).max() / 32767)
    many = Mesh(np.zeros((70_000, 3)), np.array([[0, 1, 69_999]]))
    faces = np.frombuffer(base64.b64decode(pack_mesh(many)["faces"]), "<u4")
    assert faces.tolist() == [0, 1, 69_999]


def test_no_name_can_end_the_script() -> None:
    text = script_json({"name": "</script><!-- \u2028"})
    assert "</" not in text and "<!--" not in text and text.isascii()
    assert json.loads(text) == {"name": "</script><!-- \u2028"}


def test_the_page_is_self_contained() -> None:
    page = view_html([("one", box()), ("two", torus())])
    outside = re.findall(r"""(?:src|href)\s*=\s*["']([^"']+)""", page.replace(three_script(), ""))
    assert outside == []
    with pytest.raises(ValueError):
        view_html([])


def test_a_smaller_shape_is_magnified_more_and_a_turning_one_stays_inside() -> None:
    assert magnification([box((0.5, 0.5, 0.5))]) > magnification([box((1.9, 1.9, 1.9))])
    assert magnification([box((0.5, 0.5, 0.5)), box((1.9, 1.9, 1.9))]) == magnification([box((1.9, 1.9, 1.9))])


@needs_browser
@pytest.mark.slow
def test_the_page_spins_every_shape_in_a_browser(tmp_path: Path) -> None:
    path = tmp_path / "view.html"
    shapes = [("a </script> box", box((1.9, 0.8, 0.4), color=(210, 60, 30))), ("torus", torus())]
    path.write_text(view_html(shapes))
    with browser.open_browser(800, 420) as page:
        page.open(path.as_uri())
        page.wait("Number(document.getElementById('canvas').dataset.frames) > 1")
        first = page.picture()
        page.wait("Number(document.getElementById('canvas').dataset.frames) > 8")
        second = page.picture()
        assert page.console == []
        assert page.requests == [path.as_uri()]
        labels = page.evaluate("[...document.querySelectorAll('.pane span')].map(e => e.textContent)")
        dark = page.dark(True) or page.picture()
    assert labels == ["a </script> box", "torus"]
    halves = (first[:, :400].astype(int), first[:, 400:].astype(int))
    red = [int(((half[..., 0] - half[..., 2]) > 60).sum()) for half in halves]
    grey = [int(((half.max(-1) < 225) & (np.ptp(half, axis=-1) < 12)).sum()) for half in halves]
    assert red[0] > 5000 and red[1] == 0, "the coloured box is in the first pane"
    assert grey[1] > 5000, "the grey torus is in the second"
    for columns in (slice(0, 400), slice(400, 800)):
        assert (first[:, columns] != second[:, columns]).any(-1).sum() > 500, "both have turned"
    assert dark[2, 2].max() < 60 < first[2, 2].min()
