from ltm3d.evaluation.cost import Cost
from ltm3d.evaluation.metrics_table import Scores, to_document, to_text


def test_samples_are_averaged_before_assets_are_resampled() -> None:
    scores = Scores("generated", "image")
    scores.add("a", [{"cd": 1.0}, {"cd": 3.0}])
    scores.add("b", [{"cd": 4.0}, {"cd": 4.0}], failures=1)
    summary = scores.summary(seed=0)
    assert summary["cd"] == 3.0
    assert summary["cd_low"] == 2.0  # every resample is made of the asset means 2 and 4
    assert summary["cd_high"] == 4.0
    assert summary["num_assets"] == 2
    assert summary["num_failures"] == 1


def test_the_table_names_prompt_and_method() -> None:
    scores = Scores("retrieval", "text")
    scores.add("a", [{"cd": 0.5}])
    others = Scores("generated", "text")
    others.add("a", [{"cd": 0.1, "iou": 0.9}])
    document = to_document([scores, others], seed=0)
    assert document["text"]["retrieval"]["cd"] == 0.5
    header, retrieval, generated = to_text(document, ("cd", "iou", "psnr")).splitlines()
    assert header.split() == ["prompt", "method", "assets", "failures", "cd", "iou"], "no row has psnr"
    assert retrieval.split()[:4] == ["text", "retrieval", "1", "0"]
    assert "retrieval" in retrieval and "0.5000 [0.5000, 0.5000]" in retrieval and retrieval.endswith("-")
    assert generated.endswith("0.9000 [0.9000, 0.9000]")


def test_counts_and_costs_stand_beside_the_metrics() -> None:
    scores = Scores("round_trip", "all", costs=[Cost(0.5, 100.0), Cost(1.5, 200.0), Cost(0.7, 150.0)])
    scores.add("a", [{"cd": 0.5}], failures=1)
    summary = scores.summary(seed=0)
    assert (summary["decode_seconds"], summary["decode_peak_mib"]) == (0.7, 200.0)
    header, row = to_text({"all": {"round_trip": {**summary, "num_rejected": 17}}}, ("cd",)).splitlines()
    assert header.split()[2:5] == ["assets", "failures", "rejected"] and row.split()[2:5] == ["1", "1", "17"]
