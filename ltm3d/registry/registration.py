"""Model versions: one for each distinct model, with what it was made from and what it is worth; and back to files."""

import logging
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ltm3d.errors import ModelError
from ltm3d.registry.lock import model_lock
from ltm3d.registry.logged_model import BUNDLE_FILE, current_server, log_bundle
from ltm3d.registry.versions import (
    CARD_FOLDER,
    CHALLENGER,
    CHAMPION,
    HASH_TAG,
    MAX_TAG_LENGTH,
    METRIC_TAG,
    REMOVED_TAG,
    RegisteredVersion,
    answering,
    list_versions,
    local_path,
    look_up,
    to_record,
)
from ltm3d.tracking.provenance import folder_hash

log = logging.getLogger(__name__)

URI = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>\d+))")


def register_model(
    *,
    bundle: Path,
    name: str,
    metrics: Mapping[str, float],
    tags: Mapping[str, Any],
    artifacts: Sequence[Path],
    tracking_uri: str,
    run: str,
    facts: Mapping[str, Any] | None = None,
    sources: Sequence[Path] = (),
    description: str = "",
    model_description: str = "",
) -> RegisteredVersion:
    """Register a bundle and give it the alias `challenger`.

    The same bundle again keeps its version and what that was made of, `facts` and `sources`; metrics and cards are new.

    Args:
        bundle: the folder that `ShapeGenerator.load` reads.
        metrics: metrics, kept as tags, which the promotion gate reads.
        tags: what says how it was measured.
        artifacts: files and folders beside the model that are written anew, e.g. per_asset.json.
        run: id of the MLflow run that logs the model.
        facts: tags that say what the version was made of; written once.
        sources: files beside the model that say what it was made of, e.g. params.yaml, dvc.lock; written once.
        description: shown with the version, Markdown.
        model_description: shown with the model, where it has none.

    Raises:
        ModelError: no bundle, or the registry does not answer.
    """
    import mlflow

    if not (bundle / BUNDLE_FILE).is_file():
        raise ModelError(f"{bundle} holds no {BUNDLE_FILE}; give the folder of a bundle")
    identity = folder_hash(bundle)
    with answering(tracking_uri) as client:
        _create_model(client, name, model_description)
        logged = None
        if _find_by_hash(client, name, identity) is None:
            logged = log_bundle(bundle, tracking_uri=tracking_uri, run=run)
        with model_lock(client, name) as check:
            version = _find_by_hash(client, name, identity)  # another checkout may have been faster
            if version is None:
                logged = logged or log_bundle(bundle, tracking_uri=tracking_uri, run=run)
                with current_server(tracking_uri):
                    version = mlflow.register_model(logged, name, tags={HASH_TAG: identity})
            check()
            there = {Path(item.path).name for item in client.list_artifacts(version.run_id, CARD_FOLDER)}
            for path in [*artifacts, *(path for path in sources if path.name not in there)]:
                _log_beside(client, version.run_id, path)
            new_facts = {key: value for key, value in (facts or {}).items() if key not in version.tags}
            _write_tags(client, version, metrics, {**new_facts, **tags})
            if description:
                client.update_model_version(name, version.version, description)
            check()
            client.set_registered_model_alias(name, CHALLENGER, version.version)
        return to_record(client.get_model_version(name, version.version))


def registered_facts(bundle: Path, name: str, tracking_uri: str) -> Mapping[str, str]:
    """Return the tags of the version that holds a bundle; none where it is new."""
    identity = folder_hash(bundle)
    with answering(tracking_uri) as client:
        version = _find_by_hash(client, name, identity)
        return {} if version is None else dict(version.tags)


def _log_beside(client: Any, run_id: str, path: Path) -> None:
    if path.is_dir():
        client.log_artifacts(run_id, str(path), f"{CARD_FOLDER}/{path.name}")
    else:
        client.log_artifact(run_id, str(path), CARD_FOLDER)


def _write_tags(client: Any, version: Any, metrics: Mapping[str, float], tags: Mapping[str, Any]) -> None:
    values = {f"{METRIC_TAG}{key}": repr(float(value)) for key, value in metrics.items()}
    texts = {key: str(value)[:MAX_TAG_LENGTH] for key, value in tags.items()}
    for key, value in {**texts, **values}.items():
        if version.tags.get(key) != value:
            client.set_model_version_tag(version.name, version.version, key, value)
    for key in version.tags:
        if key.startswith(METRIC_TAG) and key not in values:
            client.delete_model_version_tag(version.name, version.version, key)


def _find_by_hash(client: Any, name: str, identity: str) -> Any:
    """Return the version that holds a bundle; one whose files are gone does not count."""
    for record in list_versions(client, name):
        if record.tags.get(HASH_TAG) != identity or REMOVED_TAG in record.tags:
            continue
        version = client.get_model_version(name, record.version)
        if version.status == "READY" and _has_files(client, version):
            return version
    return None


def _has_files(client: Any, version: Any) -> bool:
    from mlflow.artifacts import list_artifacts
    from mlflow.exceptions import MlflowException

    source = client.get_model_version_download_uri(version.name, version.version)
    local = local_path(source)
    if local is not None:
        return any(local.glob(f"artifacts/*/{BUNDLE_FILE}"))
    try:
        return bool(list_artifacts(artifact_uri=source, tracking_uri=client.tracking_uri))
    except MlflowException:
        return False


