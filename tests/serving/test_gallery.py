import json
from pathlib import Path

import browser
import numpy as np
import pytest
from gallery_items import COLORS, make_item, make_items, make_plots, make_process
from PIL import Image
from shapes import box

from ltm3d.errors import ConfigError
from ltm3d.serving.gallery import (
    BLIND_KEY,
    GalleryItem,
    GalleryPictures,
    GalleryWords,
    blind_order,
    write_gallery,
)

needs_browser = pytest.mark.skipif(browser.PROGRAM is None, reason="no Chromium here: apt-get install chromium")
ITEMS = make_items()
PICTURES = GalleryPictures(num_frames=4, resolution=64)
COUNT_CONTEXTS = """
window.numContexts = 0;
const getContext = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  if (kind.startsWith("webgl") && !this.counted) { this.counted = true; window.numContexts++; }
  return getContext.call(this, kind, ...rest);
};
"""

NO_WEBGL = """
const getContext = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
  return kind.includes("webgl") ? null : getContext.call(this, kind, ...rest);
};
"""


def write(folder: Path) -> Path:
    return write_gallery(
        folder,
        ITEMS,
        words=GalleryWords(title="A & B"),
        plots=make_plots(),
        processes=[make_process()],
        pictures=PICTURES,
    )


@pytest.fixture(scope="module")
def page_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("gallery") / "sdf")


def test_the_folder_holds_all_the_page_needs(page_path: Path) -> None:
    assets = page_path.parent / "assets"
    with Image.open(assets / "shape0000.webp") as strip:
        assert strip.size == (4 * 64, 64)
        frames = np.asarray(strip).reshape(64, 4, 64, 4)
    assert (frames[..., 3] > 0).sum(axis=(0, 2)).min() > 300, "every frame shows the shape"
    shapes = [path.stem for path in assets.glob("shape*.js")]
    assert sorted(shapes) == sorted(path.stem for path in assets.glob("*.webp"))
    assert len(shapes) == 3 + 1 + 4, "each different shape once; what has no surface has no files"
    assert "NaN" not in (assets / "items.js").read_text()
    answers = json.loads((page_path.parent / BLIND_KEY).read_text())
    assert sorted(answer["uid"] for answer in answers) == [item.uid for item in ITEMS]


def test_file_names_tell_a_blind_reader_nothing(page_path: Path) -> None:
    names = " ".join(path.name for path in (page_path.parent / "assets").iterdir())
    assert "secret" not in names and not any(category in names for category in COLORS)


def test_the_same_items_give_the_same_bytes(page_path: Path, tmp_path: Path) -> None:
    write(tmp_path / "again")
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
            metrics={},
        )


def mean_red(picture: np.ndarray) -> np.ndarray:
    """Mean colour of the pixels of the red shape."""
    return picture[(picture[..., 0] - picture[..., 2]) > 40].mean(axis=0)


TILE = ".item [data-shape=shape0000]"


