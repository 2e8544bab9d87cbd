"""Encode views and captions with the frozen condition encoders → data/conditions."""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from ltm3d import schema
from ltm3d.conditioning.packages import PACKAGES
from ltm3d.nn.weights import PROVENANCE_FILE
from ltm3d.shards.available import available, uids_by_shard
from ltm3d.shards.captions import with_captions
from ltm3d.shards.index import uids_of_split
from ltm3d.shards.manifest import canonical_json, key_of
from ltm3d.shards.read import ShardSet, iter_shards
from ltm3d.transforms.encode_conditions import CUT_FIELD, ConditionEncoding, EncodeConditionsConfig
from ltm3d.transforms.mapping import ShardJob, map_shards_with_model, plan_jobs
from pipelines import _stage

LIBRARIES = ("numpy", "torch", "transformers", "pillow")  # whose versions are part of the key


def main() -> None:
    """Cache the condition tokens and embeddings of every asset."""
    with _stage.stage("encode_conditions", minutes="1 minute", disk="370 MB") as stage:
        config = stage.params.get("encode_conditions", EncodeConditionsConfig)
        entries = with_captions(available(stage.data, "views"), stage.data / "captions")
        weights = {"image": weights_of(config.image_model), "text": weights_of(config.text_model)}
        stage.tracker.set_tags({f"{kind}_encoder": described(found) for kind, found in weights.items()})
        jobs = plan_jobs(
            uids_by_shard(entries),
            inputs=[stage.data / "views"],
            key_parts=[config, schema.CONDITIONS, weights],
            code=stage.code,
        )
        jobs = add_captions(jobs, {entry.uid: entry.caption for entry in entries}, stage.state_dir / "captions")
        stage.start_ray()
        output = stage.data / "conditions"
        map_shards_with_model(
            jobs,
            ConditionEncoding,
            (config.image_model, config.text_model, config.image_size),
            fields=schema.CONDITIONS,
            output=output,
            num_workers=stage.resources.num_workers,
            label="encode_conditions",
            max_reject_fraction=config.max_reject_fraction,
        )
        test = ShardSet(output, uids_of_split(entries, "test"))
        num_cut = sum(record.get(CUT_FIELD, False) for shard in iter_shards(output) for record in shard.records)
        if num_cut:
            _stage.logger.info("%d of %d captions have more tokens than the encoder keeps: cut", num_cut, len(entries))
        counts = {"num_assets": len(entries), "num_test_assets": len(test), "num_cut_captions": num_cut}
        stage.tracker.log_metrics(counts)


def add_captions(jobs: Sequence[ShardJob], captions: Mapping[str, str], folder: Path) -> list[ShardJob]:
    """Give each job its assets' captions, a file among its inputs: a new caption is new work for its shard alone."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    richer = []
    for job in jobs:
        text, path = canonical_json({uid: captions[uid] for uid in job.uids}), folder / f"{job.name}.json"
        path.write_text(text, encoding="utf-8")
        richer.append(replace(job, inputs=(*job.inputs, path), key=key_of(job.key, text)))
    return richer


def weights_of(model: str) -> dict[str, str]:
    """Say which weights an encoder has: a package's record, a folder's hash, or a name of the hub.

    Raises:
        ModelError: a package is not installed, or its file is another.
    """
    if model in PACKAGES:
        PACKAGES[model].read()
        return asdict(PACKAGES[model].record)
    folder = Path(model).expanduser()
    return {"sha256": folder_hash(folder)} if folder.is_dir() else {"name": model}


def described(weights: Mapping[str, str]) -> str:
    """Write an encoder's weights in a line."""
    return ", ".join(f"{name} {value}" for name, value in weights.items())


def folder_hash(folder: Path) -> str:
    """Hash the files of a model folder, names and content, but for what it was made of."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != PROVENANCE_FILE:
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


if __name__ == "__main__":
    _stage.run(main)
