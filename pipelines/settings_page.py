"""Write docs/settings.md: every key of params.yaml, from the settings classes.

Usage:
    python -m pipelines.settings_page

Type and default are the class's, the description is its docstring's. The range is what the class says when it refuses a
value: each key is tried with values that are likely to be out of it.
"""

import dataclasses
import inspect
import re
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING
from pathlib import Path
from typing import Any

import yaml

from ltm3d.errors import ConfigError
from ltm3d.resources import Resources
from ltm3d.settings import convert
from ltm3d.sources.kinds import source_kinds, source_type
from ltm3d.tokenizers.kinds import REPRESENTATIONS
from pipelines.compose import CONF, compose, settings_types

PAGE = Path(__file__).resolve().parents[1] / "docs" / "settings.md"
RECIPES = ("demo", "paper", "ablation_dit")  # together they hold every class that has keys without a default
HEAD = """# Settings, key by key

Written by `python -m pipelines.settings_page` from the settings classes; edit their docstrings, not this page. How a
recipe is put together is in [recipes.md](recipes.md), what to change for which purpose in [change-it.md](change-it.md).

Each heading is a place in `params.yaml`; `R` stands for a representation: {representations}. A key is set by
`python -m pipelines.compose experiment=NAME PLACE.KEY=VALUE`. *Default* is that of the class; a recipe of `conf/` may
say otherwise, and `params.yaml` shows the value in force. *Range* is what the error says for a value outside of it.
"""
PLAIN = (
    ("recipe", "str", "the recipe's name in `conf/experiment/`; written by `pipelines.compose`"),
    ("overrides", "list of str", "what else its command line said; written by `pipelines.compose`"),
    ("name", "str", "stands in the registered models' names, `ltm3d-NAME-R`; empty = `ltm3d-R`"),
    ("seed", "int", "the one seed that all randomness starts from"),
    ("targets", "list of str", "what is built of the meshes: some of R"),
    ("representations", "list of str", "what is learned: some of `targets`"),
)
LIMIT = re.compile(r"(?:must (?:be|lie)|should be|use|give|name)\s+(.*)", re.DOTALL)
OUT_OF_RANGE: Mapping[type, tuple[Any, ...]] = {int: (-1, 0, 2**40), float: (-1.0, 0.0, 1e12), str: ("?",)}

