import json
import shutil

import pytest


@pytest.fixture
def described(checkout, data_log):
    """The shared checkout with its data card; left as it was found."""
    checkout.run("data_card")
    yield checkout
    shutil.rmtree(checkout.data / "card")


def test_the_card_counts_what_the_stages_made(described) -> None:
    card = json.loads((described.data / "card" / "card.json").read_text())
    ledger = json.loads((described.data / "meshes" / "ledger.json").read_text())
    assert card["num_assets"] == ledger["counts"]["ok"] == sum(card["splits"].values())
    assert set(card["stages"]) == {"download", "clean_meshes", "render_views", "build_targets@sdf"}
    assert card["sources"] == {"procedural": card["num_assets"]}
    facts = card["targets"]["sdf"]
    signs = {"sign_disagreement", "sign_by_winding", "inside_by_flood_alone", "inside_by_winding_alone"}
    assert set(facts) == {"inside_fraction", "lost_surface", "num_sharp_edges", "sharp_length", *signs}
    assert 0 < facts["inside_fraction"]["p50"] < 0.5 and facts["sign_disagreement"]["p50"] < 0.05
    page = (described.data / "card" / "index.html").read_text()
    assert page.count("data:image/png;base64,") >= 7
    assert len((described.data / "card" / "attribution.csv").read_text().splitlines()) >= card["num_assets"] + 1


def test_what_a_stage_left_that_rejected_too_many_has_a_card(described) -> None:
    """As `build_targets` leaves it: its ledger is there, what comes after it is not."""
    views = described.data / "views"
    hidden = views.rename(described.data / "views_elsewhere")
    try:
        described.run("data_card")
        card = json.loads((described.data / "card" / "card.json").read_text())
    finally:
        hidden.rename(views)
    assert set(card["stages"]) == {"download", "clean_meshes", "build_targets@sdf"} and card["num_assets"] > 0
