"""The folders that the evaluation of a generator reads, with a few balls, for any representation."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from shapes import sphere

from ltm3d import schema
from ltm3d.evaluation.shape_pictures import cloud_splats
from ltm3d.generator.ltr import LTR, LTRConfig
from ltm3d.generator.token_model import TokenShape
from ltm3d.geometry.point_cloud import PointCloud
from ltm3d.nn.weights import weights_hash
from ltm3d.shards.index import IndexEntry, write_index
from ltm3d.shards.meshes import mesh_arrays
from ltm3d.shards.write import Reject, write_shard
from ltm3d.tokenizers.gaussians import GaussiansTokenizer, GaussiansTokenizerConfig
from ltm3d.tokenizers.mesh import MeshTokenizer, MeshTokenizerConfig
from ltm3d.tokenizers.point_cloud import PointCloudTokenizer, PointCloudTokenizerConfig
from ltm3d.tokenizers.sdf import SdfTokenizer, SdfTokenizerConfig
from ltm3d.tokenizers.shape import Shape, sample_fields, to_arrays
from ltm3d.tokenizers.tokenizer import Tokenizer

RADII = {"big": 0.9, "small": 0.5, "test-big": 0.8, "test-small": 0.4}
SIZES: dict[str, Any] = {"token_dim": 10, "width": 32, "encoder_depth": 1, "decoder_depth": 1, "num_heads": 4}
TARGETS = {
    "sdf": schema.SDF_TARGETS,
    "point_cloud": schema.POINT_CLOUD_TARGETS,
    "mesh": schema.MESH_TARGETS,
    "gaussians": schema.GAUSSIANS_TARGETS,
}


def untrained_tokenizer(representation: str) -> Tokenizer:
    """Return a small tokenizer of random weights."""
    torch.manual_seed(0)
    match representation:
        case "sdf":
            return SdfTokenizer(SdfTokenizerConfig(num_tokens=4, **SIZES))
        case "point_cloud":
            return PointCloudTokenizer(PointCloudTokenizerConfig(num_tokens=8, **SIZES))
        case "mesh":
            return MeshTokenizer(MeshTokenizerConfig(num_tokens=16, num_cells=32, **SIZES))
    return GaussiansTokenizer(GaussiansTokenizerConfig(num_tokens=8, gaussians_a_token=16, **SIZES))


def ball_as(representation: str, radius: float) -> Shape:
    """Return a ball as a sample of a representation."""
    if representation in ("sdf", "mesh"):
        return sphere(radius, subdivisions=2)
    points = np.random.default_rng(0).normal(size=(512, 3))
    normals = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    cloud = PointCloud(radius * normals, normals, np.full((512, 3), 128, np.uint8))
    return cloud if representation == "point_cloud" else cloud_splats(cloud)


def write_evaluation_data(data: Path, representation: str) -> None:
    """Write two training and two test balls, one sample an image prompt, and a second one that failed for the small."""
    meshes = {uid: sphere(radius, subdivisions=2) for uid, radius in RADII.items()}
    rng = np.random.default_rng(0)
    if not (data / "meshes").is_dir():
        _write(data / "meshes", schema.MESHES, {uid: mesh_arrays(mesh) for uid, mesh in meshes.items()})
        write_index(data / "meshes", [_entry(uid) for uid in RADII])
        _write(data / "views", schema.VIEWS, {uid: _zeros(schema.VIEWS) for uid in RADII})
        rows = {}
        for uid in RADII:
            rows[uid] = _zeros(schema.CONDITIONS)
            for name in ("image_embedding", "text_embedding"):
                rows[uid][name] = rows[uid][name] + np.float32([RADII[uid] > 0.6, RADII[uid] <= 0.6])
        _write(data / "conditions", schema.CONDITIONS, rows)
        (data / "captions").mkdir()
        (data / "captions" / "captions.json").write_text(json.dumps({uid: f"a {uid} ball" for uid in RADII}))
    _write(data / "targets" / representation, TARGETS[representation], {
        uid: _zeros(TARGETS[representation]) for uid in RADII
    })  # fmt: skip
    tokenizer = untrained_tokenizer(representation)
    models = data / "models"
    tokenizer.save(models / "tokenizer" / representation)
    tokenizer_hash = weights_hash(models / "tokenizer" / representation)
    num_tokens, dim = 16 if representation == "mesh" else 8 if representation != "sdf" else 4, SIZES["token_dim"]
    shape = TokenShape(num_tokens=num_tokens, token_dim=dim, image_width=2, text_width=2)
    LTR(LTRConfig(width=16, depth=1, num_heads=2), shape).save(
        models / "ltr" / representation, tokenizer_hash=tokenizer_hash
    )
    (models / "generator" / representation).mkdir(parents=True)
    (models / "generator" / representation / "config.json").write_text(json.dumps({"tokenizer_hash": tokenizer_hash}))
    latents = {uid: rng.normal(size=(num_tokens, dim)).astype(np.float32) for uid in RADII}
    _write(data / "tokens" / representation, schema.TOKENS, {
        uid: {"mean": values, "std": np.ones_like(values)} for uid, values in latents.items()
    })  # fmt: skip
    made = {uid: ball_as(representation, RADII[uid]) for uid in ("test-big", "test-small")}
    arrays: dict[str, list[np.ndarray]] = {}
    for uid, sample in made.items():
        for name, values in {**to_arrays(sample), "tokens": latents[uid]}.items():
            arrays.setdefault(name, []).append(values)
    write_shard(
        data / "samples" / representation / "shard-00000",
        fields=sample_fields(type(made["test-big"])),
        arrays=arrays,
        uids=[f"{uid}-image-0" for uid in made],
        records=[{"uid": uid, "prompt": "image", "number": 0} for uid in made],
        rejects=[Reject(uid="test-small-image-1", reason="empty_decode")],
        key="k",
    )


def _entry(uid: str) -> IndexEntry:
    return IndexEntry(
        uid=uid, shard="shard-00000", split="test" if uid.startswith("test") else "train", category="ball", caption="",
        source="procedural", licence="CC0-1.0", name="", num_faces=320, is_watertight=True, scale=1.0, offset=(0, 0, 0),
    )  # fmt: skip


def _zeros(fields: tuple[schema.Field, ...]) -> dict[str, np.ndarray]:
    size = {"V": 1, "H": 32, "W": 32}
    return {
        field.name: np.zeros([size.get(str(axis), axis if isinstance(axis, int) else 2) for axis in field.shape],
                             field.dtype)
        for field in fields
    }  # fmt: skip


def _write(folder: Path, fields: tuple[schema.Field, ...], rows: dict[str, dict[str, np.ndarray]]) -> None:
    write_shard(
        folder / "shard-00000",
        fields=fields,
        arrays={field.name: [row[field.name] for row in rows.values()] for field in fields},
        uids=list(rows),
        records=[{} for _ in rows],
        rejects=[],
        key="k",
    )
