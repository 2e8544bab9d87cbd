"""A driver of one run, as a stage is: `python train_driver.py RUN_DIR SECONDS_AN_EXAMPLE`; RUN_DIR/hold slows it."""

import logging
import sys
from pathlib import Path

import ray
from ray_runs import HOLD_FILE, train_toy

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    ray.init(address="local", num_cpus=2, object_store_memory=100_000_000, include_dashboard=False)
    run_dir = Path(sys.argv[1])
    train_toy(run_dir, delay=float(sys.argv[2]), hold=run_dir / HOLD_FILE)
