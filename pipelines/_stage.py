"""What every stage does around its work: settings, lock, log, estimate, MLflow run, Ray, and errors in one line."""

import ctypes
import errno
import inspect
import logging
import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ltm3d.cluster.session import ray_started
from ltm3d.durability import lock_file
from ltm3d.errors import ConfigError, Ltm3dError
from ltm3d.freshness.stage_code import CACHE_FILE, CodeReader, StageCode
from ltm3d.resources import Resources
from ltm3d.settings import convert
from ltm3d.surroundings import refuse_obstacles, why_no_commit
from ltm3d.tracking.client import absolute_uri
from ltm3d.tracking.provenance import git_state, provenance_tags, stage_provenance
from ltm3d.tracking.repro import repro_id
from ltm3d.tracking.run import Tracker, stage_run
from pipelines import ENVIRONMENT
from pipelines._declaration import own_settings, read_declaration
from pipelines._interrupt import end_interrupted, watch_for_interrupts
from pipelines._params import Params, load_params

logger = logging.getLogger(__name__)

DATA = Path("data")
CONTEXTS = {"train": "training", "evaluate": "evaluation"}  # what a stage reads its data for, in MLflow's words
PR_SET_PDEATHSIG = 1
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Stage:
    """What a stage's `main` works with.

    Attributes:
        name, item: the stage, and the matrix item it works on, if any.
        state_dir: resumable state; never a DVC output.
        code: what the stage's results depend on, beside settings and inputs.
        state: commit, and what differs from it, as the stage started.
    """

    name: str
    item: str | None
    params: Params
    resources: Resources
    state_dir: Path
    tracker: Tracker
    exits: ExitStack
    data: Path
    reader: CodeReader
    state: Mapping[str, str]

    @cached_property
    def code(self) -> StageCode:
        """The code that the stage's results depend on, with the sources that the recipe names."""
        return self.code_with(self.params.source_kinds)

    def code_with(self, kinds: tuple[str, ...]) -> StageCode:
        """The same with other kinds of sources; it says what results are made of now."""
        code = self.reader.of(self.name, item=self.item, kinds=kinds)
        device = "cuda" if self.resources.use_gpu else "cpu"
        made = stage_provenance(code, kinds=kinds, state=self.state, seed=self.params.seed, device=device)
        return replace(code, provenance=made)

    @property
    def seed(self) -> int:
        """The recipe's seed."""
        return self.params.seed

    def start_ray(self) -> None:
        """Start Ray on this machine, or join the cluster that RAY_ADDRESS names; it stops with the stage."""
        self.exits.enter_context(ray_started(self.resources, ENVIRONMENT))


@contextmanager
def stage(
    name: str, *, target: str | None = None, representation: str | None = None, minutes: str, disk: str
) -> Iterator[Stage]:
    """Hold the stage's lock and its MLflow run while its work is done.

    Args:
        target, representation: the matrix item, one of the list of that name in params.yaml.
        minutes, disk: what the demo takes on 2 CPU cores, said at the start, e.g. "2 minutes", "60 MB".
    """
    params = load_params()
    item = target or representation
    for kind, asked in (("target", target), ("representation", representation)):
        if asked is not None and asked not in params.items(kind):
            raise ConfigError(f"{name} {asked}: params.yaml has the {kind}s {', '.join(params.items(kind))}")
    resources, tracking_uri = read_resources(params)
    absolute_uri(tracking_uri)  # refused now, not where the metrics would be lost with a folder
    refuse_obstacles(Path(), by_dvc="DVC_ROOT" in os.environ)
    declared = read_declaration(name, item)
    tags = {"stage": name, "item": item or "", "recipe": params.recipe}
    label = f"{name}@{item}" if item else name
    data = data_folder()
    state_dir = data / "runs" / label
    state_dir.mkdir(parents=True, exist_ok=True)
    with locked(state_dir.with_name(f"{label}.lock"), label), ExitStack() as exits:
        logger.info("%s: about %s and %s of disk with the demo's settings on 2 CPU cores", label, minutes, disk)
        start = time.monotonic()
        tracker = exits.enter_context(
            stage_run(
                name=label,
                experiment="ltm3d",
                tracking_uri=tracking_uri,
                params=own_settings(params.raw, declared),
                tags={**tags, "repro": repro_id()},
                state_dir=state_dir,
            )
        )
        for path in declared.data if declared is not None else ():
            tracker.log_input(path, data / Path(path).relative_to(DATA), CONTEXTS.get(name.partition("_")[0], "input"))
        if unknown := why_no_commit(Path()):
            logger.warning("%s: %s", *unknown)
        reader = CodeReader(cache=data / "runs" / CACHE_FILE)
        work = Stage(name, item, params, resources, state_dir, tracker, exits, data, reader, git_state(Path()))
        tracker.set_tags(provenance_tags(work.code.provenance))
        yield work
        work.code.note(state_dir)
        reader.save()
        seconds = time.monotonic() - start
        tracker.log_metrics({"stage_seconds": seconds})
        logger.info("%s: done in %.0f s", label, seconds)


