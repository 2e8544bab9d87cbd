import json
import re
from pathlib import Path

import browser
import numpy as np
import pytest
from shapes import box, torus

from ltm3d.geometry.mesh import Mesh
from ltm3d.geometry.point_cloud import PointCloud
from ltm3d.geometry.surface_points import sample_surface
from ltm3d.serving.viewer import script_json, three_script, view_html
from ltm3d.splatting.record import Gaussians

needs_browser = pytest.mark.skipif(browser.PROGRAM is None, reason="no Chromium here: apt-get install chromium")
COUNT = 3000  # of points, and of splats


def test_the_script_is_three_js_from_the_installed_package() -> None:
    script = three_script()
    assert "Three.js Authors" in script and "SPDX-License-Identifier: MIT" in script
    assert "</script" not in script and "B64GLTF" not in script


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


@needs_browser
@pytest.mark.slow
def test_points_and_splats_look_like_the_mesh_they_stand_for(tmp_path: Path) -> None:
    color = (60, 110, 210)
    mesh = torus()
    samples = sample_surface(mesh, COUNT, np.random.default_rng(0))
    cloud = PointCloud(samples.points, samples.normals, np.full((COUNT, 3), color, np.uint8))
    flat = np.log([0.03, 0.03, 0.001])  # discs in the surface: their own third axis is its normal
    up = np.array([0.0, 0.0, 1.0])
    quats = np.concatenate([1 + samples.normals[:, 2:], np.cross(up, samples.normals)], axis=1)
    splats = Gaussians(
        means=samples.points,
        log_scales=np.tile(flat, (COUNT, 1)),
        quats=quats,
        opacity_logits=np.full(COUNT, 3.0),
        colors=np.tile(np.array(color) / 255, (COUNT, 1)),
    )
    path = tmp_path / "view.html"
    painted = Mesh(mesh.vertices, mesh.faces, np.full((len(mesh.vertices), 3), color, np.uint8))
    path.write_text(view_html([("mesh", painted), ("points", cloud), ("splats", splats)]))
    with browser.open_browser(480, 180) as page:
        page.open(path.as_uri())
        page.press(" ", 32)  # stands still
        page.wait("Number(document.getElementById('canvas').dataset.frames) > 3")
        first = page.picture().astype(int)
        page.press("ArrowRight", 39)
        frames = page.evaluate("Number(document.getElementById('canvas').dataset.frames)")
        page.wait(f"Number(document.getElementById('canvas').dataset.frames) > {frames + 2}")
        turned = page.picture().astype(int)
        assert page.console == []
    panes = [first[14:166, 156 * i + 14 : 156 * i + 154] for i in range(3)]
    seen = [pane.min(axis=-1) < 150 for pane in panes]
    assert seen[0].sum() > 2000
    for other, least in ((1, 0.75), (2, 0.9)):  # a disc stands over the edge by a tenth of the ring
        assert (seen[0] & seen[other]).sum() > least * (seen[0] | seen[other]).sum(), "the same outline"
    both = seen[0] & seen[1]
    assert np.abs(panes[0][both] - panes[1][both]).mean() < 14, "points are lit like the surface"
    assert (first != turned).any(-1).sum() > 600, "an arrow key turns them"
