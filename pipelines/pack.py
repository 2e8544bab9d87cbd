"""Pack what training the generator needs into one folder, to be carried to a machine with a GPU.

Usage:
    python -m pipelines.pack FOLDER [--views N] [--limit MB] [--representation R]

It reads params.yaml and data/, after `dvc repro train_ltr`; then see docs/gpu.md. Padding that no text
needs is left out, and so are the other views of the test assets than the one that is the prompt.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ltm3d import schema
from ltm3d.errors import DataError, Ltm3dError
from ltm3d.generator.kinds import AnyGeneratorConfig
from ltm3d.generator.latent_data import LatentData
from ltm3d.nn.weights import CONFIG_FILE, WEIGHTS_FILE, weights_hash
from ltm3d.shards.available import available, uids_by_shard
from ltm3d.shards.manifest import key_of
from ltm3d.shards.read import ShardSet, list_shards
from ltm3d.shards.write import write_shard
from ltm3d.training.config import TrainingConfig
from ltm3d.transforms.audit_tokens import check_order
from ltm3d.transforms.sample_shapes import SampleShapesConfig
from pipelines._packed import SHARD, Packed
from pipelines._params import Params, load_params
from pipelines._stage import git_commit

DATA = Path("data")
LIMIT = 64.0  # MB
CONDITIONS = tuple(field for field in schema.CONDITIONS if field.name in ("image_tokens", "text_tokens", "text_mask"))
PARTS = ("tokenizer", "ltr")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What goes into the folder.

    Attributes:
        views: of an asset that is trained on, from the first on.
        text_length: of the longest text, in tokens.
    """

    latents: LatentData
    test_uids: list[str]
    models: dict[str, Path]
    view: int
    views: int
    text_length: int

    @property
    def trained_uids(self) -> list[str]:
        return [*self.latents.train_uids, *self.latents.val_uids]

    def num_bytes(self, views: int) -> int:
        """Return the size with so many views: arrays and weights, without the few kilobytes of JSON."""
        tokens = ShardSet(self.latents.tokens, self.trained_uids[:1])
        one = sum(tokens.get(field.name, 0).nbytes for field in schema.TOKENS)
        conditions = ShardSet(self.latents.conditions, self.trained_uids[:1])
        view = conditions.get("image_tokens", 0)[0].nbytes
        text = sum(conditions.get(name, 0)[: self.text_length].nbytes for name in ("text_tokens", "text_mask"))
        weights = sum((folder / WEIGHTS_FILE).stat().st_size for folder in self.models.values())
        num_trained = len(self.trained_uids)
        return num_trained * (one + views * view + text) + len(self.test_uids) * (view + text) + weights


