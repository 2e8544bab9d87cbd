from dataclasses import replace

import torch

from ltm3d.generator.model import Generator
from ltm3d.generator.prefix import Condition


def test_an_absent_modality_is_not_seen(generator: Generator, condition: Condition) -> None:
    changed = replace(
        condition,
        image_tokens=torch.where(condition.has_image[:, None, None], condition.image_tokens, 9.0),
        text_tokens=torch.where(condition.has_text[:, None, None], condition.text_tokens, 9.0),
    )
    assert torch.equal(generator.encode_prefix(condition).tokens, generator.encode_prefix(changed).tokens)


def test_padding_of_a_text_is_not_seen(generator: Generator, condition: Condition) -> None:
    changed = replace(condition, text_tokens=torch.where(condition.text_mask[..., None], condition.text_tokens, 9.0))
    assert torch.equal(generator.encode_prefix(condition).tokens, generator.encode_prefix(changed).tokens)


def test_a_present_modality_is_seen(generator: Generator, condition: Condition) -> None:
    base = generator.encode_prefix(condition).tokens
    other_text = generator.encode_prefix(replace(condition, text_tokens=condition.text_tokens.flip(2))).tokens
    differs = (base - other_text).abs().amax(dim=(1, 2)) > 1e-4
    assert differs.tolist() == condition.has_text.tolist()


def test_the_null_condition_is_the_same_for_all_prompts(generator: Generator, condition: Condition) -> None:
    null = generator.encode_prefix(condition.dropped()).tokens
    assert torch.allclose(null, null[:1].expand_as(null), atol=1e-6)