def _create_model(client: Any, name: str, description: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name, description=description or None)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        if description and not client.get_registered_model(name).description:  # what a person wrote stays
            client.update_registered_model(name, description)


def resolve_model(uri_or_folder: str, tracking_uri: str) -> Path:
    """Return the bundle folder of `models:/NAME@ALIAS`, `models:/NAME/VERSION`, or of a local folder.

    Raises:
        ModelError: there is no such model; the message lists those that exist. Or its files are gone, or are others
            than those that were registered.
    """
    if not uri_or_folder.startswith("models:"):
        folder = Path(uri_or_folder)
        if (folder / BUNDLE_FILE).is_file():
            return folder
        raise ModelError(f"{uri_or_folder} holds no {BUNDLE_FILE}; give a bundle's folder, or models:/NAME@ALIAS")
    with answering(tracking_uri) as client:
        return _download(client, _version_at(client, uri_or_folder, tracking_uri), tracking_uri)


def find_version(uri: str, tracking_uri: str) -> RegisteredVersion:
    """Return the version at `models:/NAME@ALIAS` or `models:/NAME/VERSION`.

    Raises:
        ModelError: there is none; the message lists those that exist.
    """
    with answering(tracking_uri) as client:
        return to_record(_version_at(client, uri, tracking_uri))


def _version_at(client: Any, uri: str, tracking_uri: str) -> Any:
    match = URI.fullmatch(uri)
    if match is None:
        raise ModelError(f"{uri} is no model address; write models:/NAME@ALIAS or models:/NAME/VERSION")
    version = look_up(client, match["name"], alias=match["alias"], number=match["version"])
    if version is None:
        raise ModelError(f"there is no model {uri}; {_list_models(client, tracking_uri, match['alias'])}")
    return version


def _list_models(client: Any, tracking_uri: str, alias: str | None) -> str:
    lines = []
    for model in client.search_registered_models():
        aliases = ", ".join(f"{alias} = version {number}" for alias, number in sorted(model.aliases.items()))
        lines.append(f"{model.name} ({aliases or 'no alias'})")
    if not lines:
        return f"{tracking_uri} has no models: `dvc repro` registers one, `ltm3d promote` makes it champion"
    remedy = ": `ltm3d promote` makes a challenger champion" if alias == CHAMPION else ""
    return f"{tracking_uri} has " + "; ".join(lines) + remedy


def fetch_model(version: RegisteredVersion, folder: Path, tracking_uri: str) -> tuple[Path, Path]:
    """Return a version's whole model folder, as MLflow loads it, and the bundle in it; its hash is checked.

    Args:
        folder: where to, for a store that is not on this machine.

    Raises:
        ModelError: its files are gone, or are others than those that were registered.
    """
    with answering(tracking_uri) as client:
        local = local_path(client.get_model_version_download_uri(version.name, version.version))
        model = local if local is not None else _fetch(version, folder, tracking_uri)
        return model, _check_bundle(_find_bundle(model, version), version)


def _download(client: Any, version: Any, tracking_uri: str) -> Path:
    """Return the version's bundle: of a store on this machine where it lies, of another from a local cache."""
    local = local_path(client.get_model_version_download_uri(version.name, version.version))
    if local is not None:
        return _check_bundle(_find_bundle(local, version), version)
    cache = Path(os.environ.get("LTM3D_CACHE") or Path.home() / ".cache" / "ltm3d") / "models"
    final = cache / version.tags.get(HASH_TAG, f"{version.name}-{version.version}")
    if (final / BUNDLE_FILE).is_file():
        try:
            return _check_bundle(final, version)
        except ModelError as error:
            log.warning("%s; it is fetched again", error)
            shutil.rmtree(final)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as partial:
        bundle = _check_bundle(_find_bundle(_fetch(version, Path(partial), tracking_uri), version), version)
        if not final.is_dir():  # another process may have been faster
            os.replace(bundle, final)
    return final


def _fetch(version: Any, folder: Path, tracking_uri: str) -> Path:
    import mlflow
    from mlflow.exceptions import MlflowException

    with current_server(tracking_uri):
        try:
            mlflow.artifacts.download_artifacts(f"models:/{version.name}/{version.version}", dst_path=str(folder))
        except (MlflowException, OSError) as error:
            raise ModelError(f"{_gone(version)} ({' '.join(str(error).split())[:200]})") from error
    return folder


def _check_bundle(bundle: Path, version: Any) -> Path:
    expected = version.tags.get(HASH_TAG)
    if expected is not None and (found := folder_hash(bundle)) != expected:
        raise ModelError(
            f"the files of version {version.version} of {version.name} at {bundle} are not those that were registered "
            f"({found[:12]}…, registered {expected[:12]}…): register it again, or use another version"
        )
    return bundle


def _find_bundle(folder: Path, version: Any) -> Path:
    found = sorted(path.parent for path in folder.glob(f"artifacts/*/{BUNDLE_FILE}"))
    if len(found) != 1:
        raise ModelError(f"{_gone(version)} (there is no bundle at {folder})")
    return found[0]


def _gone(version: Any) -> str:
    how = f"were removed by `ltm3d gc` on {version.tags[REMOVED_TAG]}" if REMOVED_TAG in version.tags else "are gone"
    return (
        f"version {version.version} of {version.name} is registered, but its files {how}: use another version, or "
        f"`ltm3d restore models:/{version.name}/{version.version} --to FOLDER` and run `dvc repro` there"
    )
