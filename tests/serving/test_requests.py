import math

import pytest
from prompt_pictures import box, to_base64

from ltm3d.errors import ConfigError, PromptError
from ltm3d.serving.requests import MAX_SEED, Prompt, RequestLimits, ShapeRequest, check_prompt, read_batch

LIMITS = RequestLimits()
SMALL = RequestLimits(max_batch=2, max_image_bytes=300, max_text_length=20, max_steps=4)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (Prompt(), "there is no prompt"),
        (Prompt(text=""), "there is no prompt"),
        (Prompt(text=" \n\t\u3000"), "there is no prompt"),
        (Prompt(text="word " * 10_000), "50,000 characters, more than 2,000"),
        (Prompt(text="half \ud83d"), "not valid Unicode at character 5"),
        (Prompt(image=bytes(8_000_001)), "8,000,001 bytes, more than 8,000,000"),
        (Prompt(text="a", seed=-1), f"seed is -1; it must be 0 to {MAX_SEED}"),
        (Prompt(text="a", seed=2**53), "seed is 9007199254740992"),
        (Prompt(text="a", num_steps=0), "num_steps is 0; it must be 1 to 128"),
        (Prompt(text="a", num_steps=129), "num_steps is 129"),
        (Prompt(text="a", guidance_scale=-0.5), "guidance_scale is -0.5; it must be 0 to 20"),
        (Prompt(text="a", guidance_scale=math.nan), "guidance_scale is nan"),
        (Prompt(text="a", temperature=math.inf), "temperature is inf; it must be 0 to 4"),
        (Prompt(text="a", format="stl"), "format is 'stl'; it must be one of glb, ply"),
    ],
)
def test_what_is_out_of_its_limits_is_refused_with_the_limit(prompt: Prompt, message: str) -> None:
    with pytest.raises(PromptError) as raised:
        check_prompt(prompt, LIMITS)
    assert message in str(raised.value)


def test_the_limits_themselves_are_allowed() -> None:
    at_most = Prompt(
        image=bytes(8_000_000),
        text="\u00e9" * 2000,
        seed=MAX_SEED,
        num_steps=128,
        guidance_scale=20.0,
        temperature=4.0,
        format="ply",
    )
    check_prompt(at_most, LIMITS)
    check_prompt(Prompt(text="椅子 🪑 كرسي", guidance_scale=0.0, temperature=0.0), LIMITS)
    check_prompt(Prompt(text="", image=b"x"), LIMITS)


def test_a_batch_says_which_prompt_is_wrong() -> None:
    good = ShapeRequest(text="a chair", seed=None)
    assert read_batch([good], LIMITS) == [Prompt(text="a chair")]
    with pytest.raises(PromptError, match=r"^inputs\[1\]: there is no prompt"):
        read_batch([good, ShapeRequest()], LIMITS)
    for requests in ([], [good] * 3):
        with pytest.raises(PromptError, match=f"inputs has {len(requests)} prompts; send 1 to 2"):
            read_batch(requests, SMALL)


def test_pictures_come_in_base64_and_their_size_is_seen_before_they_are_decoded() -> None:
    [prompt] = read_batch([ShapeRequest(image=to_base64(box()))], LIMITS)
    assert prompt.image == box()
    for size in (300, 301, 302, 303):
        request = ShapeRequest(image=to_base64(bytes(size)))
        if size == 300:
            read_batch([request], SMALL)
            continue
        with pytest.raises(PromptError, match="more than 300: send a smaller file"):
            read_batch([request], SMALL)
    with pytest.raises(PromptError, match="about 3,000 bytes"):
        read_batch([ShapeRequest(image="!" * 4000)], SMALL)
    for text in ("not base64!", "abc", "data:image/png;base64,AAAA", "\u00e9"):
        with pytest.raises(PromptError, match="the image is not base64"):
            read_batch([ShapeRequest(image=text)], SMALL)


def test_a_field_that_is_not_known_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        ShapeRequest.model_validate({"text": "a", "guidance": 3})


def test_a_limit_is_more_than_nothing() -> None:
    with pytest.raises(ConfigError, match="max_steps is 0"):
        RequestLimits(max_steps=0)
