"""Model versions: one for each distinct model, found by alias, with what it was made from and what it is worth."""

import json
import logging
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from ltm3d.errors import ModelError
from ltm3d.tracking.client import open_client
from ltm3d.tracking.logged_model import INPUT_EXAMPLE, current_server, log_bundle
from ltm3d.tracking.provenance import folder_hash

log = logging.getLogger(__name__)

BUNDLE_FILE = "bundle.json"
HASH_TAG = "weights_hash"
FIGURE_TAG = "figure."
CARD_FOLDER = "model_card"  # artifacts of the version's run
CHALLENGER, CHAMPION, PREVIOUS_CHAMPION = "challenger", "champion", "previous_champion"
MAX_TAG_LENGTH = 5000
URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))")


@dataclass(frozen=True, kw_only=True)
class RegisteredVersion:
    """One version of a registered model.

    Attributes:
        run_id: the run that holds the version's files.
        figures: name → value, as registered.
    """

    name: str
    version: str
    run_id: str
    tags: Mapping[str, str]

    @property
    def uri(self) -> str:
        """The version's address."""
        return f"models:/{self.name}/{self.version}"

    @property
    def figures(self) -> dict[str, float]:
        """Figures by name, as they were registered."""
        return {
            name.removeprefix(FIGURE_TAG): float(value)
            for name, value in self.tags.items()
            if name.startswith(FIGURE_TAG)
        }


def register_model(
    *,
    bundle: Path,
    name: str,
    metrics: Mapping[str, float],
    tags: Mapping[str, Any],
    artifacts: Sequence[Path],
    tracking_uri: str,
    run: str,
) -> RegisteredVersion:
    """Register a bundle and give it the alias `challenger`; the same bundle again keeps its version, with new figures.

    Args:
        bundle: the folder that `ShapeGenerator.load` reads.
        metrics: figures, kept as tags, which the promotion gate reads.
        artifacts: files beside the model, e.g. params.yaml, dvc.lock, per_asset.json.
        run: id of the MLflow run that logs the model.

    Raises:
        ModelError: no bundle, or the registry does not answer.
    """
    import mlflow

    if not (bundle / BUNDLE_FILE).is_file():
        raise ModelError(f"{bundle} holds no {BUNDLE_FILE}; give the folder of a bundle")
    identity = folder_hash(bundle)
    with _answering(tracking_uri) as client:
        version = _find_by_hash(client, name, identity)
        if version is None:
            _create_model(client, name)
            model_uri = log_bundle(bundle, tracking_uri=tracking_uri, run=run)
            with current_server(tracking_uri):
                version = mlflow.register_model(model_uri, name, tags={HASH_TAG: identity})
        for path in artifacts:
            client.log_artifact(version.run_id, str(path), CARD_FOLDER)
        figures = {f"{FIGURE_TAG}{key}": repr(float(value)) for key, value in metrics.items()}
        texts = {key: str(value)[:MAX_TAG_LENGTH] for key, value in tags.items()}
        for key, value in {**texts, **figures}.items():
            client.set_model_version_tag(name, version.version, key, value)
        for key in version.tags:
            if key.startswith(FIGURE_TAG) and key not in figures:
                client.delete_model_version_tag(name, version.version, key)
        client.set_registered_model_alias(name, CHALLENGER, version.version)
        return _record(client.get_model_version(name, version.version))


def _find_by_hash(client: Any, name: str, identity: str) -> Any:
    for version in client.search_model_versions(f"name = '{name}'"):
        if version.tags.get(HASH_TAG) == identity and version.status == "READY":
            return version
    return None


