"""What is packed is what the stages wrote, less what nothing reads; too much is refused with the remedy."""

from pathlib import Path

import numpy as np
import pytest
from tiny_latents import NUM_VIEWS, make_tiny_latents

from ltm3d.errors import DataError
from ltm3d.generator.latent_data import LatentData
from ltm3d.shards.read import ShardSet
from pipelines import pack
from pipelines._packed import packed_latents, read_packed


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(make_tiny_latents(tmp_path))
    return tmp_path


def test_the_packed_examples_are_those_of_the_stage(checkout: Path) -> None:
    pack.main(["packed"])
    packed = read_packed(Path("packed"))
    here, there = LatentData.of(Path("data"), "sdf"), packed_latents(Path("packed"), packed)
    assert there.train_uids == here.train_uids and there.val_uids == here.val_uids
    assert there.token_shape() == here.token_shape()
    ours, theirs = here.train_examples(), there.train_examples()
    for index in range(len(ours)):
        one, two = (examples.example(index, np.random.default_rng(index)) for examples in (ours, theirs))
        length = len(two["text_mask"])
        assert length == 6 and not one["text_mask"][length:].any()
        for name in one:
            assert np.array_equal(one[name][:length] if name.startswith("text") else one[name], two[name]), name


def test_the_test_prompts_have_the_one_view(checkout: Path) -> None:
    pack.main(["packed", "--views", "2"])
    packed = read_packed(Path("packed"))
    prompts, source = (ShardSet(Path(name), packed.test_uids) for name in ("packed/prompts", "data/conditions"))
    assert packed.test_uids and not set(packed.test_uids) & {*packed.train_uids, *packed.val_uids}
    for index in range(len(prompts)):
        assert np.array_equal(prompts.get("image_tokens", index), source.get("image_tokens", index)[:1])
    assert ShardSet(Path("packed/conditions")).get("image_tokens", 0).shape[0] == 2


def test_too_large_a_folder_is_refused_with_what_would_fit(checkout: Path) -> None:
    selection = pack.select(pack.load_params(), "sdf", None)
    sizes = [selection.num_bytes(views) for views in range(1, NUM_VIEWS + 1)]
    assert sizes == sorted(set(sizes))
    with pytest.raises(DataError, match=r"would have .* MB, the limit is .* MB; --views 2 makes it .* MB"):
        pack.check_size(selection, (sizes[1] + sizes[2]) / 2e6)
    with pytest.raises(DataError, match=r"--views 1 is still .* MB: give the recipe's sources fewer objects"):
        pack.check_size(selection, sizes[0] / 1e6 * 0.99)
    pack.check_size(selection, sizes[2] / 1e6)
    pack.main(["packed"])
    on_disk = sum(path.stat().st_size for path in Path("packed").rglob("*") if path.suffix in (".npy", ".safetensors"))
    num_headers = len(list(Path("packed").rglob("*.npy")))
    assert 0 <= on_disk - sizes[2] <= 200 * num_headers


def test_a_folder_that_is_there_is_left_alone(checkout: Path) -> None:
    Path("packed").mkdir()
    with pytest.raises(DataError, match="exists"):
        pack.main(["packed"])
    with pytest.raises(DataError, match="each asset has 3 views"):
        pack.main(["other", "--views", "4"])