@needs_browser
@pytest.mark.slow
def test_the_page_in_a_browser(page_path: Path, tmp_path: Path) -> None:
    with browser.open_browser(1100, 900) as page:
        page.open(page_path.as_uri())
        texts = page.evaluate("document.body.innerText")
        assert "A & B" in texts and "<b>chair</b>" in texts and "“A 3D model of a <b>lamp</b>, Lamp.”" in texts
        assert "no surface" in texts and "0.0123" in texts and "3 shown" in texts
        assert page.evaluate("[...document.querySelectorAll('thead th')].map(e => e.textContent)") == [
            "method", "chamfer l1", "volume iou",
        ]  # fmt: skip
        assert (page.picture(tmp_path / "light.png")[5, 5] > 200).all()
        assert page.evaluate("document.querySelectorAll('.plot polyline').length") == 1
        assert page.evaluate("document.querySelectorAll('.bars .own').length") == 1

        page.center(TILE)
        page.wait(f"document.querySelector('{TILE}.live canvas')?.dataset.frames > 2")
        middle = [round(value) for value in page.center(TILE)]
        cut = np.s_[middle[1] - 60 : middle[1] + 60, middle[0] - 60 : middle[0] + 60]
        first = page.picture()[cut].astype(int)
        assert ((first[..., 0] - first[..., 2]) > 60).sum() > 1500, "the red shape is drawn"
        frames = page.evaluate(f"Number(document.querySelector('{TILE} canvas').dataset.frames)")
        page.wait(f"document.querySelector('{TILE} canvas').dataset.frames > {frames + 8}")
        assert (first != page.picture()[cut]).any(-1).sum() > 300, "it turns"

        page.click(".turn")  # off: only what is pointed at turns, and it begins as its picture stands
        page.wait("!document.querySelector('.live')")
        middle = [round(value) for value in page.center(TILE)]
        cut = np.s_[middle[1] - 60 : middle[1] + 60, middle[0] - 60 : middle[0] + 60]
        still = page.picture()
        page.hover(TILE)
        page.wait(f"document.querySelector('{TILE}.live canvas')?.dataset.frames > 0")
        drawn, shot = (mean_red(picture[cut].astype(int)) for picture in (page.picture(), still))
        assert np.abs(drawn - shot).max() < 15, "the turning shape looks like its picture"

        page.click(TILE)
        page.wait("document.querySelector('dialog[open] canvas')?.dataset.frames > 2")
        assert page.evaluate("document.querySelectorAll('#large-panes div').length") == 3
        page.press("Escape", 27)
        page.wait("!document.querySelector('dialog[open]')")
        page.click(".theme")
        assert (page.picture(tmp_path / "dark.png")[5, 5] < 60).all()
        assert page.console == []
        assert {request.partition(":")[0] for request in page.requests} <= {"file", "data"}


@needs_browser
@pytest.mark.slow
def test_filters_order_and_slider_by_keyboard_alone(page_path: Path) -> None:
    shown = "[...document.querySelectorAll('.item')].filter(e => !e.hidden).map(e => e.dataset.category)"

    def tab_to(selector: str) -> None:
        for _ in range(60):
            page.press("Tab", 9)
            if page.evaluate(f"document.activeElement.matches({json.dumps(selector)})"):
                return
        raise AssertionError(f"{selector} cannot be reached by the tabulator key")

    with browser.open_browser(1100, 900) as page:
        page.dark(True)
        page.open(page_path.as_uri())
        assert (page.picture()[5, 5] < 60).all(), "dark where the machine is"

        tab_to(".process input")
        words = "document.querySelector('.process output').textContent"
        assert page.evaluate(words) == "step 4 of 4: 8 of 8 tokens known"
        at_end = page.evaluate("document.querySelector('.process .tile').dataset.shape")
        page.press("ArrowLeft", 37)
        page.press("ArrowLeft", 37)
        assert page.evaluate(words) == "step 2 of 4: 3 of 8 tokens known"
        cells = "['known', 'new'].map(name => document.querySelectorAll(`.tokens .${name}`).length)"
        assert page.evaluate(cells) == [1, 2]
        assert page.evaluate("document.querySelector('.process .tile').dataset.shape") != at_end
        page.wait("document.querySelector('.process .tile.live canvas')?.dataset.frames > 1")
        page.press("Home", 36)
        assert "hold no surface yet" in page.evaluate(words)

        tab_to(".chips button[data-value=lamp]")
        page.press("Enter", 13, "\r")
        assert page.evaluate(shown) == ["lamp"]
        tab_to(".chips button[data-value=text]")
        tab_to("select")
        assert page.evaluate(shown) == ["lamp"]
        page.press("w", 87, "w")  # the first choice that begins so
        order = "[...document.querySelectorAll('.item')].map(e => e.dataset.category)"
        assert page.evaluate("document.querySelector('select').value") == "worst chamfer l1 first"
        assert page.evaluate(order) == ["lamp", "table", "chair"]
        page.evaluate("document.querySelector('.chips button[data-value=\\'\\']').click()")
        assert page.evaluate(shown) == ["lamp", "table", "chair"]
        page.evaluate(
            "{const s = document.querySelector('select'); s.value = 'worst volume iou first';"
            " s.dispatchEvent(new Event('change'))}"
        )
        assert page.evaluate(order) == ["lamp", "table", "chair"], "a low IoU is worse"

        page.evaluate("document.activeElement.blur()")
        tab_to("button.tile")
        page.press("Enter", 13, "\r")
        page.wait("document.querySelector('dialog[open] canvas')?.dataset.frames > 2")
        canvas = "document.querySelector('dialog canvas')"
        page.press(" ", 32)  # stands still
        frames = page.evaluate(f"Number({canvas}.dataset.frames)")
        page.wait(f"{canvas}.dataset.frames > {frames + 2}")
        first = page.picture()
        page.wait(f"{canvas}.dataset.frames > {frames + 5}")
        assert (first == page.picture()).all(), "the space bar stops it"
        page.press("ArrowRight", 39)
        page.wait(f"{canvas}.dataset.frames > {frames + 9}")
        assert (first != page.picture()).any(-1).sum() > 300, "an arrow key turns it"
        page.press("Escape", 27)
        page.wait("!document.querySelector('dialog[open]')")
        assert page.console == []


