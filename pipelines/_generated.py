"""What a generator's gallery shows: its samples beside the true shapes, and how some of them came about."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from ltm3d.evaluation.generator_metrics import Evaluator
from ltm3d.evaluation.measurement import decode_or_none
from ltm3d.evaluation.metrics_table import Scores
from ltm3d.evaluation.unmasking import record_unmasking
from ltm3d.generator.shape_models import ShapeModels
from ltm3d.nn.weights import WEIGHTS_FILE
from ltm3d.serving.gallery import GalleryItem, GalleryProcess
from ltm3d.shards.read import list_shards
from ltm3d.transforms.sample_shapes import Prompt, SampleShapesConfig, condition_rows
from pipelines import _stage
from pipelines._gallery import choose

RECORDED_NUMBER = 0  # the sample whose steps are shown
SAME_TOKENS = 1e-3  # how far rounding takes two runs of one sample apart


def generated_items(evaluator: Evaluator, scores: Sequence[Scores], *, view: int) -> list[GalleryItem]:
    """Show some test assets, categories in turn, once for each kind of prompt."""
    entries = choose(evaluator.entries, evaluator.data.config.num_gallery_assets)
    views, truths = evaluator.data.set_of("views", entries), evaluator.data.meshes(entries)
    generated = {row.prompt: row.by_asset for row in scores if row.method == "generated"}
    items = []
    for prompt in evaluator.prompts:
        for index, entry in enumerate(entries):
            key = (entry.uid, prompt)
            shapes = [shape for shape, _ in evaluator.data.samples[key]]
            items.append(
                GalleryItem(
                    uid=entry.uid,
                    category=entry.category,
                    caption=entry.caption,
                    prompt_kind=prompt,
                    prompt_image=None if prompt == "text" else np.array(views.get("images", index)[view]),
                    truth=truths[index],
                    samples=[*shapes, *[None] * evaluator.data.counts[key]],
                    metrics=generated[prompt][entry.uid],
                )
            )
    return items


def generated_processes(
    evaluator: Evaluator, folders: Mapping[str, Path], config: SampleShapesConfig
) -> list[GalleryProcess]:
    """Generate one sample of the first shown assets again, step by step; none where the generator's weights are not."""
    count = evaluator.data.config.num_gallery_processes
    if not count or not (folders["generator"] / WEIGHTS_FILE).is_file():
        return []
    models = ShapeModels.load(tokenizer=folders["tokenizer"], ltr=folders["ltr"], generator=folders["generator"])
    shards = list_shards(evaluator.data.data / "conditions")
    kind, processes = evaluator.prompts[-1], []
    for entry in choose(evaluator.entries, count):
        shard = next(shard for shard in shards if entry.uid in shard.uids)
        condition = condition_rows(shard, [shard.uids.index(entry.uid)], [kind], view=config.view)
        seed = Prompt(uid=entry.uid, kind=kind, number=config.first_seed + RECORDED_NUMBER).seed
        steps = record_unmasking(models, condition, seed=seed, config=config.sampling)
        _compare(steps.tokens[-1], evaluator, entry.uid, kind)
        processes.append(
            GalleryProcess(
                uid=entry.uid,
                prompt_kind=kind,
                number=RECORDED_NUMBER,
                shapes=[decode_or_none(models.tokenizer, tokens, config.decode) for tokens in steps.tokens],
                known_at=steps.known_at.numpy(),
            )
        )
    return processes


def _compare(tokens: torch.Tensor, evaluator: Evaluator, uid: str, kind: str) -> None:
    """Warn where the recorded sample is not the stored one, as when that was made on another device."""
    samples = evaluator.data.samples[uid, kind]
    if evaluator.data.counts[uid, kind] or not samples:
        return  # which of them failed is not known here
    apart = float(np.abs(samples[RECORDED_NUMBER][1] - tokens.numpy()).max())
    if apart > SAME_TOKENS:
        _stage.logger.warning("%s: the steps shown end %.2g off the stored sample", uid, apart)
