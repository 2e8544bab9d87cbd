from dataclasses import replace
from pathlib import Path

import browser
import pytest
from gallery_items import make_items, make_plots, make_process
from shapes import box

from ltm3d.errors import ConfigError, DataError
from ltm3d.serving.comparison import compare_galleries
from ltm3d.serving.gallery import GalleryPictures, GalleryWords, write_gallery
from ltm3d.serving.pages import read_page_data

needs_browser = pytest.mark.skipif(browser.PROGRAM is None, reason="no Chromium here: apt-get install chromium")
PICTURES = GalleryPictures(num_frames=2, resolution=32)


@pytest.fixture(scope="module")
def galleries(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Path]]:
    """The second version has larger shapes, a lower Chamfer distance, and lacks the second item."""
    folder = tmp_path_factory.mktemp("galleries")
    before = make_items()
    after = [
        replace(item, samples=[box((3.0, 0.5, 0.5))], metrics={"chamfer_l1": 0.01, "volume_iou": 0.7})
        for item in (before[0], before[2])
    ]
    words = GalleryWords(title="one")
    write_gallery(folder / "a", before, words=words, plots=make_plots(), processes=[make_process()], pictures=PICTURES)
    write_gallery(folder / "b", after, words=words, plots=make_plots(), pictures=PICTURES)
    return [("champion", folder / "a"), ("challenger", folder / "b")]


def test_items_are_matched_and_all_of_an_item_is_of_one_size(galleries: list[tuple[str, Path]], tmp_path: Path) -> None:
    compare_galleries(tmp_path / "page", galleries, title="two")
    data = read_page_data(tmp_path / "page")
    assert data["versions"] == ["champion", "challenger"]
    assert [[result["version"] for result in item["results"]] for item in data["items"]] == [[0, 1], [0], [0, 1]]
    parts = [read_page_data(folder) for _, folder in galleries]
    first = data["items"][0]
    assert first["magnify"] == parts[1]["items"][0]["magnify"] < parts[0]["items"][0]["magnify"]
    assert [result["drawn"] for result in first["results"]] == [part["items"][0]["magnify"] for part in parts]
    assert {row["version"] for row in data["summary"]} == {"champion", "challenger"}
    assert data["subtitle"] == "champion beside challenger: 2 prompts in common, 3 in all"
    assert (tmp_path / "page" / "gallery.html").is_file()


def test_one_gallery_or_two_of_a_name_are_refused(galleries: list[tuple[str, Path]], tmp_path: Path) -> None:
    for given in (galleries[:1], [galleries[0], galleries[0]]):
        with pytest.raises(ConfigError, match="different names"):
            compare_galleries(tmp_path / "page", given, title="x")
    with pytest.raises(DataError, match="holds no gallery"):
        compare_galleries(tmp_path / "page", [galleries[0], ("none", tmp_path)], title="x")


@needs_browser
@pytest.mark.slow
def test_the_comparison_in_a_browser(galleries: list[tuple[str, Path]], tmp_path: Path) -> None:
    path = compare_galleries(tmp_path / "page", galleries, title="two")
    with browser.open_browser(1200, 1000) as page:
        page.open(path.as_uri())
        changes = (
            "[...document.querySelectorAll('.item dd:is(.better, .worse)')].map(e => [e.className, e.textContent])"
        )
        assert page.evaluate(changes) == [
            ["better", "−0.00234"], ["worse", "−0.288"], ["better", "−0.04"], ["worse", "−0.25"],
        ]  # fmt: skip
        assert page.evaluate("document.querySelectorAll('.item .side').length") == 5
        page.evaluate(
            "{const s = document.querySelector('select'); s.value = 'most worsened volume iou first';"
            " s.dispatchEvent(new Event('change'))}"
        )
        order = "[...document.querySelectorAll('.item')].map(e => e.dataset.category)"
        assert page.evaluate(order) == ["chair", "table", "lamp"]
        page.center(".item .made .tile")
        page.wait("document.querySelector('.item .made .live canvas')?.dataset.frames > 2")
        assert page.console == []
