import re
from pathlib import Path

import browser
import numpy as np
import pytest
from gallery_items import make_item, make_items, make_plots, make_process
from shapes import torus

from ltm3d.errors import DataError
from ltm3d.serving.gallery import GalleryPictures, GalleryWords, write_gallery
from ltm3d.serving.pages import MAX_SINGLE_BYTES, SINGLE_FILE, read_page_data, read_shape_script, write_single_page
from ltm3d.serving.viewer import three_script

needs_browser = pytest.mark.skipif(browser.PROGRAM is None, reason="no Chromium here: apt-get install chromium")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages") / "sdf"
    write_gallery(
        folder,
        make_items(),
        words=GalleryWords(title="</script> & C"),
        plots=make_plots(),
        processes=[make_process()],
        pictures=GalleryPictures(num_frames=4, resolution=64),
    )
    return folder


def test_the_single_file_needs_nothing_else(folder: Path) -> None:
    text = (folder / SINGLE_FILE).read_text("utf-8")
    assert len(text) < MAX_SINGLE_BYTES
    outside = re.findall(r"""(?:src|href)\s*=\s*["']([^"'$]+)""", text.replace(three_script(), ""))
    assert {address.partition(":")[0] for address in outside} <= {"data"}
    for script in (folder / "assets").glob("shape*.js"):
        assert read_shape_script(script.parent, script.stem) in text


def test_what_does_not_fit_is_left_out_and_counted(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shapes = [torus(0.6 + 0.2 * rng.random(), 0.1 + 0.1 * rng.random()) for _ in range(4)]
    items = [make_item(f"uid{i}", "chair", samples=[shape]) for i, shape in enumerate(shapes)]
    write_gallery(tmp_path, items, words=GalleryWords(title="x"), pictures=GalleryPictures(num_frames=1, resolution=16))
    whole = (tmp_path / SINGLE_FILE).stat().st_size
    capped = write_single_page(tmp_path, tmp_path / "capped.html", max_bytes=whole - 1000)
    assert (capped.num_items, capped.num_left_out) == (3, 1)
    assert capped.path.stat().st_size <= whole - 1000
    assert '"num_left_out":1' in capped.path.read_text()
    with pytest.raises(DataError, match="raise the limit"):
        write_single_page(tmp_path, tmp_path / "none.html", max_bytes=1000)


def test_a_folder_without_a_gallery_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no gallery"):
        read_page_data(tmp_path)
    assert read_page_data(folder)["title"] == "</script> & C"


@needs_browser
@pytest.mark.slow
def test_the_single_file_in_a_sandboxed_frame(folder: Path, tmp_path: Path) -> None:
    """As MLflow shows it: an opaque origin, nothing beside the file."""
    page_text = (folder / SINGLE_FILE).read_text("utf-8")
    host = tmp_path / "host.html"
    frame = page_text.replace("&", "&amp;").replace('"', "&quot;")
    host.write_text(f'<iframe sandbox="allow-scripts" width=1000 height=1500 srcdoc="{frame}"></iframe>', "utf-8")
    with browser.open_browser(1060, 1560) as page:
        page.open(host.as_uri())
        with page.inside("about:srcdoc"):
            page.wait("document.querySelector('.item .live canvas')?.dataset.frames > 2")
            assert page.evaluate("document.querySelectorAll('.item').length") == 3
            assert page.evaluate("[...document.images].every(image => image.src.startsWith('data:'))")
            assert page.console == []
