"""The Python interface, which the command line calls: load a model, generate, export; prepare meshes; evaluate shapes.

Heavy libraries are imported where they are needed, so that `import ltm3d` and `ltm3d --help` take no time.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ltm3d.errors import AssetError, ConfigError, DataError, ModelError
from ltm3d.tracking.client import DEFAULT_TRACKING_URI, absolute_uri, database_path

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from ltm3d.evaluation.exported_model import ExportedModel
    from ltm3d.generator.bundle import ShapeGenerator
    from ltm3d.geometry.mesh import Mesh
    from ltm3d.serving.requests import Prompt
    from ltm3d.tokenizers.shape import Shape

DEFAULT_MODEL = "models:/ltm3d-sdf@champion"
SUFFIXES = (".glb", ".obj", ".ply", ".stl")
CLOCK_FACTOR = 15  # how much longer than its processor time a file may take by the clock

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True, eq=False)
class GeneratedShape:
    """A generated shape in the normalised frame: centred, longest side in [-0.95, 0.95], y up, front +z.

    Attributes:
        record: the mesh, points or Gaussians, as the model's representation decodes to.
        picture: the image prompt as the model saw it, RGBA uint8 [H, W, 4]; None without one.
        note: what the caller should know, e.g. that the model knows none of the text's words.
    """

    record: "Shape"
    seed: int
    picture: "np.ndarray | None" = None
    note: str | None = None

    def export(self, path: str | Path) -> Path:
        """Write the shape as .glb, .obj, .ply or .stl, points and Gaussians as .ply alone; return the path.

        Raises:
            ModelError: the suffix is not one that the shape can be written as, or the folder is not there.
        """
        from ltm3d.tokenizers.shape_export import write_shape

        path = Path(path)
        if path.suffix.lower() not in SUFFIXES or not path.parent.is_dir():
            raise ModelError(f"{path}: give a name that ends in one of {', '.join(SUFFIXES)}, in a folder that exists")
        write_shape(self.record, path)
        return path

    def largest_piece(self) -> "GeneratedShape":
        """Return the shape without all but its largest piece; points and Gaussians stay as they are."""
        from ltm3d.geometry.mesh import Mesh
        from ltm3d.geometry.pieces import keep_largest

        return replace(self, record=keep_largest(self.record)) if isinstance(self.record, Mesh) else self

    def __repr__(self) -> str:
        from ltm3d.tokenizers.shape_export import describe

        return f"GeneratedShape({describe(self.record)}, seed {self.seed})"


class Model:
    """A generator of shapes, ready to be asked; `load` makes one.

    Attributes:
        label: which version it is, and what is newer in its registry; or its folder.
    """

    def __init__(self, generator: "ShapeGenerator", label: str) -> None:
        self.generator = generator
        self.label = label

    @property
    def representation(self) -> str:
        """What it makes: `sdf`, `point_cloud`, `mesh` or `gaussians`."""
        return self.generator.config.representation

    def check_suffix(self, suffix: str) -> None:
        """Refuse a file's suffix that this model's shapes cannot be written as.

        Raises:
            ModelError: e.g. points as .glb.
        """
        from ltm3d.tokenizers.shape_export import check_suffix

        check_suffix(self.generator.models.tokenizer.shape_type, suffix.lower())

    def generate(
        self,
        *,
        image: "str | Path | Image.Image | np.ndarray | None" = None,
        text: str | None = None,
        seed: int = 0,
        guidance: float | None = None,
        steps: int | None = None,
        temperature: float | None = None,
        on_step: Callable[[int, int], None] | None = None,
    ) -> GeneratedShape:
        """Generate a shape from an image, a text, or both; the same prompt and seed give the same shape.

        Args:
            image: a file, a PIL image, or uint8 [H, W, 3 or 4] of one object, with alpha or before a plain background.
            guidance, steps, temperature: the model's own where None.
            on_step: called with (steps done, number of steps).

        Raises:
            PromptError: neither image nor text, or one that is out of its limits.
            ModelError: the model gave no surface for this prompt and seed.
        """
        from ltm3d.serving.local_prompt import read_prompt

        prompt = read_prompt(image=image, text=text, seed=seed, guidance=guidance, steps=steps, temperature=temperature)
        return self.answer(prompt, on_step)

    def answer(self, prompt: "Prompt", on_step: Callable[[int, int], None] | None = None) -> GeneratedShape:
        """Generate the shape of a prompt that `read_prompt` has read; else as `generate`."""
        from ltm3d.serving.generation import generate_shape, prepare
        from ltm3d.serving.local_prompt import own_limits

        prepared = prepare(self.generator, prompt, own_limits())
        try:
            shape = generate_shape(self.generator, prepared, on_step)
        except AssetError as error:
            text = f"the model gave no surface for this prompt ({error.detail}): try another seed"
            raise ModelError(text) from error
        return GeneratedShape(shape, prompt.seed, prepared.image, prepared.note)


def load(
    model: str | Path = DEFAULT_MODEL, *, tracking_uri: str = DEFAULT_TRACKING_URI, device: Device = "auto"
) -> Model:
    """Load a generator: `models:/NAME@ALIAS` or `models:/NAME/VERSION` of a registry, or a bundle's folder.

    Raises:
        ModelError: no such model, its weights are not those that were registered, or no GPU where one is asked for.
    """
    if str(model).startswith("models:"):
        tracking_uri = absolute_uri(tracking_uri)
        check_registry(tracking_uri)
    from ltm3d.generator.bundle import ShapeGenerator
    from ltm3d.registry.overview import describe_choice
    from ltm3d.registry.registration import find_version, resolve_model

    folder, label = resolve_model(str(model), tracking_uri), str(model)
    if label.startswith("models:"):
        label = describe_choice(find_version(label, tracking_uri), tracking_uri)
    return Model(ShapeGenerator.load(folder, pick_device(device)), label)


def prepare(
    mesh: "str | Path | Mesh",
    *,
    target: Literal["sdf", "point_cloud", "mesh", "gaussians"] = "sdf",
    config: Any = None,
    up: str = "+y",
    front: str = "+z",
    seed: int = 0,
) -> Mapping[str, "np.ndarray"]:
    """Clean and normalise a mesh and build a training target of it, as the stages do (fields: docs/data-formats.md).

    Args:
        mesh: a file that the pipeline reads, or a mesh whose vertices float [N, 3] and faces int [F, 3] are given.
        config: the target's own settings, e.g. `SdfTargetConfig`; its defaults where None.
        up, front: the mesh's axes, each one of +x, -x, +y, -y, +z, -z.

    Raises:
        AssetError: why the mesh cannot be used, e.g. `no_surface`.

    >>> import numpy as np, ltm3d
    >>> from ltm3d.geometry.mesh import Mesh
    >>> tetrahedron = Mesh(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]),
    ...                    np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]))
    >>> ltm3d.prepare(tetrahedron)["surface"].shape  # places and normals
    (8192, 6)
    """
    import numpy as np

    from ltm3d.geometry.cleaning import clean_mesh
    from ltm3d.geometry.normalize import normalize
    from ltm3d.mesh_io.loading import LoadLimits
    from ltm3d.transforms.build_targets import target_kind
    from ltm3d.transforms.clean_meshes import clean_file

    kind = target_kind(target)
    if isinstance(mesh, str | Path):
        path = Path(mesh)
        cleaned, _ = clean_file(path, path.parent, up, front, LoadLimits())
    else:
        cleaned, _ = normalize(clean_mesh(mesh), up=up, front=front)
    settings = kind.config().target if config is None else config
    arrays, _ = kind.build(cleaned, config=settings, rng=np.random.default_rng(seed))
    return arrays


def evaluate(
    pred: "str | Path | GeneratedShape | Shape",
    truth: "str | Path | GeneratedShape | Shape",
    *,
    frame: Literal["as_is", "normalize"] = "as_is",
    pred_up: str = "+y",
    pred_front: str = "+z",
    align: Literal["none", "rotations", "icp"] = "none",
    max_faces: int = 2_000_000,
    test_set: str | Path | None = None,
    points: int = 100_000,
    emd: bool = False,
    pictures: int = 0,
    point_encoder: str | Path | None = None,
    picture_encoder: str | Path | None = None,
    lpips: str | Path | None = None,
    sets: Literal["none", "cd", "emd"] = "cd",
    seed: int = 0,
    timeout_s: float = 120.0,
    memory_mb: int = 4096,
    on_shape: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Compare shapes with true ones by protocol eval/v1 (docs/evaluation.md).

    Two folders give the report of `ltm3d evaluate`: files are matched by name, a missing or broken one is a failure.
    Two shapes, as files or as what `generate` returns, give their metrics: `chamfer_l1`, `f_score@…` and, of meshes,
    `normal_consistency`, `volume_iou` and `edge_f_score@…`.

    Args:
        frame: coordinates as they are, or each shape centred, longest side in [-0.95, 0.95].
        pred_up, pred_front, align: see `ShapeFileConfig`.
        max_faces: of a file.
        test_set: of folders, the file of the named set that counts (`write_test_set`); other true shapes are refused.
        points: surface points of each shape.
        emd: the exact earth mover's distance of each pair, too.
        pictures: renders around each shape of two folders, for their similarity and KID in EfficientNet-Lite0's space.
        point_encoder, picture_encoder, lpips: exported networks (.pt2, .pt) for `point_similarity`, for `fid` and
            `kid`, and for `lpips`; the last two need pictures.
        sets: MMD, COV and 1-NNA of folders by Chamfer distance, or by both distances.
        timeout_s, memory_mb: processor time and memory of a child process for each file of a folder.
        on_shape: called with (shapes done, number of shapes) of folders.

    Raises:
        AssetError: a shape cannot be read. DataError: a folder is not there or the two have no file in common.
    """
    from ltm3d.evaluation.named_set import read_named_set
    from ltm3d.evaluation.shape_files import ShapeFileConfig, measure_file, read_true
    from ltm3d.evaluation.shape_folder import Networks, pair_files, score, to_report
    from ltm3d.mesh_io.loading import LoadLimits
    from ltm3d.transforms.isolation import ChildLimits, run_isolated

    config = ShapeFileConfig(
        frame=frame,
        pred_up=pred_up,
        pred_front=pred_front,
        align=align,
        num_points=points,
        earth_mover=emd,
        num_pictures=pictures,
        encoded_points=point_encoder is not None,
        limits=LoadLimits(max_faces=max_faces),
        seed=seed,
    )
    are_folders = [isinstance(each, str | Path) and Path(each).is_dir() for each in (pred, truth)]
    if all(are_folders):
        limits = ChildLimits(timeout_s=timeout_s, clock_s=CLOCK_FACTOR * timeout_s, memory_mb=memory_mb)
        call = partial(run_isolated, limits=limits)
        if (picture_encoder or lpips) and not pictures:
            raise ConfigError("picture_encoder and lpips compare renders: ask for pictures, e.g. 8 of each shape")
        networks = Networks(
            points=_exported(point_encoder), pictures=_exported(picture_encoder), lpips=_exported(lpips)
        )
        named = None if test_set is None else read_named_set(Path(test_set))
        pairs, without_truth = pair_files(Path(str(pred)), Path(str(truth)), named)
        scored = []
        for pair in pairs:
            scored.append(score(pair, config, call=call))
            if on_shape is not None:
                on_shape(len(scored), len(pairs))
        name = None if named is None else named.name
        return to_report(scored, config, without_truth=without_truth, sets=sets, test_set=name, networks=networks)
    if any(are_folders):
        raise DataError(f"{pred} and {truth}: give two folders, or two shapes")
    with tempfile.TemporaryDirectory(prefix="ltm3d-evaluate-") as folder:
        predicted, true = (_as_file(each, Path(folder) / name) for each, name in ((pred, "pred"), (truth, "truth")))
        return dict(measure_file(predicted, "shape", read_true(true, "shape", config), config).metrics)


def _exported(path: "str | Path | None") -> "ExportedModel | None":
    from ltm3d.evaluation.exported_model import load_exported

    return None if path is None else load_exported(Path(path))


def check_registry(tracking_uri: str) -> None:
    """Refuse a local registry that is not there; MLflow would make an empty one.

    Raises:
        ModelError: no such file.
    """
    path = database_path(tracking_uri)
    if path is not None and not path.is_file():
        raise ModelError(
            f"{path} does not exist, so there are no registered models: run this in the checkout where `make demo` "
            "ran, or give another tracking URI, or a model's folder (--tracking-uri, --model)"
        )


def pick_device(device: str) -> str:
    """Choose the GPU where there is one and none was asked for.

    Raises:
        ModelError: CUDA was asked for and is not there.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise ModelError("device cuda: torch sees no GPU here; `ltm3d doctor` says why, or use device cpu")
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def _as_file(shape: "str | Path | GeneratedShape | Shape", place: Path) -> Path:
    if isinstance(shape, str | Path):
        return Path(shape)
    from ltm3d.tokenizers.shape_export import write_shape

    path = place.with_suffix(".ply")
    write_shape(shape.record if isinstance(shape, GeneratedShape) else shape, path)
    return path
