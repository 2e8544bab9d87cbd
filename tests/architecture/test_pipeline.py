"""dvc.yaml, the stage modules and params.yaml say the same."""

import ast
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from imports import REPOSITORY, closure, modules, tree_of

COMMANDS = {
    "ablations",
    "compose",
    "pack",
    "plots_template",
    "settings_page",
    "train_packed",
    "unpack",
}  # for people, beside the stages
MODULES = sorted(
    path.stem for path in (REPOSITORY / "pipelines").glob("*.py") if path.stem[0] != "_" and path.stem not in COMMANDS
)
RUNNER = {"pipelines", "pipelines._stage", "pipelines._params"}
STAGES = [name for name in MODULES if name != "digest_inputs"]  # the others, which make data, weights or metrics
ITEM = "${item}"  # of a matrix, whatever its name


@cache
def stages() -> dict[str, dict[str, Any]]:
    content = yaml.safe_load(re.sub(r"\$\{item\.\w+\}", ITEM, (REPOSITORY / "dvc.yaml").read_text()))
    assert set(content) == {"stages"}
    return content["stages"]


def outputs(stage: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Path → options, of outs, metrics and plots together."""
    entries = [entry for kind in ("outs", "metrics", "plots") for entry in stage.get(kind, [])]
    return {
        path: options
        for entry in entries
        for path, options in (entry if isinstance(entry, dict) else {entry: {}}).items()
    }


def asked_params(stage: str) -> set[str]:
    """The subtrees of params.yaml that a stage's code reads, as dvc.yaml would write them."""
    asked = set()
    for name in closure(f"pipelines.{stage}") - RUNNER:
        if not name.startswith("pipelines."):
            continue
        for node in ast.walk(tree_of(modules()[name])):
            text = ast.unparse(node) if isinstance(node, ast.Attribute | ast.Call) else ""
            if isinstance(node, ast.Attribute) and text in (
                "stage.seed",
                "stage.params.recipe",
                "stage.params.targets",
            ):
                asked.add(node.attr)
            if isinstance(node, ast.Call) and re.match(r"stage\.params\.(get|value)\(", text):
                asked.add(_path(node.args[0]))
    return asked


def _path(argument: ast.expr) -> str:
    if isinstance(argument, ast.Constant):
        return str(argument.value)
    assert isinstance(argument, ast.JoinedStr), "a stage names its params by a literal"
    return "".join(str(part.value) if isinstance(part, ast.Constant) else ITEM for part in argument.values)


def test_every_module_is_a_stage_and_every_stage_a_module() -> None:
    assert sorted(stages()) == MODULES


def test_digests_are_made_at_each_run() -> None:
    assert stages()["digest_inputs"]["always_changed"] is True


@pytest.mark.parametrize("name", MODULES)
def test_a_stage_runs_its_module_with_its_item(name: str) -> None:
    stage = stages()[name]
    is_matrix = "matrix" in stage
    assert stage["cmd"] == f"python -m pipelines.{name}" + (f" {ITEM}" if is_matrix else "")
    main = next(node for node in tree_of(modules()[f"pipelines.{name}"]).body if getattr(node, "name", "") == "main")
    assert isinstance(main, ast.FunctionDef) and len(main.args.args) == int(is_matrix)
    if is_matrix:
        item = main.args.args[0].arg
        assert stage["matrix"] == {item: f"${{{item}s}}"}
        assert f"${{item.{item}}}" in (REPOSITORY / "dvc.yaml").read_text()
    if name in STAGES:
        assert f'stage("{name}"' in modules()[f"pipelines.{name}"].read_text(), "the stage calls itself by its name"


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_depends_on_the_digest_of_its_code(name: str) -> None:
    item = f"@{ITEM}" if "matrix" in stages()[name] else ""
    assert stages()[name]["deps"][0] == f"data/inputs/code/{name}{item}"


@pytest.mark.parametrize("name", MODULES)
def test_a_stage_lists_the_params_it_reads(name: str) -> None:
    listed, asked = set(stages()[name].get("params", [])), asked_params(name)

    def covers(subtree: str, path: str) -> bool:
        return path == subtree or path.startswith(f"{subtree}.")

    assert not [path for path in asked if not any(covers(subtree, path) for subtree in listed)]
    assert not [subtree for subtree in listed if not any(covers(subtree, path) for path in asked)]
    assert not [subtree for subtree in listed if subtree.split(".")[0] == "resources"], "where to run is no parameter"


def test_data_dependencies_are_outputs_of_other_stages() -> None:
    made = {path for stage in stages().values() for path in outputs(stage)}
    for name, stage in stages().items():
        for dep in stage.get("deps", []):
            made_it = (dep == path or dep.startswith(f"{path}/") or path.startswith(f"{dep}/") for path in made)
            assert any(made_it), f"{name}: nothing makes {dep}"
            assert dep not in outputs(stage)


def test_outputs_that_grow_persist_and_models_do_not() -> None:
    """A receipt persists so that no run cache stands in for registering (DVC keeps none of such stages)."""
    growing = {f"data/{name}" for name in ("inputs", "raw", "meshes", "views", "captions", "conditions")}
    growing |= {f"data/{name}/{ITEM}" for name in ("targets", "tokens", "samples")} | {f"data/receipts/{ITEM}.json"}
    options = {path: options for stage in stages().values() for path, options in outputs(stage).items()}
    persisting = {path for path, option in options.items() if option.get("persist")}
    assert persisting == growing
    assert not [path for path in options if path.startswith("data/runs")], "resumable state is no output"


def test_metrics_travel_with_dvc_and_their_curves_are_plots() -> None:
    options = {path: options for stage in stages().values() for path, options in outputs(stage).items()}
    metrics = {path for path in options if path.startswith("data/metrics/")}
    assert metrics and not [path for path in metrics if "cache" in options[path]], "`dvc pull` brings them"
    listed = subprocess.run(["git", "ls-files", "data"], cwd=REPOSITORY, check=True, capture_output=True, text=True)
    assert listed.stdout == "", "committed results are in docs/results: nobody takes them for this run's"
    for name, stage in stages().items():
        if name.startswith("train_"):
            assert any(entry.get("y") == "loss" for plot in stage["plots"] for entry in plot.values())


def test_data_paths_of_dvc_yaml_are_in_the_code() -> None:
    """A dependency that no code reads makes a stage run for nothing."""
    for name in MODULES:
        text = "\n".join(modules()[module].read_text() for module in closure(f"pipelines.{name}") - RUNNER)
        stage = stages()[name]
        for path in [*stage.get("deps", [])[1:], *outputs(stage)]:
            folder = Path(path).parts[1] if path.startswith("data/") else ""
            if folder and folder != "meshes":  # the index is read by a function
                assert f'"{folder}' in text or f"{folder}/" in text, f"{name} does not use {path}"
