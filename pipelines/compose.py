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
from importlib import import_module
from pathlib import Path
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
    "build_targets.sdf": "ltm3d.transforms.targets.sdf:SdfTargetsConfig",
    "build_targets.point_cloud": "ltm3d.transforms.targets.point_cloud:PointCloudTargetsConfig",
    "build_targets.mesh": "ltm3d.transforms.targets.mesh:MeshTargetsConfig",
    "build_targets.gaussians": "ltm3d.transforms.targets.gaussians:GaussiansTargetsConfig",
    "encode_conditions": "ltm3d.transforms.encode_conditions:EncodeConditionsConfig",
    "tokenizer.sdf.model": "ltm3d.tokenizers.sdf:AnySdfConfig",
    "tokenizer.sdf.examples": "ltm3d.tokenizers.target_examples:SdfExampleConfig",
    "tokenizer.sdf.training": "ltm3d.training.config:TrainingConfig",
    "tokenizer.point_cloud.model": "ltm3d.tokenizers.point_cloud:PointCloudTokenizerConfig",
    "tokenizer.point_cloud.examples": "ltm3d.tokenizers.point_cloud:PointCloudExampleConfig",
    "tokenizer.point_cloud.training": "ltm3d.training.config:TrainingConfig",
    "tokenizer.mesh.model": "ltm3d.tokenizers.mesh:MeshTokenizerConfig",
    "tokenizer.mesh.examples": "ltm3d.tokenizers.mesh_examples:MeshExampleConfig",
    "tokenizer.mesh.training": "ltm3d.training.config:TrainingConfig",
    "tokenizer.gaussians.model": "ltm3d.tokenizers.gaussians:GaussiansTokenizerConfig",
    "tokenizer.gaussians.examples": "ltm3d.tokenizers.gaussians_examples:GaussiansExampleConfig",
    "tokenizer.gaussians.training": "ltm3d.training.config:TrainingConfig",
    "evaluate_tokenizer": "ltm3d.evaluation.tokenizer_metrics:ReconstructionConfig",
    "encode_tokens": "ltm3d.transforms.encode_tokens:EncodeTokensConfig",
    "ltr.sdf.model": "ltm3d.generator.ltr:LTRConfig",
    "ltr.sdf.training": "ltm3d.training.config:TrainingConfig",
    "generator.sdf.model": "ltm3d.generator.kinds:AnyGeneratorConfig",
    "generator.sdf.training": "ltm3d.training.config:TrainingConfig",
    "generator.sdf.allow_unordered": "builtins:bool",
    "sampling.sdf": "ltm3d.transforms.sample_shapes:SampleShapesConfig",
    "promotion.sdf": "ltm3d.registry.gate:GateConfig",
    "attribute_reader.model": "ltm3d.evaluation.attribute_reader:AttributeReaderConfig",
    "attribute_reader.training": "ltm3d.evaluation.attribute_training:AttributeTrainingConfig",
    "ltr.point_cloud.model": "ltm3d.generator.ltr:LTRConfig",
    "ltr.point_cloud.training": "ltm3d.training.config:TrainingConfig",
    "generator.point_cloud.model": "ltm3d.generator.kinds:AnyGeneratorConfig",
    "generator.point_cloud.training": "ltm3d.training.config:TrainingConfig",
    "generator.point_cloud.allow_unordered": "builtins:bool",
    "sampling.point_cloud": "ltm3d.transforms.sample_shapes:SampleShapesConfig",
    "promotion.point_cloud": "ltm3d.registry.gate:GateConfig",
    "ltr.mesh.model": "ltm3d.generator.ltr:LTRConfig",
    "ltr.mesh.training": "ltm3d.training.config:TrainingConfig",
    "generator.mesh.model": "ltm3d.generator.kinds:AnyGeneratorConfig",
    "generator.mesh.training": "ltm3d.training.config:TrainingConfig",
    "generator.mesh.allow_unordered": "builtins:bool",
    "sampling.mesh": "ltm3d.transforms.sample_shapes:SampleShapesConfig",
    "promotion.mesh": "ltm3d.registry.gate:GateConfig",
    "ltr.gaussians.model": "ltm3d.generator.ltr:LTRConfig",
    "ltr.gaussians.training": "ltm3d.training.config:TrainingConfig",
    "generator.gaussians.model": "ltm3d.generator.kinds:AnyGeneratorConfig",
    "generator.gaussians.training": "ltm3d.training.config:TrainingConfig",
    "generator.gaussians.allow_unordered": "builtins:bool",
    "sampling.gaussians": "ltm3d.transforms.sample_shapes:SampleShapesConfig",
    "promotion.gaussians": "ltm3d.registry.gate:GateConfig",
    "evaluation": "ltm3d.evaluation.generator_metrics:EvaluationConfig",
    "register.carry_encoders": "builtins:bool",
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
    for key, group in (("targets", "build_targets"), ("representations", "tokenizer")):
        items = params.value(key, tuple[str, ...])
        available = list(dict.fromkeys(path.split(".")[1] for path in SETTINGS if path.startswith(f"{group}.")))
        if not items or not set(items) <= set(available):
            raise ConfigError(f"{key}: {raw[key]}: give one or more of {', '.join(available)}")
    _ = params.representations
    build_sources(params.raw["sources"])
    read_resources(params)
    for path, name in SETTINGS.items():
        module, _, attribute = name.partition(":")
        params.value(path, getattr(import_module(module), attribute))
    known = {*PLAIN_KEYS, *SETTINGS}
    _check_keys(raw, "", known)


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
