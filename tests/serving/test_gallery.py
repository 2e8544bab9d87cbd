import json
from pathlib import Path

import browser
import numpy as np
import pytest
from PIL import Image
from shapes import box

from ltm3d.errors import ConfigError
from ltm3d.serving.gallery import BLIND_KEY, GalleryItem, GalleryPictures, blind_order, write_gallery

needs_browser = pytest.mark.skipif(browser.PROGRAM is None, reason="no Chromium here: apt-get install chromium")
COLORS = {"chair": (200, 60, 40), "lamp": (40, 160, 60), "table": (50, 80, 200)}


def make_item(uid: str, category: str, kind: str = "image", *, is_empty: bool = False) -> GalleryItem:
    picture = np.full((32, 32, 4), (*COLORS[category], 255), np.uint8)
    shape = box((1.8, 0.9, 0.6), color=COLORS[category])
    return GalleryItem(
        uid=uid,
        category=category,
        caption=f"A 3D model of a <b>{category}</b>, {category.title()}.",
        prompt_kind=kind,
        prompt_image=None if kind == "text" else picture,
        truth=shape,
        samples=[None if is_empty else shape, box((0.6, 1.8, 0.6))],
        figures={"chamfer_l1": 0.01234, "iou": float("nan")},
    )


ITEMS = [
    make_item("uid-secret-1", "chair"),
    make_item("uid-secret-2", "lamp", "text"),
    make_item("uid-secret-3", "table", "both", is_empty=True),
]
SUMMARY = [{"method": "generated", "CD-L1": 0.0512}, {"method": "retrieval", "CD-L1": 0.0612, "IoU": 0.5}]


@pytest.fixture(scope="module")
def page_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gallery") / "sdf"
    pictures = GalleryPictures(num_frames=4, resolution=64)
    return write_gallery(folder, ITEMS, title="A & B", summary_rows=SUMMARY, pictures=pictures)


def test_the_folder_holds_all_the_page_needs(page_path: Path) -> None:
    assets = page_path.parent / "assets"
    with Image.open(assets / "item0000_true.png") as strip:
        assert strip.size == (4 * 64, 64)
        frames = np.asarray(strip).reshape(64, 4, 64, 4)
    assert (frames[..., 3] > 0).sum(axis=(0, 2)).min() > 300, "every frame shows the shape"
    assert not (assets / "item0002_0.js").exists(), "an empty sample has no files"
    assert "NaN" not in (assets / "items.js").read_text()
    answers = json.loads((page_path.parent / BLIND_KEY).read_text())
    assert sorted(answer["uid"] for answer in answers) == [item.uid for item in ITEMS]


def test_file_names_tell_a_blind_reader_nothing(page_path: Path) -> None:
    names = " ".join(path.name for path in (page_path.parent / "assets").iterdir())
    assert "secret" not in names and not any(category in names for category in COLORS)


def test_the_same_items_give_the_same_bytes(page_path: Path, tmp_path: Path) -> None:
    pictures = GalleryPictures(num_frames=4, resolution=64)
    write_gallery(tmp_path / "again", ITEMS, title="A & B", summary_rows=SUMMARY, pictures=pictures)
    for path in sorted(page_path.parent.rglob("*")):
        if path.is_file():
            assert (tmp_path / "again" / path.relative_to(page_path.parent)).read_bytes() == path.read_bytes(), path


def test_the_blind_order_takes_categories_in_turn_and_each_object_once_before_any_twice() -> None:
    kinds = ("image", "text")
    items = [
        make_item(f"{category}{i}", category, kind)
        for kind in kinds
        for category in ("chair", "lamp")
        for i in range(3)
    ]
    order = blind_order(items)
    assert sorted(order) == list(range(12))
    for start in range(0, 12, 2):
        assert {items[index].category for index in order[start : start + 2]} == {"chair", "lamp"}
    assert len({items[index].uid for index in order[:6]}) == 6
    uids = [items[index].uid for index in order]
    assert [items[::-1][index].uid for index in blind_order(items[::-1])] == uids, "the order given does not matter"