def _create_model(client: Any, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def resolve_model(uri_or_folder: str, tracking_uri: str) -> Path:
    """Return the bundle folder of `models:/NAME@ALIAS`, `models:/NAME/VERSION`, or of a local folder.

    Raises:
        ModelError: there is no such model; the message lists those that exist.
    """
    if not uri_or_folder.startswith("models:"):
        folder = Path(uri_or_folder)
        if (folder / BUNDLE_FILE).is_file():
            return folder
        raise ModelError(f"{uri_or_folder} holds no {BUNDLE_FILE}; give a bundle's folder, or models:/NAME@ALIAS")
    match = URI.fullmatch(uri_or_folder)
    if match is None:
        raise ModelError(f"{uri_or_folder} is no model address; write models:/NAME@ALIAS or models:/NAME/VERSION")
    with _answering(tracking_uri) as client:
        version = _lookup(client, match["name"], alias=match["alias"], number=match["version"])
        if version is None:
            raise ModelError(f"there is no model {uri_or_folder}; {_list_models(client, tracking_uri)}")
        return _download(client, version, tracking_uri)


def _lookup(client: Any, name: str, *, alias: str | None, number: str | None) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        if alias is not None:
            return client.get_model_version_by_alias(name, alias)
        return client.get_model_version(name, number)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def _list_models(client: Any, tracking_uri: str) -> str:
    lines = []
    for model in client.search_registered_models():
        aliases = ", ".join(f"{alias} = version {number}" for alias, number in sorted(model.aliases.items()))
        lines.append(f"{model.name} ({aliases or 'no alias'})")
    if not lines:
        return f"{tracking_uri} has no models: `dvc repro` registers one, `ltm3d promote` makes it champion"
    return f"{tracking_uri} has " + "; ".join(lines)


def _download(client: Any, version: Any, tracking_uri: str) -> Path:
    """Return the version's bundle: of a store on this machine where it lies, of another from a local cache."""
    import mlflow

    source = client.get_model_version_download_uri(version.name, version.version)
    local = _local_path(source)
    if local is not None:
        return _find_bundle(local, version)
    cache = Path(os.environ.get("LTM3D_CACHE") or Path.home() / ".cache" / "ltm3d") / "models"
    final = cache / version.tags.get(HASH_TAG, f"{version.name}-{version.version}")
    if not (final / BUNDLE_FILE).is_file():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as partial, current_server(tracking_uri):
            mlflow.artifacts.download_artifacts(f"models:/{version.name}/{version.version}", dst_path=partial)
            os.replace(_find_bundle(Path(partial), version), final)
    return final


def _local_path(source: str) -> Path | None:
    if source.startswith("file:"):
        return Path(unquote(urlparse(source).path))
    return Path(source) if source.startswith("/") else None


def _find_bundle(folder: Path, version: Any) -> Path:
    found = sorted(path.parent for path in folder.glob(f"artifacts/*/{BUNDLE_FILE}"))
    if len(found) != 1:
        raise ModelError(f"version {version.version} of {version.name} has no bundle at {folder}; register it again")
    return found[0]


def get_version_by_alias(name: str, alias: str, tracking_uri: str) -> RegisteredVersion | None:
    """Return the version that an alias names, or None."""
    with _answering(tracking_uri) as client:
        version = _lookup(client, name, alias=alias, number=None)
        return None if version is None else _record(version)


def set_alias(name: str, alias: str, version: str, tracking_uri: str) -> None:
    """Let an alias name a version; it leaves the one it named before."""
    with _answering(tracking_uri) as client:
        client.set_registered_model_alias(name, alias, version)


def set_version_tag(version: RegisteredVersion, key: str, value: str, tracking_uri: str) -> None:
    """Write one tag of a version."""
    with _answering(tracking_uri) as client:
        client.set_model_version_tag(version.name, version.version, key, value[:MAX_TAG_LENGTH])


def read_card_json(version: RegisteredVersion, file: str, tracking_uri: str) -> Any:
    """Return the content of a JSON file that was registered beside a version, or None where there is none."""
    import mlflow

    with _answering(tracking_uri) as client:
        present = {item.path for item in client.list_artifacts(version.run_id, CARD_FOLDER)}
        if f"{CARD_FOLDER}/{file}" not in present:
            return None
        with current_server(tracking_uri):
            path = mlflow.artifacts.download_artifacts(run_id=version.run_id, artifact_path=f"{CARD_FOLDER}/{file}")
    return json.loads(Path(path).read_text())


def smoke_predict(version: RegisteredVersion, tracking_uri: str) -> str | None:
    """Load a version as a server would and let it answer one prompt; return what is wrong, or None."""
    import mlflow

    try:
        with current_server(tracking_uri):
            answer = mlflow.pyfunc.load_model(version.uri).predict(INPUT_EXAMPLE)[0]
    except Exception as error:  # whatever a model does wrong is a reason not to promote it
        return f"it cannot be loaded or does not answer: {' '.join(str(error).split())[:300]}"
    return None if answer.num_faces > 0 else f"its answer has no surface: {answer.error}"


def _record(version: Any) -> RegisteredVersion:
    return RegisteredVersion(
        name=version.name, version=str(version.version), run_id=version.run_id, tags=dict(version.tags)
    )


@contextmanager
def _answering(tracking_uri: str) -> Iterator[Any]:
    """Give a client for a block; a server that does not answer is one clear error."""
    client = open_client(tracking_uri)
    from mlflow.exceptions import MlflowException

    try:
        yield client
    except (MlflowException, OSError) as error:
        line = " ".join(str(error).split())[:300]
        raise ModelError(f"MLflow at {tracking_uri} does not do it: {line}; check resources.tracking_uri") from error
