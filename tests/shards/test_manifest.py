import dataclasses
from pathlib import Path

import numpy as np
import pytest

from ltm3d.errors import ConfigError
from ltm3d.shards.manifest import key_of, shard_name


@dataclasses.dataclass(frozen=True)
class Settings:
    width: int
    path: Path = Path("a/b")


def test_shard_of_an_asset_is_its_crc_and_nothing_else():
    assert shard_name("123456789", 10**5) == f"shard-{0xCBF43926 % 10**5:05d}"  # the published check value of crc32
    assert {shard_name(f"u{i}", 4) for i in range(100)} == {f"shard-0000{k}" for k in range(4)}


@pytest.mark.parametrize("num_shards", [0, -1, 10**6])
def test_impossible_number_of_shards(num_shards):
    with pytest.raises(ConfigError, match="num_shards"):
        shard_name("a", num_shards)


def test_key_depends_on_content_only():
    assert key_of(Settings(3), {"b": 1, "a": (2, 3)}) == key_of(Settings(np.int64(3)), {"a": [2, 3], "b": 1})
    keys = {
        key_of(Settings(3)),
        key_of(Settings(4)),
        key_of(Settings(3, Path("c"))),
        key_of(3),
        key_of("3"),
        key_of(3, 3),
    }
    assert len(keys) == 6


def test_what_has_no_canonical_form_is_refused():
    with pytest.raises(TypeError, match="canonical"):
        key_of(object())
    with pytest.raises(ValueError):
        key_of(float("nan"))
