"""Write params.yaml from conf/.

Usage:
    python -m pipelines.compose [experiment=NAME] [KEY=VALUE …]

Examples:
    python -m pipelines.compose experiment=demo
    python -m pipelines.compose experiment=own root=/data/meshes name=mychairs
    python -m pipelines.compose experiment=smoke sources.procedural.num_objects=60 generator.sdf.training.num_steps=50

The recipes are the files in conf/experiment/. Then `dvc repro` runs what has changed.
"""

import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ltm3d.errors import ConfigError, Ltm3dError
from ltm3d.registry.names import model_name
from ltm3d.sources.kinds import build_sources
from ltm3d.tokenizers.kinds import REPRESENTATIONS, settings_type, tokenizer_kind
from ltm3d.transforms.build_targets import TARGETS, target_kind
from pipelines import _own_data
from pipelines._params import PARAMS_FILE, Params
from pipelines._stage import read_resources

CONF = Path(__file__).resolve().parents[1] / "conf"
DEFAULT_RECIPE = "demo"
OWN = "own"  # its settings follow from the number of meshes
HEADER = "# Written by `python -m pipelines.compose`; edit conf/ and compose again, do not edit this.\n"

# Every subtree of params.yaml and what it builds; the stages ask for the same (a test compares).
SETTINGS = {
    "download": "ltm3d.transforms.download:DownloadConfig",
    "clean_meshes": "ltm3d.transforms.clean_meshes:CleanConfig",
    "render_views": "ltm3d.transforms.render_views:RenderConfig",
    "caption_views": "ltm3d.transforms.caption_views:CaptionConfig",
    "encode_conditions": "ltm3d.transforms.encode_conditions:EncodeConditionsConfig",
    "evaluate_tokenizer": "ltm3d.evaluation.tokenizer_metrics:ReconstructionConfig",
    "encode_tokens": "ltm3d.transforms.encode_tokens:EncodeTokensConfig",
    "attribute_reader.model": "ltm3d.evaluation.attribute_reader:AttributeReaderConfig",
    "attribute_reader.training": "ltm3d.evaluation.attribute_training:AttributeTrainingConfig",
    "evaluation": "ltm3d.evaluation.generator_metrics:EvaluationConfig",
    "register.carry_encoders": "builtins:bool",
}
OF_EACH = {  # representation; what builds its target and its tokenizer says the rest
    "tokenizer.{}.training": "ltm3d.training.config:TrainingConfig",
    "ltr.{}.model": "ltm3d.generator.ltr:LTRConfig",
    "ltr.{}.training": "ltm3d.training.config:TrainingConfig",
    "generator.{}.model": "ltm3d.generator.kinds:AnyGeneratorConfig",
    "generator.{}.training": "ltm3d.training.config:TrainingConfig",
    "generator.{}.allow_unordered": "builtins:bool",
    "sampling.{}": "ltm3d.transforms.sample_shapes:SampleShapesConfig",
    "promotion.{}": "ltm3d.registry.gate:GateConfig",
}
PLAIN_KEYS = ("recipe", "overrides", "name", "seed", "targets", "representations", "sources", "resources")


def compose(
    recipe: str = DEFAULT_RECIPE, overrides: tuple[str, ...] = (), tell: Callable[[str], object] = lambda line: None
) -> dict[str, Any]:
    """Compose conf/ with one recipe and further overrides, and check every value.

    Args:
        tell: takes lines for people: what follows from the number of meshes.

    Raises:
        ConfigError: an unknown recipe, key or option, or a value out of range; it lists the valid ones.
        SourceError: meshes are counted, and there are none.
    """
    if recipe not in recipes():
        raise ConfigError(f"experiment={recipe}: no such recipe; the recipes are: {', '.join(recipes())}")
    tree = _compose_tree([f"experiment={recipe}", *map(_override, overrides)])
    if recipe == OWN:
        sized = _own_data.settings_for(_own_data.count_meshes(_sources(tree)), tree["start_from"])
        for line in sized.lines:
            tell(line)
        tree = _compose_tree([f"experiment={recipe}", *map(_override, (*sized.overrides, *overrides))])
        if not tree["name"]:
            raise ConfigError(f"name: missing; {_own_data.USAGE}")
        tree = {key: value for key, value in tree.items() if key not in _own_data.VALUES}
    sources = _sources(tree)
    tree.pop("sources", None)
    head = {key: tree.pop(key) for key in ("name", "seed", "targets", "representations")}
    raw = {"recipe": recipe, "overrides": list(overrides), **head, "sources": sources, **tree}
    check(raw)
    return raw


