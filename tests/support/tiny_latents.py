"""A folder as the stages before `train_generator` leave it, small and made up: tokens, conditions, models, settings."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tiny_bundle import make_tiny_bundle

from ltm3d import schema
from ltm3d.generator.latent_data import HASH_FIELD
from ltm3d.nn.weights import weights_hash
from ltm3d.shards.index import IndexEntry, write_index
from ltm3d.shards.manifest import shard_name
from ltm3d.shards.write import write_shard
from pipelines.compose import compose, write_params

NUM_SHARDS, NUM_VIEWS, NUM_WORDS = 2, 3, 9  # the texts have 6 words at most, the rest is padding
SPLITS = ("train",) * 8 + ("val", "test")  # in turn
OVERRIDES = (
    "generator.sdf.training.checkpoint_every=2",
    "generator.sdf.training.log_every=10",
    "generator.sdf.training.validate_every=20",
    "sampling.sdf.resolution=16",
)


def make_tiny_latents(root: Path, *, num_assets: int = 40) -> Path:
    """Write `params.yaml` and `data/` below a folder; the tokenizer's shapes are all spheres."""
    data = root / "data"
    rng = np.random.default_rng(0)
    uids = [f"asset{index:03d}" for index in range(num_assets)]
    groups = {f"shard-{n:05d}": [u for u in uids if shard_name(u, NUM_SHARDS).endswith(str(n))] for n in range(2)}
    with tempfile.TemporaryDirectory() as temporary:
        bundle = make_tiny_bundle(Path(temporary) / "bundle")
        for part in ("tokenizer", "ltr"):
            shutil.copytree(bundle / part, data / "models" / part / "sdf")
    whose = {HASH_FIELD: weights_hash(data / "models" / "tokenizer" / "sdf")}
    for name, group in groups.items():
        _write(data / "tokens" / "sdf" / name, schema.TOKENS, group, [_tokens(rng) for _ in group], whose)
        _write(data / "conditions" / name, schema.CONDITIONS, group, [_conditions(rng) for _ in group], {})
    (data / "meshes").mkdir()
    write_index(data / "meshes", [_entry(uid, SPLITS[index % 10]) for index, uid in enumerate(uids)])
    write_params(compose("smoke", OVERRIDES), root / "params.yaml")
    return root


def _tokens(rng: np.random.Generator) -> dict[str, np.ndarray]:
    mean = rng.normal(size=(4, 4)).astype(np.float32)
    return {"mean": mean, "std": np.full_like(mean, 0.01)}


def _conditions(rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "image_tokens": rng.normal(size=(NUM_VIEWS, 5, 16)).astype(np.float16),
        "text_tokens": rng.normal(size=(NUM_WORDS, 24)).astype(np.float16),
        "text_mask": np.arange(NUM_WORDS) < rng.integers(3, 7),
        "image_embedding": rng.normal(size=(NUM_VIEWS, 12)).astype(np.float32),
        "text_embedding": rng.normal(size=12).astype(np.float32),
    }


def _entry(uid: str, split: str) -> IndexEntry:
    return IndexEntry(
        uid=uid,
        shard=shard_name(uid, NUM_SHARDS),
        split=split,
        category="sphere",
        caption="A 3D model of a sphere.",
        source="procedural",
        licence="CC0-1.0",
        name=uid,
        num_faces=1,
        is_watertight=True,
        scale=1.0,
        offset=(0.0, 0.0, 0.0),
    )


def _write(
    folder: Path,
    fields: Sequence[schema.Field],
    uids: Sequence[str],
    rows: Sequence[dict[str, np.ndarray]],
    record: dict[str, str],
) -> None:
    arrays = {field.name: [row[field.name] for row in rows] for field in fields}
    write_shard(folder, fields=fields, arrays=arrays, uids=uids, records=[record] * len(uids), rejects=[], key="tiny")
