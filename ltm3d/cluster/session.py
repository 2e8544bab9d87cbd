"""Ray for a stage: one of its own on the loopback, or the cluster that RAY_ADDRESS names and `ray job submit` sets."""

import gc
import json
import logging
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ltm3d.cluster.address import check_address
from ltm3d.cluster.nodes import ask_nodes, is_exposed
from ltm3d.errors import ConfigError, Ltm3dError
from ltm3d.resources import Resources

logger = logging.getLogger(__name__)

OBJECT_STORE_BYTES = 300 * 2**20
MAX_FOLDER_LENGTH = 40  # Ray puts sockets 64 characters deeper; the system takes paths of 107
THREADS_PATIENCE = 10.0  # seconds for the threads of Ray Data to end
JOB_CONFIG = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # set by Ray's job server, with what `ray job submit` was given


@contextmanager
def ray_started(resources: Resources, environment: Mapping[str, str]) -> Iterator[None]:
    """Run a Ray of our own with its own temporary folder on the loopback, or join the cluster of RAY_ADDRESS.

    Args:
        environment: variables of the tasks and actors on a cluster; a Ray of our own inherits this process's.

    Raises:
        ConfigError: nothing answers at RAY_ADDRESS, it is no address of a cluster, or a node does not see the checkout.
        Ltm3dError: the cluster has other versions, or refuses this process.
    """
    address = os.environ.get("RAY_ADDRESS", "local")
    if address != "local":
        with _cluster_joined(address, resources, environment):
            yield
        return
    os.environ.setdefault("RAY_AUTH_MODE", "token")  # the default too, but then with a warning; read at import
    os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's default of 15 starves a stage beside any other work
    import ray

    sweep_ray_folders()
    folder = ray_folder(os.getpid())
    try:
        ray.init(
            address="local",
            num_cpus=max(2, resources.num_workers * resources.cpus_per_worker),
            include_dashboard=False,
            object_store_memory=OBJECT_STORE_BYTES,
            logging_level=logging.WARNING,
            _temp_dir=str(folder),
            _node_ip_address="127.0.0.1",
        )
        yield
    finally:
        shut_down()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _cluster_joined(address: str, resources: Resources, environment: Mapping[str, str]) -> Iterator[None]:
    check_address(address)
    import ray
    from ray._private.authentication.authentication_utils import is_token_auth_enabled

    try:
        variables = worker_variables(environment)
        context = ray.init(address=address, runtime_env={"env_vars": variables}, logging_level=logging.WARNING)
    except (RuntimeError, ConnectionError, ValueError, ray.exceptions.RayError) as error:
        raise joining_failed(address, error) from error
    try:
        num_nodes = sum(node["Alive"] for node in ray.nodes())
        total = ray.cluster_resources()
        num_cpus, num_gpus = (int(total.get(kind, 0)) for kind in ("CPU", "GPU"))
        logger.info("joined the Ray cluster %s: %d nodes, %d CPUs, %d GPUs", address, num_nodes, num_cpus, num_gpus)
        if num_nodes > 1:
            check_nodes()
        warn_if_short(resources, num_cpus=num_cpus, num_gpus=num_gpus)
        warn_if_exposed(str(context.address_info.get("webui_url") or ""), has_token=is_token_auth_enabled())
        yield
    finally:
        shut_down()


def shut_down() -> None:
    """Shut Ray down once nothing is left that uses it: whatever does so later ends the process with exit code 1.

    That is a thread of Ray Data which has not ended yet, and references in cycles, which any thread may free.
    """
    import ray

    deadline = time.monotonic() + THREADS_PATIENCE
    for thread in threading.enumerate():
        modules = (type(thread).__module__, getattr(getattr(thread, "_target", None), "__module__", None))
        if any(str(module).startswith("ray.data.") for module in modules):
            thread.join(max(0.0, deadline - time.monotonic()))
    collects = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        ray.shutdown()
    finally:
        if collects:
            gc.enable()


def check_nodes() -> None:
    """See that every node finds this process's folder under the same path: its workers import and read from there."""

    def is_there(folder: str) -> bool:  # travels by value: a node without the checkout could not import it
        return Path(folder, "pipelines").is_dir()

    here = str(Path.cwd())
    blind = [node["NodeManagerAddress"] for node, sees in ask_nodes(is_there, here) if not sees]
    if blind:
        raise ConfigError(
            f"{here} is not on node {', '.join(blind)}: submit from a checkout on storage that all nodes mount under "
            "the same path, or with --working-dir . (docs/cluster.md)"
        )