def main(arguments: Sequence[str]) -> None:
    """Write the folder."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.pack", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="does not exist yet")
    parser.add_argument("--views", type=int, help="views of an asset, from the first on; all without it")
    parser.add_argument("--limit", type=float, default=LIMIT, help=f"largest size, MB of 1,000,000 bytes ({LIMIT:g})")
    parser.add_argument("--representation", default="sdf")
    options = parser.parse_args(arguments)
    if options.folder.exists():
        raise DataError(f"{options.folder} exists; remove it, or name another folder")
    params = load_params()
    selection = select(params, options.representation, options.views)
    check_size(selection, options.limit)
    temporary = options.folder.with_name(f".{options.folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)  # our own, of a killed call
    write(temporary, selection, params, options.representation)
    temporary.rename(options.folder)
    size = sum(path.stat().st_size for path in options.folder.rglob("*") if path.is_file())
    latents, num_tested = selection.latents, len(selection.test_uids)
    sys.stdout.write(
        f"{options.folder}: {len(latents.train_uids)} training assets, {len(latents.val_uids)} of validation, "
        f"{selection.views} views each; {num_tested} of the test; {size / 1e6:.1f} MB\n"
    )


def select(params: Params, representation: str, views: int | None) -> Selection:
    """Find the assets, their sizes and the models.

    Raises:
        DataError, ModelError: a stage has not run, or fewer views are there than asked for.
        ConfigError, ModelError: the tokens have no order, or nobody knows (`check_order`).
    """
    latents = LatentData.of(DATA, representation)
    if not params.value(f"generator.{representation}.allow_unordered", bool):
        check_order(latents.tokenizer)
    tested = uids_by_shard(available(DATA, "conditions", f"tokens/{representation}"), "test")
    test_uids = sorted(uid for uids in tested.values() for uid in uids)
    conditions = ShardSet(latents.conditions, [*latents.train_uids, *latents.val_uids, *test_uids])
    masks = [np.asarray(conditions.get("text_mask", index)) for index in range(len(conditions))]
    num_views = len(conditions.get("image_tokens", 0))
    view = params.get(f"sampling.{representation}", SampleShapesConfig).view
    if not 1 <= (views or 1) <= num_views or view >= num_views:
        raise DataError(f"--views {views}, sampling.{representation}.view {view}: each asset has {num_views} views")
    return Selection(
        latents=latents,
        test_uids=test_uids,
        models={part: DATA / "models" / part / representation for part in PARTS},
        view=view,
        views=views or num_views,
        text_length=1 + max(int(np.flatnonzero(mask)[-1]) for mask in masks),
    )


def check_size(selection: Selection, limit: float) -> None:
    """Refuse what is larger than the limit, in MB.

    Raises:
        DataError: with the size and what would make it smaller.
    """
    size = selection.num_bytes(selection.views) / 1e6
    if size <= limit:
        return
    fitting = [views for views in range(1, selection.views) if selection.num_bytes(views) / 1e6 <= limit]
    smallest = selection.num_bytes(1) / 1e6
    remedy = (
        f"--views {fitting[-1]} makes it {selection.num_bytes(fitting[-1]) / 1e6:.1f} MB"
        if fitting
        else f"--views 1 is still {smallest:.1f} MB: give the recipe's sources fewer objects"
    )
    raise DataError(f"the folder would have {size:.1f} MB, the limit is {limit:g} MB; {remedy}, or raise --limit")


def write(folder: Path, selection: Selection, params: Params, representation: str) -> None:
    """Write shards, models and settings."""
    latents, trained, length = selection.latents, selection.trained_uids, selection.text_length
    views = slice(selection.views)
    prompt = slice(selection.view, selection.view + 1)
    copy_assets(latents.tokens, folder / "tokens", schema.TOKENS, trained, {})
    texts = {"text_tokens": slice(length), "text_mask": slice(length)}
    copy_assets(latents.conditions, folder / "conditions", CONDITIONS, trained, {"image_tokens": views, **texts})
    copy_assets(
        latents.conditions, folder / "prompts", CONDITIONS, selection.test_uids, {"image_tokens": prompt, **texts}
    )
    for part, source in selection.models.items():
        (folder / part).mkdir()
        for name in (CONFIG_FILE, WEIGHTS_FILE):
            shutil.copyfile(source / name, folder / part / name)
    packed = Packed(
        representation=representation,
        recipe=params.recipe,
        commit=git_commit(),
        model=params.value(f"generator.{representation}.model", AnyGeneratorConfig),
        training=params.get(f"generator.{representation}.training", TrainingConfig),
        sampling=params.get(f"sampling.{representation}", SampleShapesConfig),
        train_uids=tuple(latents.train_uids),
        val_uids=tuple(latents.val_uids),
        test_uids=tuple(selection.test_uids),
        hashes={part: weights_hash(folder / part) for part in PARTS},
        digests={name: list_shards(folder / name)[0].digest for name in ("tokens", "conditions", "prompts")},
    )
    packed.write(folder)


def copy_assets(
    source: Path, output: Path, fields: Sequence[schema.Field], uids: Sequence[str], parts: dict[str, slice]
) -> None:
    """Write some assets, in this order, as one shard.

    Args:
        parts: the part of a field's first axis that is kept; of the others, all.
    """
    assets = ShardSet(source, uids)
    whole = slice(None)
    arrays = {
        field.name: [
            np.array(assets.get(field.name, index)[parts.get(field.name, whole)]) for index in range(len(uids))
        ]
        for field in fields
    }
    key = key_of([shard.digest for shard in assets.shards], {name: [p.start, p.stop] for name, p in parts.items()})
    records = [assets.record(index) for index in range(len(uids))]
    write_shard(output / SHARD, fields=fields, arrays=arrays, uids=uids, records=records, rejects=[], key=key)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Ltm3dError as error:
        sys.exit(f"error: {error}")
