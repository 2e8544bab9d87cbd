"""From a registered version back to the code, the settings and the data that made it: a checkout in a new folder."""

import logging
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ltm3d.errors import DataError, ModelError
from ltm3d.registry.registration import find_version
from ltm3d.registry.versions import COMMITTED_TAG, download_card

log = logging.getLogger(__name__)

LOCK_FILE, PARAMS_FILE = Path("dvc.lock"), Path("params.yaml")
METRICS_FOLDER = "metrics"  # of the card, a copy of data/metrics
TIMEOUT_S = 3600
COMMIT = re.compile(r"[0-9a-f]{40,64}")


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What came back.

    Attributes:
        changes: what was changed beside the commit when the version was registered; it cannot be restored.
        missing: outputs that neither the cache nor a remote has; `dvc repro` makes them again.
    """

    folder: Path
    commit: str
    changes: str
    missing: tuple[str, ...]


def restore_version(uri: str, folder: Path, repository: str, tracking_uri: str) -> Restored:
    """Make a checkout of a version's commit with its params.yaml, its dvc.lock, and the data these name.

    Args:
        folder: new or empty.
        repository: a folder or address of git that has the commit; the one the version names if empty. The DVC cache
            of a folder is used where it lies.

    Raises:
        ModelError: no such version, or it was registered without a commit or a dvc.lock.
        DataError: the folder is not empty, or git or DVC failed.
    """
    version = find_version(uri, tracking_uri)
    commit = version.tags.get(COMMITTED_TAG) or version.tags.get("git_commit", "unknown")
    repository = repository or version.tags.get("git_remote", "")
    if commit == "unknown" or not repository:
        raise ModelError(f"{version.uri} names no {'commit' if repository else 'repository'}; give --repository")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is not empty; name a new folder")
    if not COMMIT.fullmatch(commit):
        raise ModelError(f"{version.uri} names the commit {commit!r}, which is none")
    with tempfile.TemporaryDirectory() as temporary:
        names = (LOCK_FILE.name, PARAMS_FILE.name, METRICS_FOLDER)
        card = {name: download_card(version, name, Path(temporary), tracking_uri) for name in names}
        lock, params = card[LOCK_FILE.name], card[PARAMS_FILE.name]
        if lock is None or params is None:
            lacking = LOCK_FILE if lock is None else PARAMS_FILE
            raise ModelError(f"{version.uri} was registered without {lacking}; its code is commit {commit}")
        _run("git", "clone", "--quiet", "--no-checkout", "--", repository, str(folder), at=Path())
        _run("git", "checkout", "--quiet", "--detach", commit, at=folder)
        shutil.copyfile(lock, folder / LOCK_FILE)
        shutil.copyfile(params, folder / PARAMS_FILE)
        metrics = card[METRICS_FOLDER]
        if metrics is not None:
            shutil.copytree(metrics, folder / "data" / METRICS_FOLDER, dirs_exist_ok=True)
    if Path(repository).is_dir():
        cache = _run(sys.executable, "-m", "dvc", "cache", "dir", at=Path(repository)).strip()
        _run(sys.executable, "-m", "dvc", "cache", "dir", "--local", cache, at=folder)
    missing = _bring_data(folder, cached_outputs(yaml.safe_load((folder / LOCK_FILE).read_text())))
    changes = "" if COMMITTED_TAG in version.tags else version.tags.get("git_changes", "")
    return Restored(folder=folder, commit=commit, changes=changes, missing=missing)


def cached_outputs(lock: Mapping[str, Any]) -> list[str]:
    """Return the paths of a dvc.lock's outputs, but for metrics, which are in git and on the card."""
    paths = {out["path"] for stage in lock.get("stages", {}).values() for out in stage.get("outs", [])}
    return sorted(path for path in paths if not path.startswith(f"data/{METRICS_FOLDER}/"))


def _bring_data(folder: Path, paths: list[str]) -> tuple[str, ...]:
    """Check the outputs out of the cache, fetch what it lacks from a remote, and return what is still missing."""
    if not paths:
        return ()
    dvc = (sys.executable, "-m", "dvc")
    if _try(*dvc, "checkout", "--quiet", *paths, at=folder):
        return ()
    has_remote = _run(*dvc, "remote", "list", at=folder).strip() != ""
    if has_remote and _try(*dvc, "pull", "--quiet", *paths, at=folder):
        return ()
    return tuple(path for path in paths if not _try(*dvc, "checkout", "--quiet", path, at=folder))


def _try(*command: str, at: Path) -> bool:
    try:
        _run(*command, at=at)
    except DataError as error:
        log.info("%s", error)
        return False
    return True


def _run(*command: str, at: Path) -> str:
    shown = " ".join(Path(part).name if part == sys.executable else part for part in command[:6])
    try:
        done = subprocess.run(command, cwd=at, capture_output=True, text=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DataError(f"`{shown}` in {at} failed: {error}") from error
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise DataError(f"`{shown}` in {at} failed: {' '.join(lines)[-400:] or done.returncode}")
    return done.stdout
