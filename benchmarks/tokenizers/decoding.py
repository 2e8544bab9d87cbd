"""Decoding a distance field: the folded query decoder against the plain one, and how few queries refinement asks.

OMP_NUM_THREADS=1 python -m benchmarks.tokenizers.decoding → benchmarks/results/decoding.json

Queries a CPU-second of one thread, plain in fp32 against folded in fp32 and in bf16, in turn, for the sizes `cpu` and
`full` with random weights: what is computed does not depend on them. Shares of the dense grid's queries for the exact
distance of procedural objects, one a category, and of a ball that fills the frame; bookkeeping is time and peak memory
without the field's own. `targets` says of each target of the issue what it is held against and whether it is met.
"""

import json
import os
import resource
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from benchmarks.machine import describe
from ltm3d.geometry.cleaning import clean_mesh
from ltm3d.geometry.extraction import FieldFunction, extract_mesh, refine_field
from ltm3d.geometry.normalize import normalize
from ltm3d.geometry.signed_distance import SignedDistance
from ltm3d.procedural.objects import CATEGORIES, build_mesh, draw_object
from ltm3d.tokenizers.decoding import QUERIES_A_BATCH
from ltm3d.tokenizers.sdf import SdfTokenizer, SdfTokenizerConfig

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "decoding.json"
SIZES = ("sdf_cpu", "sdf_full")
ROUNDS, NUM_BATCHES = 15, 8
RESOLUTIONS = (128, 256, 512)


def main() -> None:
    """Measure bookkeeping first, while the process is small, then queries a second and shares."""
    torch.set_num_threads(1)
    memory = bookkeeping()
    result: dict[str, Any] = {
        "machine": describe("torch", "numpy", "scikit-image"),
        "load_average": round(os.getloadavg()[0], 1),
        "rates": {size: rates(size) for size in SIZES},
        "shares": shares(),
        "bookkeeping": memory,
    }
    result["targets"] = judge(result)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


@torch.no_grad()
def rates(size: str) -> dict[str, Any]:
    """Return queries a CPU-second, plain and folded, and the largest difference of their values."""
    settings = yaml.safe_load((ROOT / "conf" / "tokenizer" / f"{size}.yaml").read_text())
    torch.manual_seed(0)
    tokenizer = SdfTokenizer(SdfTokenizerConfig(**settings)).eval().requires_grad_(False)
    memory = tokenizer.decode_memory(torch.randn(1, tokenizer.config.num_tokens, tokenizer.config.token_dim))
    anchors = tokenizer.memory_anchors(memory)
    folded = tokenizer.field.fold(memory[0], anchors[0])
    half = folded.to_bf16()
    queries = 2 * torch.rand(QUERIES_A_BATCH, 3) - 1
    ways = {
        "plain": lambda: tokenizer.field(queries[None], memory, anchors)[0],
        "folded": lambda: folded(queries),
        "folded_bf16": lambda: half(queries),
    }
    values = {name: way() for name, way in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            started = time.process_time()
            for _ in range(NUM_BATCHES):
                way()
            seconds[name].append(time.process_time() - started)
    rate = {name: NUM_BATCHES * QUERIES_A_BATCH / statistics.median(each) for name, each in seconds.items()}
    off = {name: values[name] - values["plain"] for name in ways if name != "plain"}
    return {
        "num_memory": memory.shape[1],
        "width": memory.shape[2],
        "queries_a_second": {name: round(value) for name, value in rate.items()},
        "ratio": {name: round(rate[name] / rate["plain"], 2) for name in off},
        "largest_difference": {name: float(each.abs().max()) for name, each in off.items()},
        "mean_difference": {name: float(each.abs().mean()) for name, each in off.items()},
        "standard_deviation_of_values": float(values["plain"].std()),
    }


def judge(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each target with its metric and whether it is met."""
    rows = []
    for size, row in result["rates"].items():
        for name, least in (("folded", 3), ("folded_bf16", 8)):
            metric = row["ratio"][name]
            rows.append(
                {"what": f"{size}: {name} over plain", "at_least": least, "metric": metric, "met": metric >= least}
            )
    shared = {row["object"]: row for row in result["shares"]}
    for name in ("median of the procedural", "ball of radius 0.95"):
        for resolution, most in (("256^3", 0.06), ("512^3", 0.03)):
            metric = shared[name][resolution]
            rows.append(
                {"what": f"share at {resolution}, {name}", "at_most": most, "metric": metric, "met": metric <= most}
            )
    largest = max(row["512^3"] for row in result["shares"])
    rows.append({"what": "share at 512^3, the largest", "at_most": 0.03, "metric": largest, "met": largest <= 0.03})
    peak = result["bookkeeping"]["peak_gib"]
    rows.append({"what": "GiB at 512^3, whole process", "at_most": 2.0, "metric": peak, "met": peak <= 2.0})
    return rows


def shares() -> list[dict[str, Any]]:
    """Return the share of the dense grid's queries for each object and resolution."""
    fields: dict[str, FieldFunction] = {"ball of radius 0.95": ball}
    for category in CATEGORIES:
        drawn = draw_object(category, seed=0, index=0)
        mesh = clean_mesh(build_mesh(category, drawn.attributes, drawn.parameters))
        fields[category] = SignedDistance(normalize(mesh)[0])
    rows = []
    for name, field in fields.items():
        row: dict[str, Any] = {"object": name}
        for resolution in RESOLUTIONS:
            near = refine_field(field, resolution=resolution)
            row[f"{resolution}^3"] = round(near.num_queries / (resolution + 1) ** 3, 4)
        sys.stderr.write(f"{row}\n")
        rows.append(row)
    median = {f"{r}^3": round(statistics.median(row[f"{r}^3"] for row in rows[1:]), 4) for r in RESOLUTIONS}
    return [{"object": "median of the procedural", **median}, *rows]


def bookkeeping() -> dict[str, float]:
    """Return CPU-seconds and the process's peak memory for a ball's mesh at 512³; its field costs next to nothing."""
    started = time.process_time()
    extract_mesh(ball, resolution=512)
    seconds = time.process_time() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"cpu_seconds_512": round(seconds, 2), "peak_gib": round(peak, 2)}


def ball(queries: np.ndarray) -> np.ndarray:
    """The largest surface that the frame holds, nearly."""
    return (np.linalg.norm(queries, axis=1) - 0.95).astype(np.float32)


if __name__ == "__main__":
    main()