@needs_browser
@pytest.mark.slow
def test_without_webgl_the_strips_of_pictures_turn(page_path: Path) -> None:
    with browser.open_browser(1100, 900) as page:
        page.send("Page.addScriptToEvaluateOnNewDocument", source=NO_WEBGL)
        page.open(page_path.as_uri())
        page.center(TILE)
        page.wait(f"document.querySelector('{TILE}.turning')")
        shown = f"document.querySelector('{TILE} .sprite')"
        assert page.evaluate(f"getComputedStyle({shown}).visibility") == "visible"
        name = "getComputedStyle(document.querySelector('.item .turning img')).animationName"
        assert page.evaluate(name) == "turn"
        page.click(TILE)
        page.wait("document.querySelector('dialog[open] .sprite img')?.naturalWidth > 0")
        assert all("WebGL" in line for line in page.console), "three.js says so, nothing else does"


@needs_browser
@pytest.mark.slow
def test_two_hundred_shapes_share_one_context(tmp_path: Path) -> None:
    items = [
        make_item(f"uid-{i}", "chair", samples=[box((0.5 + 0.01 * i, 1.0, 0.1 + 0.2 * k)) for k in range(3)])
        for i in range(50)
    ]
    pictures = GalleryPictures(num_frames=1, resolution=16)
    path = write_gallery(tmp_path / "many", items, words=GalleryWords(title="many"), pictures=pictures)
    with browser.open_browser(1100, 900) as page:
        page.send("Page.addScriptToEvaluateOnNewDocument", source=COUNT_CONTEXTS)
        page.open(path.as_uri())
        assert page.evaluate("document.querySelectorAll('button.tile').length") == 200
        for place in ("0", "document.body.scrollHeight / 2", "document.body.scrollHeight"):
            page.evaluate(f"window.scrollTo(0, {place})")
            page.wait(
                "[...document.querySelectorAll('.live')].filter(tile => { const box = tile.getBoundingClientRect();"
                " return box.bottom > 0 && box.top < innerHeight; }).length > 3"
            )
        page.wait("document.querySelectorAll('.live').length < 40", 30)
        page.click(".item:last-child button.tile")
        page.wait("document.querySelector('dialog[open] canvas')?.dataset.frames > 2")
        assert page.evaluate("window.numContexts") == 2, "one for all tiles, one for the large view"
        assert len([request for request in page.requests if "/shape" in request and request.endswith(".js")]) < 120
        assert page.console == []


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
