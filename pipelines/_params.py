"""params.yaml → frozen settings dataclasses, strictly: an unknown or missing key is an error that names the others."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from ltm3d.errors import ConfigError
from ltm3d.settings import convert

PARAMS_FILE = Path("params.yaml")
SECTIONS = (
    *("recipe", "overrides", "name", "seed", "targets", "representations", "sources", "resources"),
    *("download", "clean_meshes", "render_views", "caption_views", "build_targets"),
    *("encode_conditions", "tokenizer", "evaluate_tokenizer", "encode_tokens"),
    *("ltr", "generator", "sampling", "attribute_reader", "evaluation", "promotion", "register"),
)
T = TypeVar("T")


@dataclass(frozen=True)
class Params:
    """The composed settings of one recipe.

    Attributes:
        raw: plain dicts, lists and scalars, as in params.yaml.
    """

    raw: dict[str, Any]

    @property
    def recipe(self) -> str:
        """The experiment's name in conf/experiment/."""
        return self.value("recipe", str)

    @property
    def name(self) -> str:
        """What the recipe calls its models, e.g. `mychairs`; empty for the project's own recipes."""
        return self.value("name", str)

    @property
    def seed(self) -> int:
        """The one seed that all randomness starts from."""
        return self.value("seed", int)

    @property
    def targets(self) -> tuple[str, ...]:
        """The items of `build_targets`: the representations, and what else is built of the meshes."""
        return self.value("targets", tuple[str, ...])

    @property
    def representations(self) -> tuple[str, ...]:
        """The items of the other matrix stages: what is learned; all of them are among `targets`."""
        representations = self.value("representations", tuple[str, ...])
        missing = set(representations) - set(self.targets)
        if missing:
            raise ConfigError(
                f"targets: {', '.join(self.targets)}: add {', '.join(sorted(missing))} of representations"
            )
        return representations

    @property
    def source_kinds(self) -> tuple[str, ...]:
        """The kinds of the recipe's sources, e.g. `procedural`."""
        entries = self.raw.get("sources") or ()
        return tuple(sorted({str(entry["kind"]) for entry in entries if isinstance(entry, dict) and "kind" in entry}))

    def items(self, kind: str) -> tuple[str, ...]:
        """The items of a matrix: `target` or `representation`."""
        return {"target": self.targets, "representation": self.representations}[kind]

    def get(self, path: str, kind: type[T]) -> T:
        """Build the dataclass `kind` from the subtree at a dotted path."""
        return convert(self._find(path), kind, path)

    def value(self, path: str, kind: Any) -> Any:
        """Read one value at a dotted path, checked against a type."""
        return convert(self._find(path), kind, path)

    def _find(self, path: str) -> Any:
        node: Any = self.raw
        walked: list[str] = []
        for key in path.split("."):
            if not isinstance(node, dict) or key not in node:
                keys = ", ".join(sorted(map(str, node))) if isinstance(node, dict) else "none"
                place = ".".join(walked) or "the top level"
                raise ConfigError(f"{path}: no such key in params.yaml; the keys of {place} are: {keys}")
            walked.append(key)
            node = node[key]
        return node


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read a composed params.yaml."""
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; write it with `python -m pipelines.compose experiment=demo`")
    try:
        raw = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    except (OmegaConfBaseException, YAMLError, ValueError, OSError) as error:
        raise ConfigError(f"{path}: cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected keys and values at the top level")
    sections = {str(key): value for key, value in raw.items()}
    for key in sections:
        if key not in SECTIONS:
            raise ConfigError(
                f"{path}: {key}: unknown key; the keys of the top level are: {', '.join(sorted(SECTIONS))}"
            )
    return Params(sections)
