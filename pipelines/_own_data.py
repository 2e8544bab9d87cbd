"""Settings of the recipe `own` that follow from the number of meshes."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ltm3d.sources.kinds import build_sources
from ltm3d.tokenizers.kinds import REPRESENTATIONS

VALUES = ("root", "captions_file", "start_from")  # of the command line; no settings of a stage
USAGE = "use: python -m pipelines.compose experiment=own root=/data/meshes name=mychairs"
ONE_TENTH = 0.1
FEW_TEST = 8  # below, a mean over test meshes says nothing
MAX_BATCH = 16
ASSETS_PER_SHARD = 64


@dataclass(frozen=True)
class OwnSettings:
    """What follows from a number of meshes.

    Attributes:
        overrides: as on the command line of `pipelines.compose`.
        lines: the same for people.
    """

    overrides: tuple[str, ...]
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Budget:
    """What so many meshes are given: steps of tokenizer, LTR and generator, and views a mesh."""

    most: float
    steps: tuple[int, int, int]
    num_views: int


# Trained longer, few meshes are learned by heart. The third is the demo's, the last that of cpu_2h.
BUDGETS = (
    Budget(40, (400, 400, 300), 12),
    Budget(400, (800, 1000, 600), 8),
    Budget(3000, (1050, 2000, 1000), 4),
    Budget(math.inf, (4000, 16000, 8000), 8),
)


def count_meshes(sources: Iterable[Any]) -> int:
    """Count what composed sources list.

    Raises:
        SourceError: there is no such folder, or it holds no mesh.
    """
    return sum(len(source.list_objects()) for source in build_sources(list(sources)))


def settings_for(count: int, start_from: str | None = None) -> OwnSettings:
    """Choose splits, reject limits, shards, batch, steps, views and the gate for a number of meshes.

    Args:
        start_from: a registered model whose weights the training starts from; the steps are then the fewest.

    >>> settings_for(12).lines[0]
    '12 meshes: about 10 to train on, 1 to validate, 1 to test'
    """
    held_out = max(1, round(ONE_TENTH * count))
    train = max(1, count - 2 * held_out)
    budget = next(budget for budget in BUDGETS if count <= budget.most)
    tokenizer, ltr, generator = (BUDGETS[0] if start_from else budget).steps
    batch = 2 ** min(MAX_BATCH.bit_length() - 1, train.bit_length() - 1)
    rejects = 0.5 if count < 100 else 0.3
    shards = min(256, max(2, -(-count // ASSETS_PER_SHARD)))
    overrides = [f"download.num_shards={shards}", f"render_views.views.num_views={budget.num_views}"]
    overrides += [f"{stage}.max_reject_fraction={rejects}" for stage in ("download", "clean_meshes", "render_views")]
    lines = [
        f"{count} meshes: about {train} to train on, {held_out} to validate, {held_out} to test",
        f"a stage may reject {rejects:.0%} of them before it stops; {shards} shards, {budget.num_views} views a mesh",
        f"steps of tokenizer, LTR and generator: {tokenizer}, {ltr}, {generator}; {batch} meshes a step",
    ]
    for name in REPRESENTATIONS:
        overrides.append(f"build_targets.{name}.max_reject_fraction={0.95 if name == 'mesh' else rejects}")
        for part, steps in (("tokenizer", tokenizer), ("ltr", ltr), ("generator", generator)):
            training = {"num_steps": steps, "global_batch_size": batch, "warmup_steps": min(100, steps // 8)}
            training |= dict.fromkeys(("checkpoint_every", "validate_every"), steps // 2)
            if start_from:
                training["warm_start"] = f"'{start_from}'"
            overrides += [f"{part}.{name}.training.{key}={value}" for key, value in training.items()]
        if held_out < FEW_TEST:
            overrides += [f"promotion.{name}.required=[]", f"generator.{name}.allow_unordered=true"]
            overrides += [f"sampling.{name}.max_reject_fraction=1.0"]
    if start_from:
        lines.append(f"training starts from the weights of {start_from}")
    if held_out < FEW_TEST:
        overrides.append("evaluation.sets=none")
        lines.append("too few to test for the gate's bounds and for metrics of sets: left out; look at the gallery")
    if count < 3:
        lines.append("too few to train: `dvc repro data_card` prepares them; training needs 3 meshes or more")
    return OwnSettings(tuple(overrides), tuple(lines))