def test_an_item_without_its_prompt_is_refused() -> None:
    with pytest.raises(ConfigError, match="no prompt_image"):
        GalleryItem(
            uid="a",
            category="",
            caption="",
            prompt_kind="image",
            prompt_image=None,
            truth=box(),
            samples=[],
            figures={},
        )


def mean_red(picture: np.ndarray) -> np.ndarray:
    """Mean colour of the pixels of the red shape."""
    return picture[(picture[..., 0] - picture[..., 2]) > 40].mean(axis=0)


@needs_browser
@pytest.mark.slow
def test_the_page_in_a_browser(page_path: Path, tmp_path: Path) -> None:
    address = page_path.as_uri()
    with browser.open_browser(1100, 900) as page:
        page.open(address)
        page.wait("[...document.images].slice(0, 4).every(image => image.complete && image.naturalWidth)")
        texts = page.evaluate("document.body.innerText")
        assert "A & B" in texts and "<b>chair</b>" in texts and "“A 3D model of a <b>lamp</b>, Lamp.”" in texts
        assert "no surface" in texts and "0.0123" in texts
        assert page.evaluate("[...document.querySelectorAll('thead th')].map(e => e.textContent)") == [
            "method", "CD-L1", "IoU",
        ]  # fmt: skip
        assert (page.picture(tmp_path / "light.png")[5, 5] > 200).all()

        tile = "[data-shape=item0000_0]"
        page.center(tile)  # scrolls
        still = page.picture()
        page.hover(tile)
        page.wait(f"document.querySelector('{tile}.live canvas')?.dataset.frames > 2")
        middle = [round(value) for value in page.center(tile)]
        cut = np.s_[middle[1] - 60 : middle[1] + 60, middle[0] - 60 : middle[0] + 60]
        first = page.picture()[cut].astype(int)
        drawn, shot = (mean_red(cutout) for cutout in (first, still[cut].astype(int)))
        assert np.abs(drawn - shot).max() < 15, "the turning shape looks like its picture"
        assert ((first[..., 0] - first[..., 2]) > 60).sum() > 1500, "the red shape is drawn"
        page.wait(f"document.querySelector('{tile} canvas').dataset.frames > 12")
        assert (first != page.picture()[cut]).any(-1).sum() > 300, "it turns"
        page.hover("h1")
        page.wait("!document.querySelector('.live')")

        page.click(tile)
        page.wait("document.querySelector('dialog[open] canvas')?.dataset.frames > 2")
        assert page.evaluate("document.querySelectorAll('#large-panes div').length") == 3
        page.click("dialog > button")
        page.wait("!document.querySelector('dialog[open]')")

        page.click(".chips button[data-value=lamp]")
        shown = "[...document.querySelectorAll('.item')].filter(e => !e.hidden).map(e => e.dataset.category)"
        assert page.evaluate(shown) == ["lamp"]
        page.click(".theme")
        assert (page.picture(tmp_path / "dark.png")[5, 5] < 60).all()
        assert page.console == []
        assert {request.partition(":")[0] for request in page.requests} == {"file"}


@needs_browser
@pytest.mark.slow
def test_the_blind_grid_has_numbers_and_no_labels(page_path: Path, tmp_path: Path) -> None:
    with browser.open_browser(900, 800) as page:
        page.open(page_path.as_uri() + "#blind=2")
        page.wait("document.querySelectorAll('.blind figure').length === 2")
        text = page.evaluate("document.getElementById('page').innerText")
        assert not any(word in text.lower() for word in (*COLORS, "secret", "chamfer"))
        page.evaluate("location.hash = '#blind'")
        page.wait("document.querySelectorAll('.blind figure').length === 3")
        page.click("button.plain")
        answers = page.evaluate("[...document.querySelectorAll('.blind figcaption')].map(e => e.textContent)")
        assert page.console == []
    assert answers == [answer["category"] for answer in json.loads((page_path.parent / BLIND_KEY).read_text())]
