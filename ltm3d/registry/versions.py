"""Versions of registered models: found by alias or number, with tags, metrics, and the small files beside them."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from ltm3d.errors import ModelError
from ltm3d.registry.logged_model import current_server
from ltm3d.tracking.client import open_client

HASH_TAG = "weights_hash"
METRIC_TAG = "figure."
COMMITTED_TAG = "committed_in"  # the commit that has a version's code, where it is not the one it was registered at
REMOVED_TAG = "files_removed"  # when `ltm3d gc` removed a version's weights
CARD_FOLDER = "model_card"  # artifacts of the version's run
CHALLENGER, CHAMPION, PREVIOUS_CHAMPION = "challenger", "champion", "previous_champion"
MAX_TAG_LENGTH = 5000
NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class RegisteredVersion:
    """One version of a registered model.

    Attributes:
        run_id: the run that holds the version's small files.
        source: where its weights lie, as MLflow writes it.
        created: UTC.
    """

    name: str
    version: str
    run_id: str
    tags: Mapping[str, str]
    source: str = ""
    created: datetime = NEVER

    @property
    def uri(self) -> str:
        """The version's address."""
        return f"models:/{self.name}/{self.version}"

    @property
    def metrics(self) -> dict[str, float]:
        """Metrics by name, as they were registered."""
        return {
            name.removeprefix(METRIC_TAG): float(value)
            for name, value in self.tags.items()
            if name.startswith(METRIC_TAG)
        }


def get_version_by_alias(name: str, alias: str, tracking_uri: str) -> RegisteredVersion | None:
    """Return the version that an alias names, or None."""
    with answering(tracking_uri) as client:
        version = look_up(client, name, alias=alias, number=None)
        return None if version is None else to_record(version)


def list_versions(client: Any, name: str) -> list[RegisteredVersion]:
    """Return all versions of a model, newest first."""
    found: list[Any] = []
    token = None
    while True:
        page = client.search_model_versions(f"name = '{name}'", page_token=token)
        found += page
        token = page.token
        if not token:
            break
    return [to_record(version) for version in sorted(found, key=lambda version: -int(version.version))]


def set_alias(name: str, alias: str, version: str, tracking_uri: str) -> None:
    """Let an alias name a version; it leaves the one it named before."""
    with answering(tracking_uri) as client:
        client.set_registered_model_alias(name, alias, version)


def set_version_tag(version: RegisteredVersion, key: str, value: str, tracking_uri: str) -> None:
    """Write one tag of a version."""
    with answering(tracking_uri) as client:
        client.set_model_version_tag(version.name, version.version, key, value[:MAX_TAG_LENGTH])


def read_card_json(version: RegisteredVersion, file: str, tracking_uri: str) -> Any:
    """Return the content of a JSON file that was registered beside a version, or None where there is none."""
    with tempfile.TemporaryDirectory() as folder:
        path = download_card(version, file, Path(folder), tracking_uri)
        return None if path is None else json.loads(path.read_text())


def download_card(version: RegisteredVersion, file: str, folder: Path, tracking_uri: str) -> Path | None:
    """Fetch a file or folder that was registered beside a version into a folder; None where there is none."""
    import mlflow

    place = f"{CARD_FOLDER}/{file}"
    with answering(tracking_uri) as client, current_server(tracking_uri):
        if place not in {item.path for item in client.list_artifacts(version.run_id, CARD_FOLDER)}:
            return None
        return Path(
            mlflow.artifacts.download_artifacts(
                run_id=version.run_id, artifact_path=place, dst_path=str(folder), tracking_uri=client.tracking_uri
            )
        )


def look_up(client: Any, name: str, *, alias: str | None, number: str | None) -> Any:
    """Return MLflow's record of a version, by alias or by number; None where there is none."""
    from mlflow.exceptions import MlflowException

    try:
        if alias is not None:
            return client.get_model_version_by_alias(name, alias)
        return client.get_model_version(name, number)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def to_record(version: Any) -> RegisteredVersion:
    """Take what we use of MLflow's record."""
    return RegisteredVersion(
        name=version.name,
        version=str(version.version),
        run_id=version.run_id,
        tags=dict(version.tags),
        source=version.source or "",
        created=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
    )


def local_path(source: str) -> Path | None:
    """Return where a version's files lie on this machine; None where they are elsewhere."""
    if source.startswith("file:"):
        return Path(unquote(urlparse(source).path))
    return Path(source) if source.startswith("/") else None


@contextmanager
def answering(tracking_uri: str) -> Iterator[Any]:
    """Give a client for a block; a server that does not answer, or says no, is one clear error."""
    client = open_client(tracking_uri)
    from mlflow.exceptions import MlflowException

    try:
        yield client
    except (MlflowException, OSError) as error:
        line = " ".join(str(error).split())[:300]
        refused = getattr(error, "error_code", "") in ("UNAUTHENTICATED", "PERMISSION_DENIED") or "401" in line
        remedy = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" if refused else "check the tracking URI"
        raise ModelError(f"MLflow at {tracking_uri} does not do it: {line}; {remedy}") from error
