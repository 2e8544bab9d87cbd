"""Register the trained parts as one model version, alias `challenger` → data/receipts/R.json."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors import safe_open

from ltm3d.conditioning.photo import measure_extent
from ltm3d.errors import DataError, ModelError
from ltm3d.generator.bundle import PARTS, BundleConfig, write_bundle
from ltm3d.nn.weights import WEIGHTS_FILE, weights_hash
from ltm3d.registry.gate import GateConfig
from ltm3d.registry.made_of import collect_measuring, collect_provenance, provenance_facts
from ltm3d.registry.measured import is_shown, measured_by, read_metrics
from ltm3d.registry.model_card import ATTRIBUTION_FILE, CARD_FILE, CardFacts, model_card, write_attribution
from ltm3d.registry.names import model_name
from ltm3d.registry.promotion import GATE_FILE, MADE_OF_FILE, MEASURED_WITH_FILE, PER_ASSET_FILE
from ltm3d.registry.receipt import write_receipt
from ltm3d.registry.registration import register_model, registered_facts
from ltm3d.registry.restoration import LOCK_FILE, METRICS_FOLDER
from ltm3d.registry.versions import CHALLENGER
from ltm3d.shards.available import available
from ltm3d.shards.captions import with_captions
from ltm3d.shards.index import read_index
from ltm3d.shards.read import iter_shards, list_shards
from ltm3d.tracking.metric_names import flatten_metrics
from ltm3d.tracking.provenance import combined_hash, git_state, upstream_lock
from ltm3d.transforms.encode_conditions import EncodeConditionsConfig
from ltm3d.transforms.sample_shapes import SampleShapesConfig
from pipelines import _stage
from pipelines._declaration import read_declaration
from pipelines._gallery import choose
from pipelines._params import PARAMS_FILE

NUM_EXTENT_VIEWS = 256
NUM_EXAMPLES = 14  # texts that the demo page offers
SOURCES = (
    PARAMS_FILE.name,
    LOCK_FILE.name,
    ATTRIBUTION_FILE,
    MADE_OF_FILE,
)  # of the card; they say what the version was made of
DESCRIPTION = (
    "Generators of 3D shapes ({}) from a picture, a text, or both: LTM3D (arXiv 2505.24245), by ltm3d. `challenger` is "
    "the version that `dvc repro` registered last, `champion` the one in use, `previous_champion` the one before: "
    "`ltm3d promote` moves them. Each version has a model card, and `ltm3d restore` brings back what it was made of."
)


def main(representation: str) -> None:
    """Put the parts into one bundle, register it with metrics, gallery and provenance, and write the receipt."""
    with _stage.stage("register", representation=representation, minutes="1 minute", disk="80 MB") as stage:
        gate = stage.params.get(f"promotion.{representation}", GateConfig)
        document, per_asset = read_metrics(stage.data / "metrics", representation)
        bundle = make_bundle(stage, representation)
        name, tracking_uri = (
            model_name(representation, stage.params.value("name", str)),
            _stage.read_resources(stage.params)[1],
        )
        metrics = dict(flatten_metrics(document))
        stage.tracker.flush()
        if stage.tracker.run_id is None:
            raise ModelError(
                f"MLflow at {tracking_uri} does not answer: start it and run `dvc repro` again, the rest is done"
            )
        made = collect_provenance(stage.data, representation)
        facts, tags = made_of(stage, representation, made), measured_by(document)
        known = registered_facts(bundle, name, tracking_uri)
        facts |= {key: known[key] for key in facts.keys() & known.keys()}  # a version keeps what it was made of
        text = write_card(stage, representation, bundle, document, {**facts, **tags})
        card = stage.state_dir / "card"
        contents = {"generator_metrics.json": document, PER_ASSET_FILE: per_asset, GATE_FILE: asdict(gate)}
        contents |= {MADE_OF_FILE: made, MEASURED_WITH_FILE: collect_measuring(stage.data, representation)}
        for file, content in contents.items():
            (card / file).write_text(_json(content))
        gallery = stage.data / "gallery" / representation
        if gallery.is_dir():
            stage.tracker.log_artifact(gallery, "gallery")
        stage.tracker.log_metrics(metrics)
        version = register_model(
            bundle=bundle,
            name=name,
            metrics={metric: value for metric, value in metrics.items() if is_shown(metric, gate)},
            tags=tags,
            artifacts=sorted(path for path in card.iterdir() if path.name not in SOURCES),
            tracking_uri=tracking_uri,
            run=stage.tracker.run_id,
            facts=facts,
            sources=[card / file for file in SOURCES if (card / file).exists()],
            description=text,
            model_description=DESCRIPTION.format(representation),
        )
        write_receipt(stage.data / "receipts" / f"{representation}.json", version)
        _stage.logger.info("%s is registered, alias %s", version.uri, CHALLENGER)


def make_bundle(stage: _stage.Stage, representation: str) -> Path:
    """Copy the trained parts into one folder, with what generation must know of the training views."""
    sampling = stage.params.get(f"sampling.{representation}", SampleShapesConfig)
    encoders = stage.params.get("encode_conditions", EncodeConditionsConfig)
    views = list_shards(stage.data / "views")
    if not views:
        raise DataError(f"{stage.data / 'views'} holds no pictures; run render_views (dvc repro)")
    images = np.concatenate([np.asarray(views[0]["images"][index]) for index in range(len(views[0]))])[
        :NUM_EXTENT_VIEWS
    ]
    models = stage.data / "models"
    folder = stage.state_dir / "bundle"
    if folder.is_dir():
        shutil.rmtree(folder)  # ours, left by an interrupted run
    write_bundle(
        folder,
        config=BundleConfig(
            representation=representation,
            image_model=encoders.image_model,
            text_model=encoders.text_model,
            image_resolution=images.shape[1],
            image_extent=round(measure_extent(images), 4),
            decode_resolution=sampling.resolution,
            sampling=sampling.sampling,
            num_cloud_points=sampling.num_cloud_points,
            precision=sampling.precision,
            encoder_image_size=encoders.image_size,
            encoder_weights=encoders.packaged_weights,
            examples=example_texts(stage.data, representation),
        ),
        models={part: models / part / representation for part in PARTS},
        carries_packages=stage.params.value("register.carry_encoders", bool),
    )
    return folder


def example_texts(data: Path, representation: str) -> tuple[str, ...]:
    """Take the texts of some training shapes, categories in turn."""
    entries = with_captions(available(data, f"targets/{representation}"), data / "captions")
    training = [entry for entry in entries if entry.split == "train" and entry.caption]
    chosen = choose(training, NUM_EXAMPLES) if training else []
    return tuple(dict.fromkeys(entry.caption for entry in chosen))


def write_card(
    stage: _stage.Stage, representation: str, bundle: Path, document: Mapping[str, Any], tags: Mapping[str, str]
) -> str:
    """Put what a version carries beside its weights into a new folder `card`; return the model card's text."""
    card = stage.state_dir / "card"
    if card.is_dir():
        shutil.rmtree(card)  # ours, of an earlier run
    card.mkdir()
    used = {uid for shard in iter_shards(stage.data / "targets" / representation) for uid in shard.uids}
    training = [entry for entry in read_index(stage.data / "meshes") if entry.split == "train" and entry.uid in used]
    uids = {entry.uid for entry in training}
    write_attribution(
        card / ATTRIBUTION_FILE,
        (
            {**record, "uid": uid}
            for shard in iter_shards(stage.data / "meshes")
            for uid, record in zip(shard.uids, shard.records, strict=True)
            if uid in uids
        ),
    )
    text = model_card(
        CardFacts(
            name=model_name(representation, stage.params.value("name", str)),
            representation=representation,
            training=training,
            document=document,
            provenance=tags,
            parameters={part: count_parameters(bundle / part) for part in PARTS},
            encoders=stage.params.get("encode_conditions", EncodeConditionsConfig).described,
        )
    )
    (card / CARD_FILE).write_text(text, encoding="utf-8")
    shutil.copyfile(PARAMS_FILE, card / PARAMS_FILE.name)
    shutil.copytree(stage.data / "metrics", card / METRICS_FOLDER)
    if LOCK_FILE.is_file():
        lock = yaml.safe_load(LOCK_FILE.read_text())
        declared = read_declaration(stage.name, representation)
        entries = upstream_lock(lock, () if declared is None else declared.data)
        (card / LOCK_FILE.name).write_text(yaml.safe_dump(entries, sort_keys=False), encoding="utf-8")
    return text


def count_parameters(folder: Path) -> int:
    """Count the numbers in a model folder's weights file; only its header is read."""
    with safe_open(folder / WEIGHTS_FILE, framework="numpy") as weights:
        return sum(int(np.prod(weights.get_slice(name).get_shape())) for name in weights.keys())  # noqa: SIM118


def made_of(stage: _stage.Stage, representation: str, made: Mapping[str, list[dict[str, Any]]]) -> dict[str, str]:
    """Return what the version was made of: commit and state of the tree now, and of the stages as they started."""
    shards = [*list_shards(stage.data / "meshes"), *list_shards(stage.data / "targets" / representation)]
    return {
        **git_state(Path()),
        **provenance_facts(made),
        "recipe": stage.params.recipe,
        "data_hash": combined_hash(f"{shard.name} {shard.digest}" for shard in shards),
        "tokenizer_hash": weights_hash(stage.data / "models" / "tokenizer" / representation),
    }


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    _stage.run(main)