# What recurs from class to class, or is plain to who reads the code, so that the docstrings leave it out.
COMMON = {
    "allow_age_restricted": "take what its makers marked as such",
    "annotations": "choose by Objaverse's annotations; null = do not",
    "batch_size": "samples a step",
    "betas": "of AdamW: decay of the mean gradient and of its square",
    "center": "of the truncated normal distribution that the ratio is drawn from",
    "checkpoint_every": "steps between two checkpoints",
    "condition_dropout": "probability that a modality of a sample is dropped in training, each on its own",
    "cpus_per_worker": "cores that Ray sets aside for a worker",
    "ddpm": "the DDPM head, where `head` is `ddpm`",
    "decoder_depth": "transformer blocks of the decoder",
    "denoiser_depth": "blocks of the DenoiseNet",
    "denoiser_width": "width of the DenoiseNet",
    "depth": "transformer blocks",
    "encoder_depth": "transformer blocks of the encoder",
    "flow": "the flow: how it is trained and sampled",
    "front": "where objects look, in the source's own axes",
    "guess_dropout": "share of the training samples that do not see x̂",
    "guess_noise": "bound of the standard deviation of the noise on x̂ in training",
    "hidden_dim": "width of the layer before the answers",
    "image_alone": "probability that a sample is trained on its image alone",
    "keep_checkpoints": "the newest so many checkpoints are kept",
    "kind": "says which of the classes at this place is meant",
    "learning_rate": "of AdamW, after the warm-up",
    "licences": "take objects of these licences alone; null = any",
    "limit": "at most so many objects, picked by uid; null = all",
    "log_every": "steps between two records of loss and speed",
    "lr_schedule": "the learning rate after the warm-up: `constant`, or `cosine` down to 0",
    "lvis_categories": "take these LVIS categories alone; null = do not ask",
    "mask_ratio": "share of the tokens that are hidden in a training step",
    "max_bytes": "of a file",
    "max_faces": "of a mesh; more is rejected; null = no limit",
    "max_pixels": "of a texture",
    "max_reject_fraction": "the stage fails if more than this share of the assets is rejected",
    "min_faces": "of a mesh",
    "min_likes": "on Sketchfab",
    "minimum": "least share that is hidden",
    "name": "of the metric",
    "near_weight": "weight of the queries near the surface in the loss",
    "num_epochs": "passes over the objects",
    "num_gallery_assets": "prompts that the gallery shows",
    "num_heads": "attention heads; divides `width`",
    "num_near": "queries near the surface that a training step reads of an asset",
    "num_objects": "how many are made",
    "num_prefix": "learned prefix tokens that gather the prompt",
    "num_resamples": "of the bootstrap",
    "num_steps": "training steps",
    "num_tokens": "L, tokens of a shape",
    "num_volume": "queries anywhere in the cube that a training step reads of an asset",
    "num_workers": "processes that train together, or map shards side by side",
    "resolution": "pixels of a side",
    "root": "the folder that it reads",
    "sampling": "how tokens are sampled",
    "seed": "what its randomness starts from",
    "sign_weight": "weight of the loss on the sign",
    "single_modality": "probability that a sample is trained on its text alone",
    "std": "of that distribution",
    "target": "what is computed of each mesh",
    "thresholds": "distances τ of F@τ",
    "token_dim": "D, channels of a token",
    "truncation": "distances are cut off at this value",
    "uids": "take these objects alone; null = do not ask",
    "up": "the axis that points up, in the source's own axes",
    "url": "where the files are fetched from",
    "use_gpu": "each worker takes a GPU",
    "validate_every": "steps between two measurements of the validation loss",
    "views": "the cameras and their pictures",
    "weight": "relative share of the source's objects among several sources",
    "weight_decay": "of AdamW",
    "width": "channels of the transformer's states",
}


def to_markdown() -> str:
    """Give the text of the page."""
    composed = [compose(recipe) for recipe in RECIPES]
    instances = _instances(composed)
    text = [HEAD.format(representations=", ".join(f"`{name}`" for name in REPRESENTATIONS))]
    text.append("## The top level\n\n| key | type | what it does |\n|---|---|---|")
    text += [f"| `{key}` | {kind} | {meaning} |" for key, kind, meaning in PLAIN]
    for kind, where in _places().items():
        text.append(f"\n## {_heading(kind, where[0])}\n")
        if len(where) > 1:
            text.append("Also at " + ", ".join(f"`{place}`" for place in where[1:]) + ".\n")
        text.append(_table(kind, instances.get(kind)))
    text.append("| `tracking_uri` | str | required | | MLflow: `sqlite:///FILE`, or a server's address |")
    return "\n".join(text) + "\n"


def _heading(kind: type, place: str) -> str:
    variant = typing.get_args(typing.get_type_hints(kind).get("kind"))
    return f"{place}, kind {variant[0]}" if variant else place


def _places() -> dict[type, list[str]]:
    """Give each settings class and where it stands in params.yaml, in the order of the stages."""
    found: dict[type, list[str]] = {}
    stages = yaml.safe_load((CONF.parent / "dvc.yaml").read_text(encoding="utf-8"))["stages"].values()
    read = [key.partition(".")[0] for stage in stages for key in stage.get("params", [])]
    for path, kind in sorted(settings_types().items(), key=lambda item: read.index(item[0].partition(".")[0])):
        _walk(kind, _general(path), found)
    for source in source_kinds():
        _walk(source_type(source), f"sources: kind {source}", found)
    _walk(Resources, "resources", found)
    return found


def _general(path: str) -> str:
    """Put R in place of a representation, where every one of them has the same class."""
    for representation in REPRESENTATIONS:
        twins = {settings_types().get(path.replace(f".{representation}", f".{each}")) for each in REPRESENTATIONS}
        if f".{representation}" in path and len(twins) == 1:
            return path.replace(f".{representation}", ".R")
    return path


