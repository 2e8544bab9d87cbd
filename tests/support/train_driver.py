"""A driver of one training run, as a stage is: `python train_driver.py RUN_DIR SECONDS_AN_EXAMPLE`."""

import logging
import sys
from pathlib import Path

import ray
from toy_training import ToyModel, toy_config, toy_examples

from ltm3d.training.config import Resources
from ltm3d.training.launch import train

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    ray.init(address="local", num_cpus=2, object_store_memory=100_000_000, include_dashboard=False)
    train(
        name="toy",
        build_model=ToyModel,
        build_examples=toy_examples(delay=float(sys.argv[2])),
        build_validation=toy_examples(count=11),
        config=toy_config(),
        resources=Resources(),
        run_dir=Path(sys.argv[1]),
        run_key="toy",
    )
