"""Put the result of `python -m pipelines.train_packed` where the stages find it.

Usage:
    python -m pipelines.unpack RESULT

Writes data/models/generator/R, data/plots/train_generator_R.json and data/samples/R. Where the weights stayed behind
(RESULT/generator has config.json alone), `evaluate_generator` runs on the samples all the same; `sample_shapes` and
`register` need the weights. See docs/gpu.md.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from ltm3d.errors import ConfigError, DataError, Ltm3dError, ModelError
from ltm3d.freshness.stage_code import CodeReader
from ltm3d.generator.kinds import AnyGeneratorConfig
from ltm3d.nn.weights import CONFIG_FILE, PROVENANCE_FILE, WEIGHTS_FILE, weights_hash
from ltm3d.shards.available import available, uids_by_shard
from ltm3d.shards.ledger import ledger_of
from ltm3d.shards.read import read_shard
from ltm3d.shards.write import remove_leftovers, write_shard
from ltm3d.tokenizers.kinds import load_tokenizer
from ltm3d.tokenizers.shape import sample_fields
from ltm3d.training.checkpoints.files import METRICS_FILE, read_json
from ltm3d.transforms.jobs import plan_jobs
from ltm3d.transforms.sample_shapes import SampleShapesConfig, decode_samples, list_prompts
from pipelines._packed import GENERATOR, RESULT_FILE, SAMPLES_FILE, Packed, read_packed
from pipelines._params import Params, load_params
from pipelines._training import write_curve

DATA = Path("data")


def main(arguments: Sequence[str]) -> None:
    """Copy the model, write its curve, decode its samples."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        raise ConfigError("usage: python -m pipelines.unpack RESULT")
    result = Path(arguments[0])
    packed = read_packed(result)
    document = read_json(result / RESULT_FILE)
    if not document:
        raise DataError(f"{result} has no {RESULT_FILE}: the training has not ended; call train_packed again there")
    check_fits(packed, load_params())
    representation = packed.representation
    model = DATA / "models" / "generator" / representation
    has_weights = put_model(result / GENERATOR, model, document["generator_hash"])
    write_curve(result / METRICS_FILE, DATA / "plots" / f"train_generator_{representation}.json")
    counts = put_samples(result / SAMPLES_FILE, packed, document["generator_hash"])
    sys.stdout.write(
        f"{model}: {'written' if has_weights else 'written without its weights'}; samples: {counts}\n"
        f"next: python -m pipelines.evaluate_generator {representation}; docs/gpu.md says how DVC takes it over\n"
    )


def check_fits(packed: Packed, params: Params) -> None:
    """Check that the result is of this checkout's recipe, tokenizer and LTR.

    Raises:
        ConfigError, ModelError: it is not.
    """
    name = packed.representation
    here = (
        params.value(f"generator.{name}.model", AnyGeneratorConfig),
        params.get(f"sampling.{name}", SampleShapesConfig),
    )
    if here != (packed.model, packed.sampling):
        raise ConfigError(
            f"the result is of recipe {packed.recipe}, params.yaml ({params.recipe}) has other settings of generator "
            f"or sampling: run `python -m pipelines.compose experiment={packed.recipe}` with the same overrides"
        )
    for part, expected in packed.hashes.items():
        found = weights_hash(DATA / "models" / part / name)
        if found != expected:
            raise ModelError(f"the result was trained with {part} {expected[:12]}…, data/ has {found[:12]}…: pack anew")


def put_model(source: Path, output: Path, expected: str) -> bool:
    """Copy a model folder; True if its weights are there.

    Raises:
        ModelError: the weights are others than result.json names.
    """
    has_weights = (source / WEIGHTS_FILE).is_file()
    if has_weights and weights_hash(source) != expected:
        raise ModelError(f"{source / WEIGHTS_FILE} is not the file that {RESULT_FILE} names: copy it again")
    output.mkdir(parents=True, exist_ok=True)
    (output / WEIGHTS_FILE).unlink(missing_ok=True)  # an older model's
    for name in (CONFIG_FILE, WEIGHTS_FILE) if has_weights else (CONFIG_FILE,):
        shutil.copyfile(source / name, output / name)
    if (source / PROVENANCE_FILE).is_file():
        shutil.copyfile(source / PROVENANCE_FILE, output / PROVENANCE_FILE)
    return has_weights


def put_samples(file: Path, packed: Packed, generator_hash: str) -> dict[str, int]:
    """Decode the samples into data/samples as `sample_shapes` would, which then finds nothing to do.

    Returns:
        How many are ok, and how many are not, by reason.
    """
    name, config = packed.representation, packed.sampling
    tokens = load_file(file)["tokens"]
    prompts = list_prompts(packed.test_uids, config)
    rows = {prompt: row for prompt, row in zip(prompts, tokens, strict=True)}
    folder = DATA / "models" / "tokenizer" / name
    tokenizer = load_tokenizer(folder)
    fields = sample_fields(tokenizer.shape_type)
    hashes = [weights_hash(folder), weights_hash(DATA / "models" / "ltr" / name), generator_hash]
    jobs = plan_jobs(
        uids_by_shard(available(DATA, "conditions", f"tokens/{name}"), "test"),
        inputs=[(DATA / "conditions").absolute()],
        key_parts=[config, fields, hashes],
        code=CodeReader().of("sample_shapes", item=name, kinds=load_params().source_kinds),
    )
    output = DATA / "samples" / name
    output.mkdir(parents=True, exist_ok=True)
    remove_leftovers(output, keep=[job.name for job in jobs])
    for job in jobs:
        own = list_prompts(job.uids, config)
        decoded = decode_samples(tokenizer, own, torch.stack([rows[prompt] for prompt in own]), config.decode)
        write_shard(
            output / job.name,
            fields=fields,
            arrays={field.name: decoded.arrays.get(field.name, []) for field in fields},
            uids=decoded.uids,
            records=decoded.records,
            rejects=decoded.rejects,
            key=job.key,
            code=job.code.digest,
        )
    ledger = ledger_of(f"sample_shapes@{name}", (read_shard(output / job.name) for job in jobs))
    ledger.write(output)
    ledger.check(config.max_reject_fraction)
    return ledger.counts()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Ltm3dError as error:
        sys.exit(f"error: {error}")