def _walk(kind: Any, path: str, found: dict[type, list[str]]) -> None:
    if not dataclasses.is_dataclass(kind):
        for each in typing.get_args(kind):
            _walk(each, path, found)
        return
    assert isinstance(kind, type)
    known = found.setdefault(kind, [])
    if path in known:
        return
    known.append(path)
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        _walk(hints[field.name], f"{path}.{field.name}", found)


def _instances(composed: list[dict[str, Any]]) -> dict[type, Any]:
    """Give a valid object of each class, as far as the recipes hold one."""
    found: dict[type, Any] = {}

    def keep(value: Any) -> None:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            found.setdefault(type(value), value)
            for field in dataclasses.fields(value):
                keep(getattr(value, field.name))
        elif isinstance(value, tuple | list):
            for each in value:
                keep(each)

    for raw in composed:
        for path, kind in settings_types().items():
            node: Any = raw
            for key in path.split("."):
                node = node[key]
            keep(convert(node, kind, path))
    for source in source_kinds():
        entry = yaml.safe_load((CONF / "source" / f"{source}.yaml").read_text(encoding="utf-8"))
        values = {key: 0 if value == "${seed}" else value for key, value in entry.items() if key != "kind"}
        keep(convert(values, source_type(source), source))
    return found


def _table(kind: type, instance: Any) -> str:
    meanings, hints = _meanings(kind), typing.get_type_hints(kind)
    if instance is None and not any(_default(field) == "required" for field in dataclasses.fields(kind)):
        instance = kind()
    rows = ["| key | type | default | range | what it does |", "|---|---|---|---|---|"]
    for field in dataclasses.fields(kind):
        if field.init:
            limit = "" if instance is None else _range(instance, field.name, hints[field.name])
            cells = (
                _type_name(hints[field.name]),
                _default(field),
                limit,
                meanings.get(field.name) or COMMON.get(field.name, ""),
            )
            rows.append(f"| `{field.name}` | " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not MISSING:
        return f"`{_plain(field.default)}`"
    if field.default_factory is not MISSING:
        value = field.default_factory()
        return "its own defaults" if dataclasses.is_dataclass(value) else f"`{_plain(value)}`"
    return "required"


def _plain(value: Any) -> str:
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_plain, value)) + "]"
    named = {None: "null", True: "true", False: "false"}
    return named[value] if value is None or isinstance(value, bool) else str(value)


def _type_name(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type_name(each) for each in arguments)
    if origin is typing.Literal:
        return " or ".join(f"`{each}`" for each in arguments)
    if hint is type(None):
        return "null"
    if origin in (tuple, list):
        items = [each for each in arguments if each is not Ellipsis]
        return f"list of {_type_name(items[0])}" if items else "list"
    if dataclasses.is_dataclass(hint):
        return "keys of its own"
    return "path" if hint is Path else getattr(origin or hint, "__name__", str(hint))


def _range(instance: Any, name: str, hint: Any) -> str:
    """Give what the class says when it refuses values of this key; empty where it takes all that were tried."""
    kinds = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    for value in (value for kind in kinds if kind in OUT_OF_RANGE for value in OUT_OF_RANGE[kind]):
        try:
            dataclasses.replace(instance, **{name: value})
        except (ConfigError, ValueError) as error:
            said = LIMIT.search(str(error))
            if said and re.search(rf"\b{name}\b", str(error)[: said.start()]):
                return " ".join(said.group(1).split())
    return ""


def _meanings(kind: type) -> dict[str, str]:
    """Read `Attributes:` of a class's docstring and of those that it inherits from."""
    found: dict[str, str] = {}
    for each in kind.__mro__:
        names = {field.name for field in dataclasses.fields(kind)}
        body = inspect.cleandoc(each.__doc__ or "").partition("Attributes:\n")[2]
        for entry in re.split(r"\n(?=    \S)", body):
            for part in re.split(r"; (?=[a-z_]+: )", " ".join(entry.split())):
                said, _, meaning = part.partition(": ")
                for name in re.split(r", | and ", said):
                    if name in names:
                        found.setdefault(name, re.sub(r"\bNone\b", "null", meaning.strip().rstrip(".")))
    return found


if __name__ == "__main__":
    text = to_markdown()
    state = "unchanged" if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text else "written"
    PAGE.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{PAGE}: {state}\n")
