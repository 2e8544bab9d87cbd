"""One asset's metrics, with a real tokenizer that has learnt a sphere of radius 0.6."""

from functools import cache

import numpy as np
import pytest
import torch
from index_entries import entry_of
from shapes import box, sphere
from tiny_tokenizers import RADIUS, train_sphere_tokenizer

from ltm3d.evaluation.attribute_reader import AttributeReader, AttributeReaderConfig
from ltm3d.evaluation.measurement import AssetWork, Candidate, EvaluationConfig, measure_asset
from ltm3d.tokenizers.sdf import SdfTokenizer

CONFIG = EvaluationConfig(num_points=2000, resolution=32)
TOKENS = torch.zeros(4, 4)


@cache
def tokenizer() -> SdfTokenizer:
    return train_sphere_tokenizer(0)


def work_of(*candidates: Candidate) -> AssetWork:
    queries = np.random.default_rng(0).uniform(-1, 1, (4000, 3))
    distance = np.linalg.norm(queries, axis=1, keepdims=True) - RADIUS
    volume = np.concatenate([queries, distance], axis=1).astype(np.float32)
    return AssetWork("a", sphere(RADIUS), volume, candidates)


def test_a_samples_volume_is_that_of_the_field_that_its_shape_was_taken_from(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def decode_field(self: SdfTokenizer, tokens: torch.Tensor, *, precision: str = "fp32") -> object:
        asked.append(precision)
        return lambda queries: np.where(precision == "bf16", -1.0, 1.0) * np.ones(len(queries))

    monkeypatch.setattr(SdfTokenizer, "decode_field", decode_field)
    candidates = [Candidate("generated", "image", sphere(RADIUS), TOKENS, each) for each in ("fp32", "bf16")]
    full, half = measure_asset(work_of(*candidates), tokenizer=tokenizer(), config=CONFIG, seed=0)
    assert asked == ["fp32", "bf16"]
    assert full.metrics["volume_iou"] == 0 and half.metrics["volume_iou"] == pytest.approx(0.113, abs=0.03)


def test_each_candidate_is_measured_by_what_it_has() -> None:
    work = work_of(
        Candidate("round_trip", "none", tokens=TOKENS),
        Candidate("retrieval", "image", sphere(RADIUS)),
        Candidate("retrieval", "text", box((0.2, 0.2, 0.2))),
        Candidate("generated", "image"),
    )
    decoded, same, small, failed = measure_asset(work, tokenizer=tokenizer(), config=CONFIG, seed=0)
    assert same.metrics["volume_iou"] == pytest.approx(1, abs=0.02) and same.metrics["f_score@0.05"] > 0.99
    assert decoded.metrics["volume_iou"] > 0.8 and decoded.metrics["chamfer_l1"] < 0.15
    assert small.metrics["chamfer_l1"] > 0.5
    assert [each.is_failure for each in (decoded, same, small, failed)] == [False, False, False, True]
    assert failed.metrics["volume_iou"] == 0 and failed.metrics.keys() == same.metrics.keys()


def test_a_reader_reads_every_candidate_that_has_a_surface() -> None:
    vocabulary = {"lamp": {"height": ("short", "tall")}, "sofa": {"legs": ("plinth", "block")}}
    reader = AttributeReader(AttributeReaderConfig(num_points=256, resolution=16, width=4, hidden_dim=8), vocabulary)
    small = box((0.2, 0.2, 0.2))
    work = work_of(
        Candidate("round_trip", "none", tokens=TOKENS),
        Candidate("retrieval", "text", small),
        Candidate("generated", "text"),
    )
    decoded, found, failed = measure_asset(work, tokenizer=tokenizer(), config=CONFIG, seed=0, reader=reader)
    assert decoded.reading is not None and found.reading == reader.read(small) and failed.reading is None
    unread = measure_asset(work, tokenizer=tokenizer(), config=CONFIG, seed=0)
    assert [each.reading for each in unread] == [None] * 3
    assert [each.metrics for each in unread] == [each.metrics for each in (decoded, found, failed)]


def test_a_short_evaluation_takes_the_same_assets_of_any_list_and_says_that_it_is_short() -> None:
    entries = [entry_of(f"uid-{number}") for number in range(30)]
    short = EvaluationConfig(num_test_assets=10)
    chosen = short.chosen(entries)
    assert len(chosen) == 10 and chosen == [entry for entry in entries if entry in chosen]
    assert {entry.uid for entry in short.chosen(entries[::-1])} == {entry.uid for entry in chosen}
    fewer = short.chosen([entry for entry in entries if entry != chosen[0]])
    assert {entry.uid for entry in chosen[1:]} < {entry.uid for entry in fewer}, "the others stay"
    assert EvaluationConfig().chosen(entries) == entries
    assert (short.protocol, EvaluationConfig().protocol) == ("eval/v1-short", "eval/v1")
