import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from shapes import sphere
from typer.testing import CliRunner

from ltm3d import schema
from ltm3d.cli.app import app
from ltm3d.errors import ConfigError, DataError
from ltm3d.representations.sdf import SdfTargetConfig, build_sdf_target
from ltm3d.shards.index import IndexEntry, write_index
from ltm3d.shards.write import write_shard
from ltm3d.tokenizers.sdf import SdfTokenizer, SdfTokenizerConfig


def make_data(folder: Path) -> None:
    """Three spheres of the validation split, and a tokenizer that was never trained."""
    config = SdfTargetConfig(num_surface=400, num_sharp=8, num_volume=50, num_near=50)
    targets = [
        build_sdf_target(sphere(radius), config=config, rng=np.random.default_rng(0))[0] for radius in (0.3, 0.6, 0.9)
    ]
    uids = ["a", "b", "c"]
    arrays = {name: [target[name] for target in targets] for name in targets[0]}
    shard = folder / "targets" / "sdf" / "shard-00000"
    write_shard(shard, fields=schema.SDF_TARGETS, arrays=arrays, uids=uids, records=[{}] * 3, rejects=[], key="k")
    (folder / "meshes").mkdir(parents=True)
    blank = {"category": "", "caption": "", "source": "", "licence": "", "name": ""}
    entries = [
        IndexEntry(
            uid=uid, shard="shard-00000", split="val", **blank, num_faces=1, is_watertight=True, scale=1.0,
            offset=(0.0, 0.0, 0.0),
        )
        for uid in uids
    ]  # fmt: skip
    write_index(folder / "meshes", entries)
    torch.manual_seed(0)
    sizes = {"num_tokens": 4, "token_dim": 4, "width": 16, "encoder_depth": 0, "decoder_depth": 1, "num_heads": 2}
    SdfTokenizer(SdfTokenizerConfig(**sizes)).save(folder / "models" / "tokenizer" / "sdf")


def test_the_verdict_is_shown_and_kept(tmp_path: Path) -> None:
    make_data(tmp_path)
    command = ["tokens", "audit", "sdf", "--data", str(tmp_path), "--num-points", "200", "--write"]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0 and "elementwise_over_random" in done.output and "is_ordered" in done.output
    verdict = json.loads((tmp_path / "models" / "tokenizer" / "sdf" / "audit.json").read_text())
    assert verdict["num_shapes"] == 3 and verdict["num_surface"] == 200


def test_as_many_points_are_read_as_the_tokens_are_encoded_from(tmp_path: Path) -> None:
    """Before, 512 whatever the recipe said."""
    make_data(tmp_path / "data")
    command = ["tokens", "audit", "sdf", "--data", str(tmp_path / "data")]
    params = tmp_path / "params.yaml"
    params.write_text("encode_tokens: {num_surface: 120}")
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert re.search(r"^num_surface +120$", done.output, re.MULTILINE)
    params.write_text("encode_tokens: {num_surface: many}")
    with pytest.raises(ConfigError, match=r"num_surface is 'many'; use a whole number of at least 1"):
        CliRunner().invoke(app, command, catch_exceptions=False)
    params.unlink()
    with pytest.raises(ConfigError, match=r"^1024 points .* are asked for, 400 are stored"):  # as an example
        CliRunner().invoke(app, command, catch_exceptions=False)


def test_a_split_without_assets_is_refused(tmp_path: Path) -> None:
    make_data(tmp_path)
    with pytest.raises(DataError, match="split"):
        CliRunner().invoke(app, ["tokens", "audit", "--data", str(tmp_path), "--split", "test"], catch_exceptions=False)
