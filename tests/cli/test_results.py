import json
from pathlib import Path

import pytest

from ltm3d.cli.results import grid, results, show, table
from ltm3d.errors import DataError


def test_figures_and_places_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "gallery/sdf").mkdir(parents=True)
    (tmp_path / "gallery/sdf/index.html").write_text("")
    figures = {"protocol": "eval/v1", "image": {"generated": {"chamfer_l1": 0.12345}, "retrieval": {"f_score": 0.5}}}
    (tmp_path / "metrics/generator_sdf.json").write_text(json.dumps(figures))
    results(data=tmp_path, tracking_uri="sqlite:///x.db")
    out = capsys.readouterr().out
    assert "protocol  eval/v1" in out
    assert ["generated", "0.1235", "–"] in [line.split() for line in out.splitlines()]
    assert "gallery/sdf/index.html" in out
    assert "mlflow ui --backend-store-uri sqlite:///x.db" in out


def test_a_grid_has_a_row_a_method_and_a_dash_for_what_is_missing() -> None:
    lines = grid({"generated": {"a": 1, "b": 2.0}, "mean": {"a": 3}})
    assert [line.split() for line in lines] == [["a", "b"], ["generated", "1", "2"], ["mean", "3", "–"]]
    assert len({line.index(cell) for line, cell in zip(lines, ("a", "1", "3"), strict=True)}) == 1, "columns align"


def test_intervals_are_one_figure() -> None:
    assert show({"mean": 0.5, "low": 0.25, "high": 0.75}) == "0.5 [0.25, 0.75]"
    assert table({"iou": {"mean": 0.5, "low": 0.25, "high": 0.75}}) == ["  iou  0.5 [0.25, 0.75]"]


def test_no_figures_yet(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="make demo"):
        results(data=tmp_path, tracking_uri="")
