"""Where data and models come from: commit, what differs from it, code, libraries; lock entries, hashes of files."""

import hashlib
import platform
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ltm3d.freshness.stage_code import StageCode

UNKNOWN = "unknown"
CHUNK = 1 << 20
# What a version carries itself, or DVC keeps: a change there is no change of the code.
CARRIED = ("params.yaml", "dvc.lock", "data")
CODE = (":(top)ltm3d", ":(top)pipelines", ":(top)conf")  # where a new file may change results
MAX_LISTED = 20
CREDENTIALS = re.compile(r"//[^/@]*@")  # in an address; never into a tag


def git_state(repository: Path) -> dict[str, str]:
    """Return the tags `git_commit`, `git_dirty`, `git_changes`, `git_difference` and `git_remote`.

    A tree is dirty by what the commit does not restore: changed files, but for params.yaml, dvc.lock and data/, which a
    version carries or DVC keeps, and new files among the code. The difference is a sha256 of them, "" where there is
    none. Commit and state are `unknown` where there is no commit.
    """
    commit = _git(repository, "rev-parse", "HEAD")
    if commit is None:
        return dict.fromkeys(("git_commit", "git_dirty"), UNKNOWN) | dict.fromkeys(
            ("git_changes", "git_difference", "git_remote"), ""
        )
    kept = [f":(top,exclude){path}" for path in CARRIED]
    changes = _git(repository, "status", "--porcelain", "--untracked-files=no", "--", ":(top)", *kept)
    paths = [] if changes is None else [*(line[2:].strip() for line in changes.splitlines()), *_new_code(repository)]
    more = [f"and {len(paths) - MAX_LISTED} more"] if len(paths) > MAX_LISTED else []
    return {
        "git_commit": commit,
        "git_dirty": UNKNOWN if changes is None else str(bool(paths)).lower(),
        "git_changes": ", ".join(paths[:MAX_LISTED] + more),
        "git_difference": _difference(repository, kept) if paths else "",
        "git_remote": CREDENTIALS.sub("//", _git(repository, "config", "--get", "remote.origin.url") or ""),
    }


def _new_code(repository: Path) -> list[str]:
    found = _git(repository, "ls-files", "--others", "--exclude-standard", "--full-name", "--", *CODE)
    return sorted((found or "").splitlines())


def _difference(repository: Path, kept: list[str]) -> str:
    """Hash what the tree has and the commit has not: changes, and new files among the code."""
    changes = _git(repository, "diff", "HEAD", "--binary", "--no-color", "--no-ext-diff", "--", ":(top)", *kept)
    top = Path(_git(repository, "rev-parse", "--show-toplevel") or repository)
    paths = [top / name for name in _new_code(repository)]
    files = [f"{path.relative_to(top)} {file_hash(path)}" for path in paths if path.is_file()]
    return combined_hash([changes or "", *files])


def stage_provenance(
    code: StageCode, *, kinds: Iterable[str], state: Mapping[str, str], seed: int, device: str
) -> dict[str, Any]:
    """Return what a stage is made of as it starts: it goes into its shards and its training run.

    It is the same for the same tree of files, on any machine with these libraries: the bytes of shards depend on it.

    Args:
        kinds: of sources whose code is part of it.
        state: of the tree, see `git_state`.
        device: `cpu` or `cuda`.
    """
    return {
        "stage": code.stage,
        "code": code.digest,
        "source_kinds": sorted(kinds),
        "libraries": dict(code.libraries),
        "python": platform.python_version(),
        "git_commit": state["git_commit"],
        "git_dirty": state["git_dirty"],
        "git_difference": state["git_difference"],
        "seed": seed,
        "device": device,
    }


def provenance_tags(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Spell a stage's provenance as tags of its MLflow run."""
    libraries = ", ".join(f"{name} {version}" for name, version in sorted(provenance["libraries"].items()))
    names = ("git_commit", "git_dirty", "git_difference", "code", "seed", "device", "python")
    return {**{name: str(provenance[name]) for name in names}, "libraries": libraries}


def _git(repository: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.rstrip() if done.returncode == 0 else None


def upstream_lock(lock: Mapping[str, Any], wanted: Iterable[str]) -> dict[str, Any]:
    """Return the entries of dvc.lock that some files were made by, and those these were made of, back to the sources.

    Args:
        lock: dvc.lock's content.
        wanted: paths, e.g. those the last stage reads; what no stage makes is passed over.
    """
    stages: Mapping[str, Any] = lock.get("stages", {})
    waiting, kept, seen = list(wanted), set[str](), set[str]()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for name, stage in stages.items():
            if name not in kept and any(_overlap(path, out["path"]) for out in stage.get("outs", [])):
                kept.add(name)
                waiting += [dep["path"] for dep in stage.get("deps", [])]
    return {"schema": lock.get("schema", "2.0"), "stages": {name: stages[name] for name in stages if name in kept}}


def _overlap(path: str, other: str) -> bool:
    """Say whether one of two paths is the other, or a folder above it."""
    a, b = PurePosixPath(path), PurePosixPath(other)
    return a.is_relative_to(b) or b.is_relative_to(a)


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
