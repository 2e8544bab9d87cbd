"""What the tokenizer's gallery shows; the figures themselves are tested in tests/evaluation."""

import pytest
import torch
from shapes import box, sphere
from tiny_bundle import make_tiny_bundle

from ltm3d.evaluation.reconstruction import Encoded
from ltm3d.evaluation.table import Scores
from ltm3d.geometry.mesh import Mesh
from ltm3d.shards.index import IndexEntry
from ltm3d.tokenizers.sdf import SdfTokenizer
from ltm3d.tokenizers.tokenizer import DecodeConfig
from pipelines.evaluate_tokenizer import reconstructed_items


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> SdfTokenizer:
    """All its latents are one sphere."""
    return SdfTokenizer.load(make_tiny_bundle(tmp_path_factory.mktemp("model") / "bundle") / "tokenizer")


def test_inputs_stand_beside_reconstructions_worst_first(tokenizer: SdfTokenizer) -> None:
    tokens = torch.zeros(4, 4)
    ball, cube = sphere(0.6, subdivisions=1), box()
    assets = [Encoded("good", ball, tokens), Encoded("bad", cube, tokens), Encoded("worse", cube, tokens, ball)]
    entries = [
        IndexEntry(
            uid=asset.uid, shard="", split="test", category="solid", caption=f"a {asset.uid} one", source="",
            licence="", name="", num_faces=1, is_watertight=True, scale=1.0, offset=(0.0, 0.0, 0.0),
        )
        for asset in assets
    ]  # fmt: skip
    distances = {"good": 0.1, "bad": 0.4, "worse": 0.7}
    scores = [
        Scores("ceiling", "64^3", {uid: {"chamfer_l1": 0.0} for uid in distances}),
        Scores("round_trip", "64^3", {uid: {"chamfer_l1": value} for uid, value in distances.items()}),
    ]
    items = reconstructed_items(tokenizer, assets, entries, scores, decode=DecodeConfig(resolution=16))
    assert [item.uid for item in items] == ["worse", "bad", "good"]
    assert [item.figures["chamfer_l1"] for item in items] == [0.7, 0.4, 0.1]
    assert [item.truth for item in items] == [ball, cube, ball], "what the target stands for, else the mesh"
    assert all(isinstance(item.samples[0], Mesh) for item in items)
    assert items[0].caption == "a worse one" and items[0].prompt_kind == "none"
