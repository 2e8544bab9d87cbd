"""Where a model comes from: commit, and hashes of files and folders."""

import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

CHUNK = 1 << 20


def git_state(repository: Path) -> dict[str, str]:
    """Return the tags `git_commit` and `git_dirty`; `unknown` where there is no git or no commit."""
    commit = _git(repository, "rev-parse", "HEAD")
    if commit is None:
        return {"git_commit": "unknown", "git_dirty": "unknown"}
    changes = _git(repository, "status", "--porcelain", "--untracked-files=normal")
    return {"git_commit": commit, "git_dirty": "unknown" if changes is None else str(bool(changes)).lower()}


def _git(repository: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def file_hash(path: Path) -> str:
    """Return the sha256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def folder_hash(folder: Path) -> str:
    """Return one sha256 of all files in a folder, names and contents, whatever their times and order."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return combined_hash(f"{path.relative_to(folder).as_posix()} {file_hash(path)}" for path in paths)


def combined_hash(parts: Iterable[str]) -> str:
    """Return one sha256 of several texts, in their order."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
