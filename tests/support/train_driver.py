"""A driver of one training run, as a stage is: `python train_driver.py RUN_DIR DELAY`. Prints its result as JSON."""

import json
import logging
import sys
from pathlib import Path

import ray
from toy_training import ToyModel, run_settings, toy_examples

from ltm3d.training.launch import train


def main(run_dir: Path, delay: float) -> None:
    """Train the toy and print what came out."""
    logging.basicConfig(level=logging.INFO)
    ray.init(
        address="local", num_cpus=2, object_store_memory=100_000_000, include_dashboard=False, logging_level="WARNING"
    )
    result = train(
        build_model=ToyModel,
        build_examples=toy_examples(delay=delay),
        build_validation=toy_examples(count=11),
        run_dir=run_dir,
        **run_settings(),
    )
    print(json.dumps({"steps": result.steps, "resumed_from": result.resumed_from, "metrics": result.metrics}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
