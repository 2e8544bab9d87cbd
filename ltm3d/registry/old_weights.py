"""Weights and galleries in MLflow that nothing refers to: of old versions without an alias, and of no version."""

import datetime
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ltm3d.registry.lock import model_lock
from ltm3d.registry.logged_model import current_server
from ltm3d.registry.versions import REMOVED_TAG, RegisteredVersion, answering, list_versions

EXPERIMENT = "ltm3d"  # the stages' own; models of others are left alone
LOGGED_NAME = "bundle"
GALLERY = "gallery"  # of a version's run; larger than the weights of a small model
SETTLED_S = 3600.0  # weights younger than this may be on their way into a version
MODEL_PREFIX = "ltm3d-"  # of the names of our models


@dataclass(frozen=True, kw_only=True)
class OldWeights:
    """Weights that may go.

    Attributes:
        version: whose they are; None where they are of no version.
        model_id: MLflow's id of the logged model.
        size: bytes, as far as they are known; with the gallery of the version's run.
    """

    version: RegisteredVersion | None
    model_id: str
    reason: str
    size: int

    @property
    def label(self) -> str:
        """How people call it."""
        return self.model_id if self.version is None else f"{self.version.uri}: weights and gallery"


def find_old_weights(
    tracking_uri: str, *, keep: int, kept_uris: Collection[str] = (), experiment: str = EXPERIMENT
) -> list[OldWeights]:
    """List weights that may go; a version's tags, metrics, settings and lock stay, so that it can be made again.

    Args:
        keep: so many newest versions of each model stay, besides those with an alias.
        kept_uris: versions that someone refers to, as a receipt does.
        experiment: where models are logged.
    """
    with answering(tracking_uri) as client:
        found: list[OldWeights] = []
        used: set[str] = set()
        for model in _our_models(client):
            aliased = {str(number) for number in model.aliases.values()}
            for place, version in enumerate(list_versions(client, model.name)):
                used.add(_model_id(version))
                is_old = place >= keep and version.version not in aliased and version.uri not in kept_uris
                if is_old and REMOVED_TAG not in version.tags and _model_id(version):
                    reason = f"no alias, and not of the newest {keep}"
                    found.append(_weights(client, version, _model_id(version), reason, tracking_uri))
        for logged in _logged_models(client, experiment):
            is_settled = time.time() - logged.creation_timestamp / 1000 > SETTLED_S
            if logged.model_id not in used and is_settled:
                found.append(_weights(client, None, logged.model_id, "no version has it", tracking_uri))
    return found


def remove_weights(weights: OldWeights, tracking_uri: str) -> bool:
    """Delete weights; False, and they stay, where their version has an alias meanwhile."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with answering(tracking_uri) as client:
        location = client.get_logged_model(weights.model_id).artifact_location
        repository = get_artifact_repository(location, tracking_uri=tracking_uri)
        version = weights.version
        if version is None:
            repository.delete_artifacts()
            client.delete_logged_model(weights.model_id)
            return True
        with model_lock(client, version.name) as check:
            aliases = client.get_registered_model(version.name).aliases
            if version.version in {str(number) for number in aliases.values()}:
                return False
            check()
            day = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
            client.set_model_version_tag(version.name, version.version, REMOVED_TAG, day)
            repository.delete_artifacts()
            if _gallery_files(client, version.run_id, GALLERY):
                artifacts = client.get_run(version.run_id).info.artifact_uri
                get_artifact_repository(artifacts, tracking_uri=tracking_uri).delete_artifacts(GALLERY)
    return True


def _our_models(client: Any) -> list[Any]:
    found: list[Any] = []
    token = None
    while True:
        page = client.search_registered_models(page_token=token)
        found += [model for model in page if model.name.startswith(MODEL_PREFIX)]
        token = page.token
        if not token:
            return found


def _logged_models(client: Any, experiment: str) -> list[Any]:
    place = client.get_experiment_by_name(experiment)
    found: list[Any] = []
    token = None
    while place is not None:
        page = client.search_logged_models([place.experiment_id], page_token=token)
        found += [model for model in page if model.name == LOGGED_NAME]
        token = page.token
        if not token:
            break
    return found


def _model_id(version: RegisteredVersion) -> str:
    return version.source.removeprefix("models:/") if version.source.startswith("models:/m-") else ""


def _weights(
    client: Any, version: RegisteredVersion | None, model_id: str, reason: str, tracking_uri: str
) -> OldWeights:
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model

    try:
        with current_server(tracking_uri):
            size = int(Model.load(f"models:/{model_id}").model_size_bytes or 0)
    except (MlflowException, OSError):  # half gone already
        size = 0
    if version is not None:
        size += sum(_gallery_files(client, version.run_id, GALLERY))
    return OldWeights(version=version, model_id=model_id, reason=reason, size=size)


def _gallery_files(client: Any, run_id: str, folder: str) -> list[int]:
    """Return the sizes of a run's files below a folder."""
    sizes: list[int] = []
    for item in client.list_artifacts(run_id, folder):
        sizes += _gallery_files(client, run_id, item.path) if item.is_dir else [int(item.file_size or 0)]
    return sizes
