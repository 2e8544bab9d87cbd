"""The gallery pages that model versions were registered with."""

from pathlib import Path

from ltm3d.errors import ModelError
from ltm3d.registry.logged_model import current_server
from ltm3d.registry.versions import get_version_by_alias

GALLERY_FOLDER = "gallery"  # of a run's artifacts


def download_gallery(name: str, alias: str, tracking_uri: str, folder: Path) -> tuple[str, Path]:
    """Fetch the gallery that a model version was registered with; return the version's label and the gallery's folder.

    Raises:
        ModelError: no version has the alias, it has no gallery, or the server does not answer.
    """
    version = get_version_by_alias(name, alias, tracking_uri)
    if version is None:
        raise ModelError(f"{name} has no version with the alias {alias}; `ltm3d models` and MLflow's page list them")
    import mlflow
    from mlflow.exceptions import MlflowException

    folder.mkdir(parents=True)
    try:
        with current_server(tracking_uri):
            mlflow.artifacts.download_artifacts(
                run_id=version.run_id, artifact_path=GALLERY_FOLDER, dst_path=str(folder)
            )
    except (MlflowException, OSError) as error:
        line = " ".join(str(error).split())[:300]
        raise ModelError(f"{version.uri} has no gallery that can be fetched: {line}") from error
    pages = sorted(folder.glob(f"{GALLERY_FOLDER}/*/index.html"))
    if len(pages) != 1:
        raise ModelError(f"{version.uri} was registered with {len(pages)} galleries; expected 1: register it again")
    return f"{alias} (version {version.version})", pages[0].parent
