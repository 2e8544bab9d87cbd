"""The door to MLflow: a client whose calls end soon, and addresses that do not depend on where one stands."""

import os
from pathlib import Path
from typing import Any

from ltm3d.errors import ConfigError, DataError
from ltm3d.tracking.checkout import main_checkout

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
    """Return the address with the path of a local database made absolute; the default's where it is empty.

    A relative path is one of the main checkout: a git worktree, `dvc exp run --temp` and an uploaded copy use its file.

    Raises:
        ConfigError: the path is relative, and there is no main checkout.
    """
    tracking_uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_TRACKING_URI
    path = database_path(tracking_uri)
    return tracking_uri if path is None else f"{SQLITE}{path}"


def database_path(tracking_uri: str) -> Path | None:
    """Return where the local database of an address lies; None where the address is a server's.

    Raises:
        ConfigError: as `absolute_uri`.
    """
    if not tracking_uri.startswith(SQLITE):
        return None
    path = Path(tracking_uri.removeprefix(SQLITE))
    if path.is_absolute():
        return path
    try:
        return main_checkout(Path.cwd()) / path
    except ConfigError as error:
        raise ConfigError(
            f"the tracking URI {tracking_uri} is relative, and {error}: give an absolute path, sqlite:////…, or the "
            "address of a server (resources.tracking_uri, or MLFLOW_TRACKING_URI for the commands)"
        ) from None


def open_client(tracking_uri: str) -> Any:
    """Return an `mlflow.MlflowClient`; every call through it gives up within seconds."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    uri = absolute_uri(tracking_uri)
    if (path := database_path(uri)) is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def experiment_id(client: Any, tracking_uri: str, name: str) -> str:
    """Return an experiment's id, and make the experiment if it is new.

    With a local database the files go beside it, not into whatever folder the process stands in.
    """
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        path, location = database_path(absolute_uri(tracking_uri)), None
        if path is not None:
            location = (path.parent / "mlruns" / name).as_uri()
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException:  # another process has just made it
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise DataError(f"MLflow experiment {name!r} is deleted; restore it with `mlflow experiments restore`")
    return str(found.experiment_id)
