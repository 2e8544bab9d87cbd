"""conf/, params.yaml and the settings classes agree."""

import ast
import dataclasses
import inspect
import re
import typing

import pytest
import yaml
from imports import REPOSITORY, modules, tree_of

from ltm3d.errors import ConfigError
from ltm3d.sources.kinds import build_source
from pipelines._params import load_params
from pipelines.compose import CONF, OWN, check, compose, recipes, settings_types, to_yaml

GROUPS = sorted(path.name for path in CONF.iterdir() if path.is_dir())
OPTIONS = sorted((path.parent.name, path.stem) for path in CONF.glob("*/*.yaml"))


def places() -> dict[str, list[str]]:
    """Group → the paths in params.yaml where one of its options stands, from conf/config.yaml."""
    found: dict[str, list[str]] = {}
    for entry in yaml.safe_load((CONF / "config.yaml").read_text())["defaults"]:
        for key in entry if isinstance(entry, dict) else ():
            group, _, path = key.partition("@")
            found.setdefault(group, []).append(path or group)
    return found


def test_params_yaml_is_in_sync_with_conf() -> None:
    """dvc never composes conf/: an edit there must be followed by `python -m pipelines.compose`."""
    path = REPOSITORY / "params.yaml"
    params = load_params(path)
    composed = compose(params.recipe, params.value("overrides", tuple[str, ...]))
    assert path.read_text() == to_yaml(composed), "run: python -m pipelines.compose experiment=" + params.recipe


@pytest.mark.parametrize("recipe", [recipe for recipe in recipes() if recipe != OWN])  # tests/pipelines/test_own_data
def test_every_recipe_composes(recipe: str) -> None:
    raw = compose(recipe)
    assert raw["recipe"] == recipe and raw["sources"]
    said = yaml.safe_load((CONF / "experiment" / f"{recipe}.yaml").read_text())
    said = {key: value for key, value in said.items() if key not in ("defaults", "sources")}  # sources become a list
    assert lacking(said, raw) == []


def lacking(said: object, composed: object, path: str = "") -> list[str]:
    """Paths of what a recipe says and the composition does not."""
    if not isinstance(said, dict) or not isinstance(composed, dict):
        return [] if said == composed else [path]
    return [at for key in said for at in lacking(said[key], composed.get(key), f"{path}.{key}")]


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_yaml_builds_what_it_configures(group: str, option: str) -> None:
    if group == "experiment":
        assert option in recipes()
    elif group == "source":
        entry = yaml.safe_load((CONF / group / f"{option}.yaml").read_text())
        entry = {key: 0 if value == "${seed}" else value for key, value in entry.items()}
        assert build_source(entry, option).name == option
    else:
        path = next((path for path in places()[group] if is_for(option, path)), places()[group][0])
        assert compose("demo", (f"{group}@{path}={option}" if path != group else f"{group}={option}",))


def is_for(option: str, path: str) -> bool:
    """Say whether an option is named after a part of a place: `mesh_cpu` stands at `tokenizer.mesh.model`."""
    return any(option == part or option.startswith(f"{part}_") for part in path.split("."))


def test_where_a_run_happens_changes_no_parameter_of_a_stage() -> None:
    """From a laptop to a cluster by one group: what is done stays valid, for DVC and for the runs themselves."""
    places = sorted(path.stem for path in (CONF / "resources").glob("*.yaml"))
    assert places == ["cluster", "gpu1", "gpu8", "local"]
    composed = {place: compose("demo", (f"resources={place}",)) for place in places}
    asked = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"].values()
    roots = {param.split(".")[0] for stage in asked for param in stage.get("params", [])}
    assert not roots & {"resources", "overrides"}
    rest = [
        {key: value for key, value in raw.items() if key not in ("resources", "overrides")} for raw in composed.values()
    ]
    assert all(each == rest[0] for each in rest) and roots <= set(rest[0])
    assert len({str(raw["resources"]) for raw in composed.values()}) == 4


def test_every_group_stands_somewhere() -> None:
    assert {*places(), "source"} == set(GROUPS)


def test_the_settings_table_is_what_the_stages_ask_for() -> None:
    asked: dict[str, str | None] = {}
    for name, path in modules().items():
        if not name.startswith("pipelines."):
            continue
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("stage.params.get", "stage.params.value"):
                subtree, kind = node.args
                text = ast.unparse(subtree).removeprefix("f").strip("'\"")
                text = text.replace("{representation}", "sdf").replace("{target}", "sdf")
                asked[text] = kind.id if isinstance(kind, ast.Name) else None
    table = {path: getattr(kind, "__name__", "AnyGeneratorConfig") for path, kind in settings_types().items()}
    an_item = re.compile(r"^(build_targets|tokenizer|ltr|generator|sampling|promotion)\.\w+")
    del asked["sources"], asked["name"]  # a list, each entry a class by its kind; a plain value
    assert set(asked) - {"resources"} == {an_item.sub(r"\1.sdf", path) for path in table}
    assert not {path for path, kind in asked.items() if kind not in (None, table.get(path))}


def test_every_settings_class_is_frozen_and_keyword_only() -> None:
    for name, found in settings_types().items():
        for settings in filter(dataclasses.is_dataclass, typing.get_args(found) or (found,)):
            kinds = {parameter.kind for parameter in inspect.signature(settings).parameters.values()}
            assert settings.__dataclass_params__.frozen and kinds == {inspect.Parameter.KEYWORD_ONLY}, name


def test_the_demo_recipe_is_checked_like_any_other() -> None:
    raw = compose("demo")
    check(raw)
    raw["generator"]["sdf"]["modle"] = {}
    with pytest.raises(ConfigError, match=r"generator\.sdf\.modle: unknown key; .*allow_unordered, model, training"):
        check(raw)
