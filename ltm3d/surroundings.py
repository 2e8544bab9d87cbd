"""What a stage needs of the machine beside libraries: a home folder, a user's name, git, and data on a disk of its own.

A stage asks before it works, `ltm3d doctor` says it beforehand. Containers with any uid (OpenShift, `docker --user`)
lack the first two, unpacked archives and bind mounts the third.
"""

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ltm3d.errors import ConfigError


@dataclass(frozen=True)
class Obstacle:
    """What is missing.

    Attributes:
        stops: a stage cannot work; else something is lost that the detail names.
    """

    name: str
    detail: str
    remedy: str
    stops: bool

    def __str__(self) -> str:
        return f"{self.detail}: {self.remedy}"


def find_obstacles(checkout: Path, *, by_dvc: bool) -> Iterator[Obstacle]:
    """Yield what stands in the way of the stages of a checkout.

    Args:
        by_dvc: DVC runs the stages, and keeps what they make.
    """
    yield from _user()
    if by_dvc:
        yield from _data_link(checkout / "data")
    reason = why_no_commit(checkout)
    if reason is not None:
        yield Obstacle("git", *reason, stops=False)


def refuse_obstacles(checkout: Path, *, by_dvc: bool) -> None:
    """Raise a ConfigError for the first obstacle that stops a stage."""
    for obstacle in find_obstacles(checkout, by_dvc=by_dvc):
        if obstacle.stops:
            raise ConfigError(str(obstacle))


def why_no_commit(checkout: Path) -> tuple[str, str] | None:
    """Return why the commit of a checkout is unknown and the remedy; None where it is known."""
    if shutil.which("git") is None:
        return "git is not on PATH, so no commit is recorded and no model can be promoted", "install git"
    command = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"git does not answer ({error}), so no commit is recorded", "try `git status` here"
    if done.returncode == 0:
        return None
    if "dubious ownership" in done.stderr:
        return (
            f"{checkout.absolute()} belongs to another user, so git does not read it and no commit is recorded",
            f"git config --global --add safe.directory {checkout.absolute()}",
        )
    if "not a git repository" in done.stderr:
        return (
            f"{checkout.absolute()} is no git repository, so no commit is recorded and `dvc repro` refuses to run",
            "clone the project, or run `git init && git add -A && git commit -m start`, or, without lineage, "
            "`dvc config --local core.no_scm true`",
        )
    return "the repository has no commit yet, so none is recorded", "git add -A && git commit -m start"


def _user() -> Iterator[Obstacle]:
    home = Path(os.path.expanduser("~"))
    has_home = home.is_absolute() and home.is_dir() and os.access(home, os.W_OK | os.X_OK)
    if not has_home and "RAY_AUTH_TOKEN_PATH" not in os.environ:
        yield Obstacle(
            "home folder",
            f"the home folder {home} cannot be written to, and Ray keeps its token there",
            "set HOME to a folder of yours, e.g. HOME=/tmp/home (or RAY_AUTH_TOKEN_PATH to a file)",
            stops=True,
        )
    try:
        getpass.getuser()
    except (KeyError, OSError):  # OSError since Python 3.13
        detail = f"the system has no name for the user {os.getuid()}, and torch and MLflow ask for one"
        yield Obstacle("user", detail, "set USER, e.g. USER=ltm3d", stops=True)


def _data_link(data: Path) -> Iterator[Obstacle]:
    if data.is_symlink():
        yield Obstacle(
            "data folder",
            f"{data} is a link to {os.readlink(data)}, and DVC keeps nothing behind a link",
            "make it a folder, and put the bytes on the other disk with `dvc cache dir --local /OTHER/cache` and "
            "`dvc config --local cache.type symlink`",
            stops=True,
        )
