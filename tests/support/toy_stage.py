"""A stage of a test's checkout: it trains the toy in the Ray it finds, and hands the weights on.

Usage: python toy_stage.py WHAT, with WHAT = fast, slow, slower, missing (its data) or full (its disk).
"""

import json
import shutil
from pathlib import Path

import yaml
from toy_params import PARAMS
from toy_training import ToyModel, toy_config, toy_examples

from ltm3d.errors import DataError
from ltm3d.nn.weights import WEIGHTS_FILE
from pipelines import _stage
from pipelines._training import run_training

DELAYS = {"slow": 0.03, "slower": 0.1}  # seconds an example
WEIGHTS = f"data/toy/{WEIGHTS_FILE}"
DVC = {"cmd": "python toy_stage.py fast", "deps": ["toy_stage.py"], "params": ["recipe", "seed"], "outs": ["data/toy"]}


def make_checkout(folder: Path) -> Path:
    """Make a folder that holds this stage alone, as dvc and the code see a checkout."""
    folder.mkdir(exist_ok=True)
    (folder / "params.yaml").write_text(PARAMS)
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"toy": DVC}}))
    (folder / "pipelines").mkdir()  # by which a checkout is known; the code is the tests'
    shutil.copy(__file__, folder / "toy_stage.py")
    return folder


def main(what: str) -> None:
    """Print what it finds, train, and print how it went."""
    with _stage.stage("toy", minutes="1 minute", disk="1 MB") as stage:
        if what == "missing":
            raise DataError("data/tokens/sdf is empty; run encode_tokens (dvc repro)")
        if what == "full":
            Path("/dev/full").write_text("x")
        result = run_training(
            stage,
            config=toy_config(),
            run_key="toy",
            build_model=ToyModel,
            build_examples=toy_examples(delay=DELAYS.get(what, 0.0)),
            build_validation=toy_examples(count=11),
        )
        import ray

        addresses = {node["NodeManagerHostname"]: node["NodeManagerAddress"] for node in ray.nodes()}
        print("nodes", len(ray.nodes()), "data", stage.data)
        handed_on = stage.data / "toy"
        handed_on.mkdir(exist_ok=True)
        shutil.copy(result.weights, handed_on)
        print("resumed from", result.resumed_from, "after", result.steps)
        print("workers on", json.dumps(sorted(addresses[worker["host"]] for worker in result.workers)))


if __name__ == "__main__":
    _stage.run(main)
