"""Train the small CLIP on the training split's views, captions and shapes → data/models/condition_encoder.

Where the recipe names pretrained encoders for both image and text it has nothing to do, and says so.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file

from ltm3d.conditioning.clip_examples import ClipExamples
from ltm3d.conditioning.encoder import ConditionEncoder
from ltm3d.conditioning.tiny_clip import TinyClip, TinyClipConfig, build_tokenizer
from ltm3d.metrics.retrieval import recall_at_1
from ltm3d.nn.weights import load_state
from ltm3d.schema import VIEWS
from ltm3d.shards.captions import with_captions
from ltm3d.shards.index import uids_of_split
from ltm3d.shards.meshes import MeshSet
from ltm3d.shards.plan import key_of
from ltm3d.shards.read import ShardSet, list_shards
from ltm3d.training.config import TrainingConfig
from ltm3d.transforms.encode_conditions import EncodeConditionsConfig
from ltm3d.transforms.render import RenderConfig
from pipelines import _stage
from pipelines._planning import available
from pipelines._training import run_training, write_rows

METRICS_FILE = "condition_encoder.json"
LIBRARIES = ("numpy", "torch", "deepspeed", "tokenizers", "transformers")  # whose versions are part of the key


def main() -> None:
    """Train on the training split, then report the retrieval of image by text and text by image on the test split."""
    with _stage.stage("train_condition_encoder", minutes="2 minutes", disk="40 MB") as stage:
        output = stage.data / "models" / "condition_encoder"
        output.mkdir(parents=True, exist_ok=True)
        metrics_file = stage.data / "metrics" / METRICS_FILE
        metrics_file.parent.mkdir(parents=True, exist_ok=True)
        if not stage.params.get("encode_conditions", EncodeConditionsConfig).uses_own_encoder:
            (output / "README").write_text("The recipe names pretrained encoders; nothing was trained here.\n")
            metrics_file.write_text(json.dumps({"trained": False}) + "\n")
            write_rows([], stage.data / "plots" / "train_condition_encoder.json")
            return
        config = stage.params.get("condition_encoder.model", TinyClipConfig)
        training = stage.params.get("condition_encoder.training", TrainingConfig)
        views, meshes = ((stage.data / folder).absolute() for folder in ("views", "meshes"))
        entries = with_captions(available(stage.data, "views"), stage.data / "captions")
        captions = {entry.uid: entry.caption for entry in entries}
        splits = {split: uids_of_split(entries, split) for split in ("train", "val", "test")}
        train_captions = [captions[uid] for uid in splits["train"]]
        field_of_view = stage.params.get("render_views", RenderConfig).views.field_of_view
        data = partial(build_examples, views, meshes, captions, train_captions, config, field_of_view)
        digests = [shard.digest for root in (views, meshes) for shard in list_shards(root)]
        result = run_training(
            stage,
            config=training,
            run_key=key_of(config, digests, captions, splits["train"]),
            build_model=partial(build_model, config, train_captions),
            build_examples=partial(data, splits["train"]),
            build_validation=partial(data, splits["val"]),
        )
        model = build_model(config, train_captions)
        load_state(model, load_file(result.weights), str(result.weights))
        model.save(output, build_tokenizer(train_captions, config=config))
        metrics = retrieval_metrics(output, ShardSet(views, splits["test"]), [captions[uid] for uid in splits["test"]])
        metrics_file.write_text(json.dumps(metrics, indent=2, sort_keys=True) + "\n")
        stage.tracker.log_metrics({name: float(value) for name, value in metrics.items()})


def build_model(config: TinyClipConfig, captions: list[str]) -> TinyClip:
    """Build the model for the words of the training captions."""
    return TinyClip(config, vocabulary_size=len(build_tokenizer(captions, config=config)))


def build_examples(
    views: Path,
    meshes: Path,
    captions: dict[str, str],
    train_captions: list[str],
    config: TinyClipConfig,
    field_of_view: float,
    uids: list[str],
) -> ClipExamples:
    """Open the views and shapes of some assets."""
    view_set = ShardSet(views, uids)
    names = [field.name for field in VIEWS]
    return ClipExamples(
        [{name: view_set.get(name, index) for name in names} for index in range(len(view_set))],
        [captions[uid] for uid in uids],
        MeshSet(ShardSet(meshes, uids)),
        build_tokenizer(train_captions, config=config),
        field_of_view=field_of_view,
        size=config.image_size,
    )


def retrieval_metrics(encoder_folder: Path, views: ShardSet, captions: list[str]) -> dict[str, Any]:
    """Measure retrieval at 1 between first views and captions, beside chance (1 / number of distinct captions)."""
    encoder = ConditionEncoder.load(encoder_folder, encoder_folder)
    images = np.stack([np.asarray(views.get("images", index)[0]) for index in range(len(views))])
    image_embedding = encoder.encode_images(images).embedding.numpy()
    text_embedding = encoder.encode_texts(captions).embedding.numpy()
    chance = 1 / len(set(captions))
    text_to_image, image_to_text = (
        recall_at_1(text_embedding, image_embedding),
        recall_at_1(image_embedding, text_embedding),
    )
    return {
        "trained": True,
        "num_test_assets": len(captions),
        "chance": chance,
        "text_to_image_recall_at_1": text_to_image,
        "image_to_text_recall_at_1": image_to_text,
        "times_chance": min(text_to_image, image_to_text) / chance,
    }


if __name__ == "__main__":
    _stage.run(main)
