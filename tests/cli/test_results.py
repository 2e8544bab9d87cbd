import json
from pathlib import Path

import pytest
from mlflow_database import new_database
from small_registry import Registry

from ltm3d.cli.results import grid, options, registered, results, show, table, verdict
from ltm3d.errors import DataError
from ltm3d.registry.promotion import promote
from ltm3d.shards.index import IndexEntry, write_index

METRICS = {
    "protocol": "eval/v1-short",
    "image": {"generated": {"chamfer_l1": 0.12345}, "retrieval": {"chamfer_l1": 0.2, "f_score": 0.5}},
    "none": {"category_mean": {"chamfer_l1": 0.3}},
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "metrics").mkdir()
    for representation in ("sdf", "mesh"):
        (tmp_path / f"gallery/{representation}").mkdir(parents=True)
        (tmp_path / f"gallery/{representation}/index.html").write_text("")
        (tmp_path / f"metrics/generator_{representation}.json").write_text(json.dumps(METRICS))
    (tmp_path / "metrics/generator_sdf_assets.json").write_text(json.dumps({"generated/image": {"a": {}}}))
    (tmp_path / "params.yaml").write_text("recipe: demo\nname: mine\nrepresentations: [sdf]\n")
    return tmp_path


def print_results(data: Path, capsys: pytest.CaptureFixture[str], *, show_all: bool = False) -> str:
    results(data=data, params=data / "params.yaml", show_all=show_all, tracking_uri=f"sqlite:///{data}/mlflow.db")
    return capsys.readouterr().out


def test_the_last_run_is_one_screen(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = IndexEntry(
        uid="a", shard="shard-00000", split="test", category="chair", caption='A "red" chair.', source="folder",
        name="a", licence="", num_faces=1, is_watertight=True, scale=1.0, offset=(0, 0, 0),
    )  # fmt: skip
    (data / "meshes").mkdir()
    write_index(data / "meshes", [entry])
    out = print_results(data, capsys)
    assert len(out.splitlines()) <= 20
    assert (
        "sdf         image 0.123, text –, both –; retrieval by image 0.200, category mean 0.300 (eval/v1-short)" in out
    )
    assert "\n  mesh " not in out, "what the recipe leaves out is of another run"
    assert "not registered here" in out and "NAME/index.html in a browser; NAME: mesh, sdf" in out
    assert "ltm3d generate --name mine --text \"A 'red' chair.\" --out shape.glb" in out


def test_all_metrics_are_printed_where_they_are_asked_for(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = print_results(data, capsys, show_all=True)
    assert "protocol  eval/v1" in out and "_assets" not in out
    assert ["generated", "0.1235", "–"] in [line.split() for line in out.splitlines()]


@pytest.mark.slow
def test_the_gates_verdict_is_that_of_the_receipts_version(tmp_path: Path) -> None:
    registry = Registry(tmp_path, new_database(tmp_path))
    registry.add([0.3, 0.2])
    (tmp_path / "receipts").mkdir()
    (tmp_path / "receipts/sdf.json").write_text(json.dumps({"uri": "models:/ltm3d-sdf/1"}))
    assert verdict(tmp_path, "sdf", registered(registry.uri)).startswith(
        "ltm3d-sdf version 1 (challenger): not promoted yet"
    )
    promote(registry.name, None, registry.uri, repository=registry.code.folder)
    assert verdict(tmp_path, "sdf", registered(registry.uri)).startswith(
        "ltm3d-sdf version 1 (challenger, champion): the gate passed it, cd is there"
    )


def test_a_model_is_named_by_its_options() -> None:
    assert options("", "sdf") == "" and options("a", "mesh") == " --name a --representation mesh"


def test_a_grid_has_a_row_a_method_and_a_dash_for_what_is_missing() -> None:
    lines = grid({"generated": {"a": 1, "b": 2.0}, "mean": {"a": 3}})
    assert [line.split() for line in lines] == [["a", "b"], ["generated", "1", "2"], ["mean", "3", "–"]]
    assert len({line.index(cell) for line, cell in zip(lines, ("a", "1", "3"), strict=True)}) == 1, "columns align"


def test_intervals_are_one_metric() -> None:
    assert show({"mean": 0.5, "low": 0.25, "high": 0.75}) == "0.5 [0.25, 0.75]"
    assert table({"iou": {"mean": 0.5, "low": 0.25, "high": 0.75}}) == ["  iou  0.5 [0.25, 0.75]"]


def test_no_metrics_yet(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="make demo"):
        results(data=tmp_path, params=tmp_path / "params.yaml", show_all=False, tracking_uri="")
