"""A driver of one training run, as a stage is: `python train_driver.py RUN_DIR SECONDS_AN_EXAMPLE`."""

import logging
import sys
from pathlib import Path

import ray
from ray_runs import train_toy

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    ray.init(address="local", num_cpus=2, object_store_memory=100_000_000, include_dashboard=False)
    train_toy(Path(sys.argv[1]), delay=float(sys.argv[2]))
