"""A bundle as an MLflow model: code, safetensors and settings; nothing is pickled."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import ltm3d
from ltm3d.tracking.client import absolute_uri

PACKAGE = Path(ltm3d.__file__).parent
MODEL_FILE = PACKAGE / "serving" / "model_file.py"
BUNDLE_FILE = "bundle.json"
INPUT_EXAMPLE = [{"text": "A 3D model of a chair, Chair.", "seed": 0}]
# What generation imports; the project's own code travels with the model.
REQUIREMENTS = (
    "jaxtyping",
    "mlflow",
    "numba",
    "numpy",
    "pillow",
    "pydantic",
    "pykdtree",
    "safetensors",
    "scikit-image",
    "scipy",
    "tokenizers",
    "torch",
    "transformers",
    "trimesh",
)


def log_bundle(bundle: Path, *, tracking_uri: str, run: str) -> str:
    """Log a bundle as a model of a run and return the model's address; it answers the input example once meanwhile."""
    import mlflow

    with current_server(tracking_uri), mlflow.start_run(run_id=run, log_system_metrics=False):
        logged = mlflow.pyfunc.log_model(
            name="bundle",
            python_model=str(MODEL_FILE),
            artifacts={"bundle": str(bundle)},
            code_paths=[str(PACKAGE)],
            pip_requirements=requirements(bundle),
            input_example=INPUT_EXAMPLE,
        )
    return str(logged.model_uri)


def requirements(bundle: Path) -> list[str]:
    """Return what a machine needs that loads a bundle: at the versions it was made with, and what the bundle names."""
    general = [f"{package}=={metadata.version(package).partition('+')[0]}" for package in REQUIREMENTS]
    return general + json.loads((bundle / BUNDLE_FILE).read_text("utf-8")).get("encoder_requirements", [])


@contextmanager
def current_server(tracking_uri: str) -> Iterator[None]:
    """Let MLflow's module-level calls go to a server, for a block; MLflow keeps the choice in environment variables."""
    import mlflow

    uri = absolute_uri(tracking_uri)
    before = {name: os.environ.get(name) for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")}
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
