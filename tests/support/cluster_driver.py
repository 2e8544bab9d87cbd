"""A driver with a cluster of two nodes, one of which is pre-empted, and its successor killed.

`python cluster_driver.py RUN_DIR SECONDS_AN_EXAMPLE`; what happened is in RUN_DIR/events.json. Nothing is kept on
schedule: the only checkpoint is the one of the notice. From the notice to the death training is slow, so that it does
not end before a worker is on the new node.
"""

import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import ray
from ray._raylet import GcsClient
from ray.cluster_utils import Cluster
from ray.core.generated import autoscaler_pb2
from ray_runs import HOLD_FILE
from toy_training import ToyModel, toy_config, toy_examples

from ltm3d.resources import Resources
from ltm3d.training.checkpoints import files
from ltm3d.training.launch import train

NOTICE_S = 8
NODE = {"num_cpus": 1, "object_store_memory": 100_000_000}


class Trouble:
    """Takes a node away with notice, then kills the node that came for it; calls come from one thread."""

    def __init__(self, cluster: Cluster, run_dir: Path) -> None:
        self.cluster = cluster
        self.run_dir = run_dir
        self.node: Any = cluster.add_node(**NODE)
        self.events: dict[str, int] = {}

    def at(self, step: int, row: dict[str, float]) -> None:
        """Do what is due after a step."""
        if "drained" not in self.events and step >= 6:
            (self.run_dir / HOLD_FILE).touch()
            deadline = int((time.time() + NOTICE_S) * 1000)
            reason = autoscaler_pb2.DrainNodeReason.DRAIN_NODE_REASON_PREEMPTION
            accepted, why = GcsClient(address=self.cluster.address).drain_node(
                self.node.node_id, reason, "the test wants it back", deadline
            )
            assert accepted, why
            self.events["drained"] = step
            self.node = self.cluster.add_node(**NODE)
        kept = [found.step for found in files.committed(files.checkpoint_folder(self.run_dir, "toy"))]
        if "kept" not in self.events and kept:
            self.events["kept"] = kept[-1]
        elif "kept" in self.events and "killed" not in self.events and self.trains_on_the_new_node():
            self.events["killed"] = step
            self.cluster.remove_node(self.node, allow_graceful=False)  # kill -9
            self.cluster.add_node(**NODE)
            (self.run_dir / HOLD_FILE).unlink()
            (self.run_dir / "events.json").write_text(json.dumps(self.events))

    def trains_on_the_new_node(self) -> bool:
        """Say whether a worker of the training runs on the node that came for the first."""
        raylet = psutil.Process(self.node.all_processes["raylet"][0].process.pid)
        return any("RayTrainWorker" in " ".join(each.cmdline()) for each in raylet.children(recursive=True))


def main(run_dir: Path, delay: float) -> None:
    """Train the toy through it all."""
    with tempfile.TemporaryDirectory(prefix="ltm3d-", dir="/tmp") as folder:
        cluster = Cluster(
            initialize_head=True,
            shutdown_at_exit=False,  # its handlers of signals want the main thread, and nodes are added in another
            head_node_args={**NODE, "include_dashboard": False, "temp_dir": folder},
        )
        try:
            trouble = Trouble(cluster, run_dir)
            ray.init(address=cluster.address)
            train(
                name="toy",
                build_model=ToyModel,
                build_examples=toy_examples(delay=2 * delay, hold=run_dir / HOLD_FILE),
                build_validation=toy_examples(count=11),
                config=toy_config(checkpoint_every=100),
                resources=Resources(num_workers=2),
                run_dir=run_dir,
                run_key="toy",
                on_metrics=trouble.at,
            )
        finally:
            ray.shutdown()
            cluster.shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    os.environ["RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S"] = "0.2"
    main(Path(sys.argv[1]), float(sys.argv[2]))
