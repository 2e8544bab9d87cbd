import csv
import json

import numpy as np
import pytest

from ltm3d.serving.data_card import describe, write_data_card
from ltm3d.shards.index import IndexEntry
from ltm3d.shards.ledger import Ledger
from ltm3d.shards.write import Reject


def entry(uid: str, **values) -> IndexEntry:
    return IndexEntry(
        **{
            **{"uid": uid, "shard": "shard-00000", "split": "train", "category": "chair", "caption": "A chair."},
            **{"source": "folder", "licence": "CC0-1.0", "name": uid, "num_faces": 500, "is_watertight": True},
            **{"scale": 1.0, "offset": (0.0, 0.0, 0.0)},
            **values,
        }
    )


ENTRIES = [
    entry("a"),
    entry("b", category="<b>bold</b>", licence="", num_faces=50, split="test"),
    entry("c", num_faces=2_000_000, is_watertight=False, source="objaverse"),
]


@pytest.fixture
def card() -> dict:
    raw, meshes = Ledger(stage="download", ok={"a", "b", "c", "d"}), Ledger(stage="clean_meshes", ok={"a", "b", "c"})
    meshes.reject(Reject(uid="d", reason="crash:SIGSEGV", detail="<script>alert(1)</script>"))
    facts = {"sdf": [{"sign_disagreement": value} for value in (0.0, 0.1, 0.2)]}
    return describe(ENTRIES, [raw, meshes], facts, {"image": "weights & more, licence Apache-2.0"})


def test_every_count_is_there(card) -> None:
    assert card["num_assets"] == 3
    assert card["splits"] == {"train": 2, "test": 1}
    assert card["sources"] == {"folder": 2, "objaverse": 1}
    assert card["licences"] == {"CC0-1.0": 2, "unknown": 1}
    assert card["watertight"] == {"watertight": 2, "open": 1}
    assert card["faces"]["histogram"] == {"below 100": 1, "100 and more": 1, "1,000,000 and more": 1}
    assert card["faces"]["max"] == 2_000_000
    assert card["stages"] == {"download": {"ok": 4}, "clean_meshes": {"ok": 3, "crash:SIGSEGV": 1}}
    assert [(row["stage"], row["reason"], row["count"], row["example"]["uid"]) for row in card["rejects"]] == [
        ("clean_meshes", "crash:SIGSEGV", 1, "d")
    ]
    assert card["targets"]["sdf"]["sign_disagreement"] == pytest.approx(
        {"mean": 0.1, "p5": 0.01, "p50": 0.1, "p95": 0.19, "max": 0.2}
    )


def test_the_page_holds_it_all_and_names_from_outside_are_escaped(card, tmp_path) -> None:
    picture = np.full((128, 128, 4), 200, np.uint8)
    people = [{"uid": "a", "name": "x, y", "licence": "CC0-1.0", "attribution": "Ann", "source": "folder", "more": 1}]
    page = write_data_card(
        tmp_path / "card", card, title="T & T", thumbnails={"<b>bold</b>": [("b", picture)]}, attributions=people
    )
    text = page.read_text()
    assert (
        "T &amp; T" in text
        and "weights &amp; more, licence Apache-2.0" in text
        and "3 assets" in text
        and "data:image/png;base64," in text
    )
    assert "<script>" not in text and "<b>" not in text and "http" not in text
    assert json.loads((tmp_path / "card" / "card.json").read_text()) == card
    with (tmp_path / "card" / "attribution.csv").open() as file:
        assert list(csv.DictReader(file)) == [
            {"uid": "a", "name": "x, y", "source": "folder", "licence": "CC0-1.0", "attribution": "Ann"}
        ]
