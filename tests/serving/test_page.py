import re

from shapes import torus

from ltm3d.serving.page import CONTENT_POLICY, demo_page, view_of
from ltm3d.serving.requests import RequestLimits
from ltm3d.serving.viewer import three_script


def test_the_page_fetches_nothing_and_shows_the_limits() -> None:
    page = demo_page(model="models:/<b>/1", limits=RequestLimits(max_steps=77))
    outside = re.findall(r"""(?:src|href)\s*=\s*["']([^"']+)""", page.replace(three_script(), ""))
    assert outside and all(address.startswith("data:") for address in outside)
    assert "models:/&lt;b&gt;/1" in page and 'max="77"' in page and "$" not in re.sub(r"\$\{", "", page[:3000])
    assert "'self'" in CONTENT_POLICY and "http" not in CONTENT_POLICY


def test_texts_to_click_are_escaped_and_the_first_is_the_hint() -> None:
    page = demo_page(model="m", limits=RequestLimits(), examples=("a <b>chair</b>", "a lamp"))
    assert page.count('class="chip"') == 2 and "a &lt;b&gt;chair&lt;/b&gt;</button>" in page
    assert 'placeholder="a &lt;b&gt;chair&lt;/b&gt;"' in page


def test_a_view_holds_the_shape_and_how_near_one_may_come() -> None:
    view = view_of(torus())
    assert 0.2 <= view["magnify"] <= 4 and view["shape"]["kind"] == "mesh"
