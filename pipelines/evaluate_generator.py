"""Measure the generator and its baselines on the test split (eval/v1) → data/metrics, data/plots, data/gallery/R."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from ltm3d.cluster.session import map_over_ray
from ltm3d.evaluation.attribute_reader import AttributeReader
from ltm3d.evaluation.attributes import attribute_document, attribute_ratios, attribute_text
from ltm3d.evaluation.generator_metrics import Evaluator, GenerationData
from ltm3d.evaluation.measurement import EvaluationConfig
from ltm3d.evaluation.metrics_table import to_document, to_text
from ltm3d.evaluation.prompt_alignment import measure_alignment
from ltm3d.evaluation.set_metrics import measure_sets
from ltm3d.generator.ltr import LTR
from ltm3d.generator.shape_models import check_trained_on
from ltm3d.geometry.mesh import Mesh
from ltm3d.nn.weights import CONFIG_FILE
from ltm3d.registry.made_of import EVALUATION
from ltm3d.serving.gallery import GalleryWords
from ltm3d.serving.viewer import view_html
from ltm3d.shards.available import available
from ltm3d.shards.captions import with_captions
from ltm3d.tokenizers.kinds import load_tokenizer
from ltm3d.tokenizers.tokenizer import Tokenizer
from ltm3d.tracking.artifacts import write_shapes
from ltm3d.tracking.metric_names import flatten_metrics
from ltm3d.transforms.sample_shapes import SampleShapesConfig
from pipelines import _stage
from pipelines._gallery import choose, write_page
from pipelines._generated import generated_items, generated_processes
from pipelines._training import write_rows

COLUMNS = ("chamfer_l1", "f_score@0.05", "volume_iou")
LIBRARIES = ("numpy", "scipy", "torch", "open3d", "pykdtree", "scikit-image")  # whose versions are part of the key


def main(representation: str) -> None:
    """Print the table of methods, write it for DVC and MLflow, and make the gallery."""
    with _stage.stage("evaluate_generator", representation=representation, minutes="3 minutes", disk="40 MB") as stage:
        config = stage.params.get("evaluation", EvaluationConfig)
        sampling = stage.params.get(f"sampling.{representation}", SampleShapesConfig)
        needed = (f"targets/{representation}", f"tokens/{representation}", "conditions")
        entries = with_captions(available(stage.data, *needed), stage.data / "captions")
        data = GenerationData(stage.data, representation, entries, config, stage.seed, sampling.precision)
        models = stage.data / "models"
        folders = {part: models / part / representation for part in ("tokenizer", "ltr", "generator")}
        check_trained_on(*folders.values())  # the generator's weights are not needed: its samples are there
        tokenizer, reader_folder = load_tokenizer(folders["tokenizer"]), models / "attribute_reader"
        unread = why_unread(tokenizer, reader_folder)
        reader = None if unread else AttributeReader.load(reader_folder)
        evaluator = Evaluator(data, tokenizer, LTR.load(folders["ltr"]), reader)
        stage.start_ray()
        scores = evaluator.scores(view=sampling.view, map_assets=map_over_ray)
        work = evaluator.alignment_work(view=sampling.view) if config.alignment.clip else []
        alignment = measure_alignment(work, config.alignment, map_assets=map_over_ray)
        alignment.add_to(scores)
        table = to_document(scores, seed=stage.seed)
        attributes = attribute_document(evaluator.readings, evaluator.entries, seed=stage.seed)
        sets = measure_shape_sets(stage, evaluator, config, view=sampling.view)
        document = {
            "protocol": config.protocol,
            "num_test_assets": len(evaluator.entries),
            "test_ids_sha256": hashlib.sha256("\n".join(entry.uid for entry in evaluator.entries).encode()).hexdigest(),
            **evaluator.reference_hashes(),
            "skipped": alignment.skipped | ({"attributes": unread} if unread else {}),
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
        (stage.data / EVALUATION.format(representation)).write_text(_json([dict(stage.code.provenance)]))
        rows: list[dict[str, Any]] = [
            {"prompt": row.prompt, "method": row.method, **row.summary(seed=stage.seed)} for row in scores
        ]
        bars = [{"label": f"{row.method} ({row.prompt})", **summary} for row, summary in zip(scores, rows, strict=True)]
        write_rows(bars, stage.data / "plots" / f"generator_{representation}.json")
        stage.tracker.log_metrics(dict(flatten_metrics(document)))
        _stage.logger.info("\n%s\n\n%s", to_text(table, COLUMNS), attribute_text(attributes))
        items = generated_items(evaluator, scores, view=sampling.view)
        words = GalleryWords(title=f"LTM3D · {representation} · {stage.params.recipe}")
        trained = {part: f"train_{part}_{representation}" for part in ("tokenizer", "ltr", "generator")}
        processes = generated_processes(evaluator, folders, sampling)
        write_page(stage, representation, items, words=words, rows=rows, trained=trained, processes=processes)
        shapes = [
            (f"{item.uid}-{item.prompt_kind}", item.samples[0])
            for item in items[:8]
            if item.samples and isinstance(item.samples[0], Mesh)
        ]
        if shapes:
            for path in write_shapes(stage.state_dir / "shapes", shapes, page=view_html(shapes)):
                stage.tracker.log_artifact(path, "shapes")


def why_unread(tokenizer: Tokenizer | type[Tokenizer], reader_folder: Path) -> str:
    """Say why attributes are not read back; empty where they are."""
    if tokenizer.shape_type is not Mesh:
        return f"the reader samples faces, a {tokenizer.shape_type.__name__} has none"
    return "" if (reader_folder / CONFIG_FILE).is_file() else f"{reader_folder} holds no reader"


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


def _json(document: Any) -> str:
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    torch.set_num_threads(1)
    _stage.run(main)
