import csv
from pathlib import Path

import pytest

from ltm3d.registry.model_card import ATTRIBUTION_FILE, CardFacts, asks_for, model_card, write_attribution
from ltm3d.shards.index import IndexEntry

DOCUMENT = {
    "protocol": "eval/v1",
    "num_test_assets": 53,
    "skipped": {"uni3d": "no weights"},
    "fidelity_ratio": {"image": 1.55, "text": 0.9},
    "image": {
        "generated": {"chamfer_l1": 0.1, "chamfer_l1_low": 0.05, "chamfer_l1_high": 0.2, "num_failures": 3},
        "retrieval": {"chamfer_l1": 0.15, "chamfer_l1_low": 0.1, "chamfer_l1_high": 0.2, "num_failures": 0},
    },
}


def entry(licence: str, category: str) -> IndexEntry:
    return IndexEntry(
        uid="u", shard="s", split="train", category=category, caption="", source="objaverse", licence=licence, name="",
        num_faces=1, is_watertight=True, scale=1.0, offset=(0, 0, 0),
    )  # fmt: skip


def test_the_card_says_licences_metrics_and_limits() -> None:
    training = [entry("CC-BY-NC-4.0", "chair"), entry("CC-BY-4.0", "chair"), entry("", "lamp")]
    training += [entry("CC-BY-4.0", f"c{number:02d}") for number in range(14)]
    text = model_card(
        CardFacts(
            name="ltm3d-sdf",
            representation="sdf",
            training=training,
            document=DOCUMENT,
            provenance={"git_commit": "abc", "git_changes": ""},
            parameters={"tokenizer": 1234567},
            encoders={"image": "weights-of-images 1.0, sha256 ab, licence Apache-2.0"},
        )
    )
    for line in (
        "| CC-BY-NC-4.0 | 1 | no commercial use, credit to the authors |",
        "| CC-BY-4.0 | 15 | credit to the authors |",
        "| unknown | 1 | unknown: find out before the model is passed on |",
        "| chair | 2 |",
        "| 4 more |  |",
        "| image | generated | 0.1000 [0.0500, 0.2000] | – | – | 3 |",
        "| git_commit | `abc` |",
        "| tokenizer | 1,234,567 |",
        "| image | weights-of-images 1.0, sha256 ab, licence Apache-2.0 |",
        "- Samples without a surface: 3 (image).",
        "- Not measured: uni3d: no weights",
    ):
        assert line in text.splitlines()
    assert "17 assets" in text and ATTRIBUTION_FILE in text
    assert "1.55 times" in text and "farther from" in text and "0.90 times" in text and "nearer to" in text
    assert "git_changes" not in text


@pytest.mark.parametrize(
    ("licence", "said"),
    [("CC0-1.0", "nothing"), ("CC-BY-SA-4.0", "the same licence"), ("ShapeNet", "see its text"), ("", "unknown")],
)
def test_what_a_licence_asks_for(licence: str, said: str) -> None:
    assert said in asks_for(licence)


def test_every_training_asset_is_attributed(tmp_path: Path) -> None:
    records = [{"uid": "a", "name": 'a "chair", red', "licence": "CC-BY-4.0", "attribution": "Ann", "more": 1}]
    write_attribution(tmp_path / "a.csv", records)
    (row,) = csv.DictReader((tmp_path / "a.csv").open(encoding="utf-8"))
    assert row == {"uid": "a", "name": 'a "chair", red', "source": "", "licence": "CC-BY-4.0", "attribution": "Ann"}