def joining_failed(address: str, error: Exception) -> Ltm3dError:
    """Say in one line why a cluster could not be joined."""
    import ray

    text = " ".join(str(error).split())
    versions = re.findall(r"Ray: (\S+) Python: (\S+)", text)
    if "Version mismatch" in text and len(versions) == 2:
        (their_ray, their_python), (our_ray, our_python) = versions
        return Ltm3dError(
            f"the cluster {address} runs Ray {their_ray} on Python {their_python}, this process Ray {our_ray} on "
            f"Python {our_python}: use the same environment on all nodes (deploy/Dockerfile)"
        )
    # A head that asks for a token answers a stranger's first call like one that is not there.
    if isinstance(error, ray.exceptions.AuthenticationError) or re.search("(?i)auth.* token|failed to connect", text):
        return Ltm3dError(
            f"the cluster {address} refuses this process: set RAY_AUTH_MODE=token and the head's token in "
            "RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token (on the head: ray get-auth-token)"
        )
    return Ltm3dError(f"the Ray cluster {address} cannot be joined: {text[:300]}")


def worker_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of this stage's tasks and actors; what the job was submitted with stays as it is.

    It is part of the job's metadata, which the dashboard shows: nothing of this process's environment is in it but
    PYTHONPATH.
    """
    submitted = json.loads(os.environ.get(JOB_CONFIG, "{}")).get("runtime_env", {}).get("env_vars") or {}
    paths = [str(Path.cwd()), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    wanted = {**environment, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}
    return {name: value for name, value in wanted.items() if name not in submitted}


def warn_if_short(resources: Resources, *, num_cpus: int, num_gpus: int) -> None:
    """Say that the cluster has less than the training stages ask for: they wait for an autoscaler, or for ever."""
    wanted = {"CPU": (resources.num_workers * resources.cpus_per_worker, num_cpus)}
    if resources.use_gpu:
        wanted["GPU"] = (resources.num_workers, num_gpus)
    for kind, (asked, there) in wanted.items():
        if asked > there:
            logger.warning(
                "resources ask for %d %ss, the cluster has %d: training waits until there are as many; where no "
                "autoscaler brings them, compose with a smaller resources.num_workers",
                asked,
                kind,
                there,
            )


def warn_if_exposed(dashboard: str, *, has_token: bool) -> None:
    """Say that whoever reaches a dashboard that is not on the loopback may run code, where no token is asked for."""
    if is_exposed(dashboard, has_token=has_token):
        logger.warning(
            "Ray's dashboard and job server listen on %s without a token: whoever reaches them runs code here; start "
            "the head with deploy/start_head, or set RAY_AUTH_MODE=token on all nodes",
            dashboard,
        )


def map_over_ray(function: Callable[[Any], Any], work: Sequence[Any], /) -> list[Any]:
    """Apply a function to each asset in Ray's workers, one thread each; results in order."""
    import ray

    task = ray.remote(num_cpus=1)(_with_one_thread)
    shared = ray.put(function)
    return ray.get([task.remote(shared, asset) for asset in work])


def _with_one_thread(function: Callable[[Any], Any], asset: Any) -> Any:
    import torch

    torch.set_num_threads(1)
    return function(asset)


def ray_folder(pid: int) -> Path:
    """Return the temporary folder of the Ray that process `pid` started, in the first place where its sockets fit.

    Raises:
        ConfigError: TMPDIR is too long for sockets, and no short folder may be written to.
    """
    for place in _temporary_places():
        folder = place / f"ltm3d-ray-{pid}"
        if len(str(folder)) <= MAX_FOLDER_LENGTH and os.access(place, os.W_OK | os.X_OK):
            return folder
    raise ConfigError(
        f"TMPDIR is {tempfile.gettempdir()}, too long for Ray's sockets, and neither /tmp nor /dev/shm can be written "
        f"to: set TMPDIR to a folder of at most {MAX_FOLDER_LENGTH - len('/ltm3d-ray-1234567')} characters"
    )


def _temporary_places() -> list[Path]:
    """Where a Ray's folder may lie: TMPDIR first, then short folders that Linux has."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    named = [tempfile.gettempdir(), "/tmp", "/dev/shm", *([runtime] if runtime else [])]
    return [path for path in map(Path, dict.fromkeys(named)) if path.is_dir()]


def sweep_ray_folders() -> None:
    """Remove what killed stages of this user left behind in the temporary folders."""
    for folder in (found for place in _temporary_places() for found in place.glob("ltm3d-ray-*")):
        pid = folder.name.rpartition("-")[2]
        if pid.isdigit() and not Path("/proc", pid).exists() and folder.stat().st_uid == os.getuid():
            shutil.rmtree(folder, ignore_errors=True)