def data_folder() -> Path:
    """The folder of all data: `data` of the checkout, or what LTM3D_DATA names for a checkout that was uploaded alone.

    It is absolute where a cluster's workers, which start in another folder, read it.

    Raises:
        ConfigError: LTM3D_DATA names no folder.
    """
    named = os.environ.get("LTM3D_DATA", "")
    if named and not Path(named).is_dir():
        raise ConfigError(
            f"LTM3D_DATA is {named}, no folder on {platform.node()}: mount the storage that all nodes share there, or "
            "name the data/ folder of a checkout on it"
        )
    if named:
        return Path(named).absolute()
    return DATA if os.environ.get("RAY_ADDRESS", "local") == "local" else DATA.absolute()


def read_resources(params: Params) -> tuple[Resources, str]:
    """Where to run, and MLflow's tracking URI.

    Raises:
        ConfigError: an unknown key, a value out of range, or a password in the URI, which would be kept in params.yaml.
    """
    places = dict(params.value("resources", dict))
    tracking_uri = places.pop("tracking_uri", None)
    if not isinstance(tracking_uri, str) or not tracking_uri:
        raise ConfigError("resources.tracking_uri: missing; the default is sqlite:///mlflow.db")
    if urlsplit(tracking_uri).password is not None:
        raise ConfigError(
            "resources.tracking_uri holds a password: leave user and password out and set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD in the environment"
        )
    return convert(places, Resources, "resources"), tracking_uri


def run(main: Callable[..., None]) -> None:
    """Call a stage's `main` from the command line: its errors are one line, Ctrl-C is clean, it dies with dvc."""
    set_up_logging()
    watch_for_interrupts()
    try:
        die_with_parent()
        arguments = sys.argv[1:]
        items = inspect.signature(main).parameters
        if len(arguments) != len(items):
            usage = " ".join([f"python -m pipelines.{Path(sys.argv[0]).stem}", *(name.upper() for name in items)])
            known = "".join(f" ({', '.join(load_params().items(name))})" for name in items)
            raise ConfigError(f"a stage takes no flags; usage: {usage}{known}; settings are in params.yaml")
        main(*arguments)
    except KeyboardInterrupt as error:
        end_interrupted(str(error))
    except Exception as error:
        known_error = find_known_error(error)
        if known_error is None:
            raise
        sys.exit(f"error: {known_error}")


@contextmanager
def locked(path: Path, label: str) -> Iterator[None]:
    """Hold an exclusive lock on a file; the system drops it when the process ends, however it ends.

    Raises:
        Ltm3dError: another process holds it.
        StorageError: the file system has no locks.
    """
    with path.open("a+") as file:
        if not lock_file(file):
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise Ltm3dError(
                f"{label} is already running in this checkout (process {holder}); wait for it, or stop it first"
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def find_known_error(error: BaseException) -> Ltm3dError | None:
    """Find our own error, also inside what Ray wrapped around it."""
    waiting: list[Any] = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        cause = getattr(current, "cause", None)  # a RayTaskError passes for its cause's class; its text is a traceback
        if isinstance(current, Ltm3dError) and not isinstance(cause, BaseException):
            return current
        if isinstance(current, OSError) and current.errno in FULL_DISK:
            place = current.filename or Path.cwd()
            return Ltm3dError(f"the disk of {place} is full: free some space; the next run goes on from here")
        if type(current).__module__.startswith("ray."):
            failures = getattr(current, "worker_failures", None) or {}
            waiting += [cause, *failures.values(), getattr(current, "controller_failure", None), current.__cause__]
            # Ray Data keeps the text of what a task raised, not the error.
            waiting += [
                Ltm3dError(text) for text in re.findall(r"^ltm3d\.errors\.\w+: (.+)$", str(current), re.MULTILINE)
            ]
    return None


def die_with_parent() -> None:
    """Ask the kernel to end this process when dvc ends, were it by kill -9; started by hand, it stays."""
    if "DVC_ROOT" not in os.environ or sys.platform != "linux":
        return
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == 1:
        sys.exit("dvc has ended; so does this stage")


def set_up_logging() -> None:
    """Log events to stderr, quietly for the libraries."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    for name in ("mlflow", "alembic", "ray", "httpx", "urllib3", "matplotlib", "deepspeed", "DeepSpeed"):
        logging.getLogger(name).setLevel(logging.WARNING)


def git_commit() -> str:
    """The checkout's commit, or an empty string where there is none."""
    result = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else ""
