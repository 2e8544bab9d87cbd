from ltm3d.evaluation.table import Scores, to_document, to_text


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
    assert header.split() == ["prompt", "method", "cd", "iou"], "no row has psnr"
    assert "retrieval" in retrieval and "0.5000 [0.5000, 0.5000]" in retrieval and retrieval.endswith("-")
    assert generated.endswith("0.9000 [0.9000, 0.9000]")
