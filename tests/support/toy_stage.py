"""A stage of a test's checkout: it trains the toy in the Ray it finds, and hands the weights on.

Usage: python toy_stage.py WHAT, with WHAT = fast, slow, missing (its data) or full (its disk).
"""

import json
import shutil
from pathlib import Path

import yaml
from toy_params import PARAMS
from toy_training import ToyModel, toy_config, toy_examples

from ltm3d.errors import DataError
from ltm3d.nn.weights import WEIGHTS_FILE
from ltm3d.training.launch import train
from pipelines import _stage

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
        stage.start_ray()
        if what == "missing":
            raise DataError("data/tokens/sdf is empty; run encode_tokens (dvc repro)")
        if what == "full":
            Path("/dev/full").write_text("x")
        import ray

        addresses = {node["NodeManagerHostname"]: node["NodeManagerAddress"] for node in ray.nodes()}
        print("nodes", len(ray.nodes()), "data", stage.data)
        result = train(
            name="toy",
            build_model=ToyModel,
            build_examples=toy_examples(delay=0.03 if what == "slow" else 0.0),
            build_validation=None,
            config=toy_config(),
            resources=stage.resources,
            run_dir=stage.state_dir.absolute(),
            run_key="toy",
        )
        handed_on = stage.data / "toy"
        handed_on.mkdir(exist_ok=True)
        shutil.copy(result.weights, handed_on)
        print("resumed from", result.resumed_from, "after", result.steps)
        print("workers on", json.dumps(sorted(addresses[worker["host"]] for worker in result.workers)))


if __name__ == "__main__":
    _stage.run(main)
