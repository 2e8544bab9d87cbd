"""The door to MLflow: a client whose calls end soon, and addresses that do not depend on where one stands."""

import os
from pathlib import Path
from typing import Any

from ltm3d.errors import DataError

DEFAULT_TRACKING_URI = "sqlite:///mlflow.db"
SQLITE = "sqlite:///"
# MLflow's own defaults wait about four minutes for a dead server. What the user has set stays.
ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}


def absolute_uri(tracking_uri: str) -> str:
    """Return the address with the path of a local database made absolute; the default's where it is empty."""
    tracking_uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_TRACKING_URI
    if not tracking_uri.startswith(SQLITE):
        return tracking_uri
    return SQLITE + str(Path(tracking_uri.removeprefix(SQLITE)).absolute())


def open_client(tracking_uri: str) -> Any:
    """Return an `mlflow.MlflowClient`; every call through it gives up within seconds."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    uri = absolute_uri(tracking_uri)
    if uri.startswith(SQLITE):
        Path(uri.removeprefix(SQLITE)).parent.mkdir(parents=True, exist_ok=True)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def experiment_id(client: Any, tracking_uri: str, name: str) -> str:
    """Return an experiment's id, and make the experiment if it is new.

    With a local database the files go beside it, not into whatever folder the process stands in.
    """
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        uri, location = absolute_uri(tracking_uri), None
        if uri.startswith(SQLITE):
            location = (Path(uri.removeprefix(SQLITE)).parent / "mlruns" / name).as_uri()
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException:  # another process has just made it
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise DataError(f"MLflow experiment {name!r} is deleted; restore it with `mlflow experiments restore`")
    return str(found.experiment_id)
