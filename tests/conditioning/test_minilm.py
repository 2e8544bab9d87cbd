"""MiniLM's hidden states: those of transformers' own reading of the package's folder, cut and padded as we say."""

import io
import zipfile
from pathlib import Path

import pytest
import torch
import transformers

from ltm3d.conditioning.minilm import NUM_TOKENS, MiniLmEncoder
from ltm3d.conditioning.packages import ALL_MINILM_L6_V2

TEXTS = [
    "A 3D model of a wooden chair with a slatted back, Chair.",
    "a lamp",
    "Élégant BENCH!",
    "x " * 90,
]


@pytest.fixture(scope="module")
def encoder() -> MiniLmEncoder:
    return MiniLmEncoder.load()


def test_the_states_are_those_of_the_published_model(encoder: MiniLmEncoder, tmp_path: Path) -> None:
    zipfile.ZipFile(io.BytesIO(ALL_MINILM_L6_V2.read())).extractall(tmp_path)
    model = transformers.AutoModel.from_pretrained(tmp_path).eval()
    words = transformers.AutoTokenizer.from_pretrained(tmp_path)(
        TEXTS, padding="max_length", truncation=True, max_length=NUM_TOKENS, return_tensors="pt"
    )
    with torch.inference_mode():
        states = model(**words).last_hidden_state
    mask = words["attention_mask"].bool()
    tokens, found, pooled = encoder.encode(TEXTS)
    assert tokens.shape == (4, NUM_TOKENS, 384) and torch.equal(found, mask)
    torch.testing.assert_close(tokens[mask], states[mask], atol=1e-5, rtol=1e-4)
    assert not tokens[~mask].any()
    torch.testing.assert_close(pooled[1], states[1][mask[1]].amax(dim=0), atol=1e-5, rtol=1e-4)


def test_what_else_is_encoded_does_not_matter(encoder: MiniLmEncoder) -> None:
    alone = torch.cat([encoder.encode([text])[0] for text in TEXTS])
    torch.testing.assert_close(alone, encoder.encode(TEXTS)[0], atol=1e-5, rtol=1e-4)


def test_like_texts_lie_near_each_other(encoder: MiniLmEncoder) -> None:
    _, _, pooled = encoder.encode(["a wooden chair", "a seat made of wood", "a propeller plane"])
    unit = pooled / pooled.norm(dim=1, keepdim=True)
    assert unit[0] @ unit[1] > unit[0] @ unit[2] + 0.05


def test_length_and_known_words(encoder: MiniLmEncoder) -> None:
    assert encoder.count("a lamp") == 4 and encoder.count(TEXTS[3]) > NUM_TOKENS
    assert encoder.knows("a lamp") and not encoder.knows("\U0001f6cb \U0001f6cb")
    assert not encoder.model.training and not any(each.requires_grad for each in encoder.model.parameters())
