"""Measure the generator and its baselines on the test split (eval/v1) → data/metrics, data/plots, data/gallery/R."""

import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ltm3d.evaluation.attribute_reader import AttributeReader
from ltm3d.evaluation.attributes import attribute_document, attribute_ratios, attribute_text
from ltm3d.evaluation.fidelity import PROTOCOL
from ltm3d.evaluation.generation import Evaluator, GenerationData
from ltm3d.evaluation.measurement import EvaluationConfig
from ltm3d.evaluation.set_figures import measure_sets
from ltm3d.evaluation.table import Scores, to_document, to_text
from ltm3d.generator.reconstruction import Reconstructor
from ltm3d.generator.shape_models import check_trained_on
from ltm3d.geometry.mesh import Mesh
from ltm3d.nn.weights import CONFIG_FILE
from ltm3d.serving.gallery import GalleryItem, write_gallery
from ltm3d.serving.viewer import view_html
from ltm3d.shards.index import IndexEntry
from ltm3d.tokenizers.kinds import load_tokenizer
from ltm3d.tracking.artifacts import write_shapes
from ltm3d.transforms.sample_shapes import SampleShapesConfig
from pipelines import _stage
from pipelines._cluster import map_over_ray
from pipelines._evaluation import log_document
from pipelines._planning import available, with_captions
from pipelines._training import write_rows

COLUMNS = ("chamfer_l1", "f_score@0.05", "volume_iou")


def main(representation: str) -> None:
    """Print the table of methods, write it for DVC and MLflow, and make the gallery."""
    with _stage.stage("evaluate_generator", representation=representation, minutes="3 minutes", disk="40 MB") as stage:
        config = stage.params.get("evaluation", EvaluationConfig)
        view = stage.params.get(f"sampling.{representation}", SampleShapesConfig).view
        folders = (f"targets/{representation}", f"tokens/{representation}", "conditions")
        entries = with_captions(available(stage.data, *folders), stage.data)
        data = GenerationData(stage.data, representation, entries, config, stage.seed)
        models = stage.data / "models"
        tokenizer, reconstructor, generator = (
            models / part / representation for part in ("tokenizer", "reconstructor", "generator")
        )
        check_trained_on(tokenizer, reconstructor, generator)  # its weights are not needed: its samples are there
        reader_folder = models / "attribute_reader"
        reader = AttributeReader.load(reader_folder) if (reader_folder / CONFIG_FILE).is_file() else None
        evaluator = Evaluator(data, load_tokenizer(tokenizer), Reconstructor.load(reconstructor), reader)
        stage.start_ray()
        scores = evaluator.scores(view=view, map_assets=map_over_ray)
        table = to_document(scores, seed=stage.seed)
        attributes = attribute_document(evaluator.readings, evaluator.entries, seed=stage.seed)
        sets = measure_shape_sets(stage, evaluator, config, view=view)
        document = {
            "protocol": PROTOCOL,
            "num_test_assets": len(evaluator.entries),
            "test_ids_sha256": hashlib.sha256("\n".join(entry.uid for entry in evaluator.entries).encode()).hexdigest(),
            "fidelity_ratio": fidelity_ratios(table),
            "attribute_ratio": attribute_ratios(attributes),
            "attributes": attributes,
            "sets": sets,
            **table,
        }
        metrics = stage.data / "metrics"
        metrics.mkdir(parents=True, exist_ok=True)
        (metrics / f"generator_{representation}.json").write_text(_json(document))
        by_asset = {f"{row.method}/{row.prompt}": row.by_asset for row in scores}
        (metrics / f"generator_{representation}_assets.json").write_text(_json(by_asset))
        rows: list[dict[str, Any]] = [
            {"prompt": row.prompt, "method": row.method, **row.summary(seed=stage.seed)} for row in scores
        ]
        bars = [{"label": f"{row.method} ({row.prompt})", **summary} for row, summary in zip(scores, rows, strict=True)]
        write_rows(bars, stage.data / "plots" / f"generator_{representation}.json")
        log_document(stage.tracker, document)
        _stage.logger.info("\n%s\n\n%s", to_text(table, COLUMNS), attribute_text(attributes))
        items = gallery_items(evaluator, scores, view=view)
        folder = stage.data / "gallery" / representation
        if folder.is_dir():
            shutil.rmtree(folder)  # our own output; DVC removes it too, a hand-started run does not
        summary = [{key: row[key] for key in ("prompt", "method", *COLUMNS)} for row in rows]
        page = write_gallery(
            folder, items, title=f"LTM3D · {representation} · {stage.params.recipe}", summary_rows=summary
        )
        shapes = [
            (f"{item.uid}-{item.prompt_kind}", item.samples[0])
            for item in items[:8]
            if item.samples and item.samples[0] is not None
        ]
        if shapes:
            for path in write_shapes(stage.state_dir / "shapes", shapes, page=view_html(shapes)):
                stage.tracker.log_artifact(path, "shapes")
        _stage.logger.info("gallery: %s", page)


def measure_shape_sets(
    stage: _stage.Stage, evaluator: Evaluator, config: EvaluationConfig, *, view: int
) -> dict[str, dict[str, float]] | None:
    """Compare the sets of shapes over Ray; None where none are asked for."""
    if config.sets == "none":
        return None
    entries = choose(evaluator.entries, config.num_set_shapes)
    return measure_sets(
        evaluator.shape_sets(entries, view=view),
        evaluator.data.meshes(entries),
        [entry.uid for entry in entries],
        seed=stage.seed,
        with_earth_mover=config.sets == "emd",
        map_sets=map_over_ray,
    )


def fidelity_ratios(table: dict[str, dict[str, dict[str, float]]]) -> dict[str, float]:
    """Divide the generated shapes' Chamfer distance by retrieval's: below 1 the model generates rather than recalls."""
    return {
        prompt: methods["generated"]["chamfer_l1"] / methods["retrieval"]["chamfer_l1"]
        for prompt, methods in table.items()
        if {"generated", "retrieval"} <= set(methods) and methods["retrieval"]["chamfer_l1"] > 0
    }


def gallery_items(evaluator: Evaluator, scores: Sequence[Scores], *, view: int) -> list[GalleryItem]:
    """Show some test assets, categories in turn, once for each kind of prompt."""
    entries = choose(evaluator.entries, evaluator.data.config.num_gallery_assets)
    views, truths = evaluator.data.set_of("views", entries), evaluator.data.meshes(entries)
    generated = {row.prompt: row.by_asset for row in scores if row.method == "generated"}
    items = []
    for prompt in evaluator.prompts:
        for index, entry in enumerate(entries):
            uid = entry.uid
            items.append(
                GalleryItem(
                    uid=uid,
                    category=entry.category,
                    caption=entry.caption,
                    prompt_kind=prompt,
                    prompt_image=None if prompt == "text" else np.array(views.get("images", index)[view]),
                    truth=truths[index],
                    samples=[shape for shape, _ in evaluator.data.samples[uid, prompt] if isinstance(shape, Mesh)],
                    figures=generated[prompt][uid],
                )
            )
    return items


def choose(entries: Sequence[IndexEntry], count: int) -> list[IndexEntry]:
    """Take assets category by category in turn, each category's in order of uid."""
    groups: dict[str, list[IndexEntry]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: entry.uid):
        groups[entry.category].append(entry)
    rounds = max(len(group) for group in groups.values())
    turns = [group[turn] for turn in range(rounds) for group in groups.values() if turn < len(group)]
    return turns[:count]


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    torch.set_num_threads(1)
    _stage.run(main)
