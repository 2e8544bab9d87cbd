import numpy as np
import pytest
from tiny_captioner import WORDS, save_tiny_captioner

from ltm3d.conditioning.captioner import Captioner
from ltm3d.errors import ModelError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny_captioner(tmp_path_factory.mktemp("blip"))


def pictures(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (3, 40, 40, 4), dtype=np.uint8)


def test_each_picture_has_one_line_of_the_models_words(folder) -> None:
    captions = Captioner.load(folder).caption(pictures(), max_new_tokens=8)
    assert len(captions) == 3
    assert all(set(caption.split()) <= set(WORDS) for caption in captions)
    assert any(captions)
    assert captions == Captioner.load(folder).caption(pictures(), max_new_tokens=8)


def test_what_is_no_captioner_is_told_with_the_remedy(tmp_path) -> None:
    with pytest.raises(ModelError, match=r"is no image-to-text model .*; give a name such as"):
        Captioner.load(tmp_path)
