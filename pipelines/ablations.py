"""Run what is missing of the ablations, one experiment after the other, and write the table of what is there.

Usage:
    python -m pipelines.ablations [VARIANT[-SEED] …]      run what is missing of these, or of all
    python -m pipelines.ablations table                   write docs/results.md anew from what is there

A variant is a recipe conf/experiment/ablation_VARIANT.yaml; each is trained from three seeds. An experiment is
`dvc exp run` of all that its settings change (`dvc exp show` lists them); its metrics go to docs/results/ablation/, and
one whose settings have not changed since is not run again. Stop it at any time; the next call goes on. Data, condition
encoder, tokenizer and LTR are the same for all and are made by the first.
"""

import hashlib
import json
import logging
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ltm3d.errors import ConfigError, Ltm3dError
from ltm3d.evaluation.ablation import METRIC, AblationRun, ablation_rows, to_markdown
from ltm3d.transforms.sample_shapes import PROMPTS
from pipelines._params import PARAMS_FILE
from pipelines._stage import git_commit, set_up_logging
from pipelines.compose import compose, recipes, write_params

logger = logging.getLogger(__name__)

PREFIX = "ablation_"
SEEDS = (0, 1, 2)
RESULTS = Path("docs/results/ablation")
TABLE, PAGE = Path("docs/results/ablation.json"), Path("docs/results.md")
BEGIN, END = "<!-- ablation: written by pipelines.ablations -->", "<!-- end of ablation -->"
METRICS = Path("data/metrics")
REPRESENTATION = "sdf"
# What an experiment is: its representation's part of these settings, and these that all representations share.
OWN = ("build_targets", "tokenizer", "ltr", "generator", "sampling")
SHARED = ("seed", "sources", "clean_meshes", "render_views", "caption_views", "encode_conditions")
MEASURE = ("num_points", "thresholds", "resolution")  # of the evaluation, what these metrics hang on

Item = tuple[str, int]


@cache
def queue() -> tuple[Item, ...]:
    """List all experiments: the full method first, then what shares its training, then the others; seed by seed."""
    names = [name.removeprefix(PREFIX) for name in recipes() if name.startswith(PREFIX)]
    trained = {name: key_of(compose(PREFIX + name)["generator"]) for name in names}
    order = sorted(names, key=lambda name: (trained[name] != trained["full"], name != "full", name))
    return tuple((name, seed) for seed in SEEDS for name in order)


@cache
def settings_of(item: Item) -> dict[str, Any]:
    """Compose an experiment's params: its recipe, with the seed of training and samples."""
    name, seed = item
    overrides = (f"generator.{REPRESENTATION}.training.seed={seed}", f"sampling.{REPRESENTATION}.first_seed={seed}")
    return compose(PREFIX + name, overrides)


def key_of(document: Any) -> str:
    """Give a hash of plain data."""
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def identity(raw: dict[str, Any]) -> str:
    """Give a hash of what an experiment is, wherever it runs."""
    own = {key: raw[key][REPRESENTATION] for key in OWN}
    measure = {key: raw["evaluation"][key] for key in MEASURE}
    return key_of([own, {key: raw[key] for key in SHARED}, measure])


def result_file(item: Item) -> Path:
    return RESULTS / f"{item[0]}-{item[1]}.json"


def is_done(item: Item) -> bool:
    """Say whether its metrics are there, and are those of the settings as they are now."""
    path = result_file(item)
    return path.is_file() and json.loads(path.read_text())["identity"] == identity(settings_of(item))


def run(item: Item) -> None:
    """Run one experiment and keep its metrics.

    Raises:
        Ltm3dError: DVC or a stage failed; what it said stands above.
    """
    raw = settings_of(item)
    num_steps = raw["generator"][REPRESENTATION]["training"]["num_steps"]
    before = PARAMS_FILE.read_text()
    write_params(raw)
    label = f"ablation-{item[0].replace('_', '-')}-{item[1]}"
    start = time.monotonic()
    target = f"evaluate_generator@{REPRESENTATION}"
    try:
        done = subprocess.run(["dvc", "exp", "run", "--force", "--name", label, target], check=False)
    finally:
        PARAMS_FILE.write_text(before)
    if done.returncode:
        raise Ltm3dError(f"{label} ended with {done.returncode}; mend what it says and call this again: it goes on")
    by_asset = json.loads((METRICS / f"generator_{REPRESENTATION}_assets.json").read_text())
    document = {
        "variant": item[0],
        "seed": item[1],
        "identity": identity(raw),
        "git_commit": git_commit(),
        "cost": {"seconds": round(time.monotonic() - start), "num_steps": num_steps},
        "by_asset": {
            key: {METRIC: {uid: round(metrics[METRIC], 5) for uid, metrics in assets.items()}}
            for key, assets in by_asset.items()
        },
    }
    path = result_file(item)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, sort_keys=True) + "\n")


def read_runs() -> list[AblationRun]:
    """Read the metrics that are there and up to date, in the queue's order."""
    documents = [json.loads(result_file(item).read_text()) for item in queue() if is_done(item)]
    names = ("variant", "seed", "by_asset", "cost")
    return [AblationRun(**{name: document[name] for name in names}) for document in documents]


def write_table() -> None:
    """Write the rows as JSON, and between its marks in the page, with what is missing."""
    rows = ablation_rows(read_runs(), prompts=PROMPTS)
    missing = [f"{name}-{seed}" for name, seed in queue() if not is_done((name, seed))]
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text(json.dumps({"rows": rows, "missing": missing}, indent=1) + "\n")
    said = f"Missing: {', '.join(missing)}." if missing else "Nothing is missing."
    text = PAGE.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}\n\n{to_markdown(rows) if rows else 'Nothing yet.'}\n\n{said}\n\n{END}{tail}")


def choose(wanted: Sequence[str]) -> tuple[Item, ...]:
    """Pick the experiments that are named, `full` or `full-1`; all where none is."""
    items = queue()
    names = {f"{name}-{seed}": (name, seed) for name, seed in items}
    unknown = [name for name in wanted if name not in names and name not in {name for name, _ in items}]
    if unknown:
        known = ", ".join(dict.fromkeys(name for name, _ in items))
        raise ConfigError(f"{unknown[0]}: no such experiment; use VARIANT or VARIANT-SEED, the variants are: {known}")
    return tuple(item for item in items if not wanted or item[0] in wanted or f"{item[0]}-{item[1]}" in wanted)


def main(arguments: list[str]) -> None:
    """Run, then write the table; with `table`, write it alone."""
    if arguments == ["table"]:
        write_table()
        return
    chosen = choose(arguments)
    for number, item in enumerate(chosen, start=1):
        if is_done(item):
            logger.info("%s-%d is there", *item)
            continue
        logger.info("%s-%d: %d of %d", *item, number, len(chosen))
        run(item)
        write_table()


if __name__ == "__main__":
    set_up_logging()
    try:
        main(sys.argv[1:])
    except Ltm3dError as error:
        sys.exit(f"error: {error}")