def _sources(tree: dict[str, Any]) -> list[Any]:
    return [source for source in (tree.get("sources") or {}).values() if source is not None]


def check(raw: dict[str, Any]) -> None:
    """Build every settings class from composed values, and name what none of them reads."""
    params = Params(raw)
    _ = params.seed
    model_name("sdf", params.name)
    for key, available in (("targets", TARGETS), ("representations", REPRESENTATIONS)):
        items = params.value(key, tuple[str, ...])
        if not items or not set(items) <= set(available):
            raise ConfigError(f"{key}: {raw[key]}: give one or more of {', '.join(available)}")
    _ = params.representations
    build_sources(params.raw["sources"])
    read_resources(params)
    kinds = settings_types()
    for path, kind in kinds.items():
        params.value(path, kind)
    _check_keys(raw, "", {*PLAIN_KEYS, *kinds})


@cache
def settings_types() -> dict[str, Any]:
    """Return every subtree of params.yaml, dotted, with the type that it is read as."""
    types = {path: resolve_name(name) for path, name in SETTINGS.items()}
    types |= {f"build_targets.{target}": target_kind(target).config for target in TARGETS}
    for each in REPRESENTATIONS:
        types[f"tokenizer.{each}.model"] = settings_type(each)
        types[f"tokenizer.{each}.examples"] = tokenizer_kind(each).example_config_type
        types |= {path.format(each): resolve_name(name) for path, name in OF_EACH.items()}
    return types


def _check_keys(node: dict[str, Any], path: str, known: set[str]) -> None:
    for key, value in node.items():
        here = f"{path}.{key}" if path else key
        if here in known:
            continue
        if not isinstance(value, dict) or not any(name.startswith(f"{here}.") for name in known):
            depth = here.count(".") + 1
            keys = {name.split(".")[depth - 1] for name in known if not path or name.startswith(f"{path}.")}
            place = path or "the top level"
            raise ConfigError(f"{here}: unknown key; the keys of {place} are: {', '.join(sorted(keys))}")
        _check_keys(value, here, known)


def to_yaml(raw: dict[str, Any]) -> str:
    """The text of params.yaml."""
    return HEADER + OmegaConf.to_yaml(OmegaConf.create(raw))


def write_params(raw: dict[str, Any], path: Path = PARAMS_FILE) -> bool:
    """Write params.yaml; True if it differs from what was there."""
    text = to_yaml(raw)
    if path.is_file() and path.read_text() == text:
        return False
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text)
    os.replace(temporary, path)
    return True


def main(arguments: list[str]) -> None:
    """Compose what the command line asks for and write it."""
    if {"-h", "--help"} & set(arguments):
        sys.stdout.write(__doc__ or "")
        return
    wrong = [argument for argument in arguments if "=" not in argument and not argument.startswith("~")]
    if wrong:
        raise ConfigError(f"{wrong[0]}: expected KEY=VALUE, as in experiment={DEFAULT_RECIPE}")
    named = [value.partition("=")[2] for value in arguments if value.startswith("experiment=")]
    overrides = tuple(value for value in arguments if not value.startswith("experiment="))
    recipe = named[-1] if named else DEFAULT_RECIPE
    changed = write_params(compose(recipe, overrides, lambda line: sys.stdout.write(f"{line}\n")))
    state = "written" if changed else "unchanged"
    sys.stdout.write(f"{PARAMS_FILE}: {state}, recipe {recipe}; `dvc repro` runs what it changes\n")


def recipes() -> list[str]:
    """The names in conf/experiment/."""
    return sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))


def _override(override: str) -> str:
    """Let an override name any key of a settings class, also one that its YAML leaves at the default."""
    key = override.partition("=")[0]
    is_option = (CONF / key.partition("@")[0]).is_dir()
    return override if override.startswith(("+", "~")) or is_option else f"++{override}"


def _compose_tree(overrides: list[str]) -> dict[str, Any]:
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
            config = hydra_compose("config", overrides=overrides)
        tree = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        if "Missing mandatory value: root" in str(error):
            raise ConfigError(f"root: missing; {_own_data.USAGE}") from error
        raise ConfigError(" ".join(str(error).partition("Config search path")[0].split())) from error
    assert isinstance(tree, dict)
    return {str(key): value for key, value in tree.items()}


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Ltm3dError as error:
        sys.exit(f"error: {error}")
