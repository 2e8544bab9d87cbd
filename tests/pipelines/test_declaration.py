"""What dvc.yaml says of a stage."""

from pathlib import Path

import yaml

from pipelines._declaration import own_settings, read_declaration
from pipelines._params import load_params

RAW = {"seed": 3, "generator": {"sdf": {"model": {"width": 8}}, "mesh": {}}, "resources": {"num_workers": 2}}


def test_a_matrix_item_is_filled_in_and_code_is_left_out(tmp_path: Path) -> None:
    stage = {
        "deps": ["data/inputs/code/train", "ltm3d/errors.py", "data/meshes/index.json", "data/tokens/${item.kind}"],
        "params": ["generator.${item.kind}", "seed"],
    }
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"train": stage, "idle": {"cmd": "true"}}}))
    declared = read_declaration("train", "sdf", tmp_path)
    assert declared is not None
    assert declared.data == ("data/meshes/index.json", "data/tokens/sdf")
    assert own_settings(RAW, declared) == {"generator.sdf": {"model": {"width": 8}}, "seed": 3}
    idle = read_declaration("idle", None, tmp_path)
    assert idle is not None and own_settings(RAW, idle) == {}
    assert read_declaration("other", None, tmp_path) is None
    assert read_declaration("train", "sdf", tmp_path / "none") is None


def test_a_stage_that_nothing_declares_logs_all_but_where_it_runs() -> None:
    assert own_settings(RAW, None) == {"seed": 3, "generator": RAW["generator"]}


def test_every_stage_of_the_demo_logs_what_it_declares_and_no_more(repository: Path) -> None:
    raw = load_params(repository / "params.yaml").raw
    for name, stage in yaml.safe_load((repository / "dvc.yaml").read_text())["stages"].items():
        for item in raw[next(iter(stage["matrix"].values()))[2:-1]] if "matrix" in stage else [None]:
            declared = read_declaration(name, item, repository)
            assert declared is not None
            assert set(own_settings(raw, declared)) == set(declared.params), f"{name}@{item}"
