import json
import shutil

import pytest
from checkout import Checkout
from tiny_captioner import WORDS, save_tiny_captioner

from ltm3d.shards.captions import with_captions
from ltm3d.shards.index import read_index


def read(checkout: Checkout) -> dict[str, str]:
    return json.loads((checkout.data / "captions" / "captions.json").read_text())


@pytest.fixture
def captioned(checkout, data_log):
    """The shared checkout, left as it was found."""
    yield checkout
    checkout.set_params()
    shutil.rmtree(checkout.data / "captions")


def test_the_sources_captions_or_a_models(captioned, tmp_path) -> None:
    checkout = captioned
    entries = read_index(checkout.data / "meshes")
    checkout.set_params(caption_views={"model": None})
    checkout.run("caption_views")
    assert read(checkout) == {entry.uid: entry.caption for entry in entries}
    folder = save_tiny_captioner(tmp_path / "blip")
    checkout.set_params(caption_views={"model": str(folder), "max_new_tokens": 5})
    log = checkout.run("caption_views")
    assert "caption_views: 4 Ray Data tasks" in log
    captions = read(checkout)
    sources = {entry.uid: entry.caption for entry in entries}
    of_model = [uid for uid, caption in captions.items() if caption != sources[uid]]
    assert of_model and all(set(captions[uid].split()) <= set(WORDS) for uid in of_model)
    captioned_entries = with_captions(entries, checkout.data / "captions")
    assert [entry.caption for entry in captioned_entries] == [captions[entry.uid] for entry in entries]
    assert "0 Ray Data tasks" in checkout.run("caption_views")
