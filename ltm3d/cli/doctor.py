"""`ltm3d doctor`: what this machine has, what is missing, and the remedy."""

import configparser
import ctypes
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from ltm3d.api import DEFAULT_TRACKING_URI
from ltm3d.cli.generate import TrackingUri
from ltm3d.cluster.nodes import is_exposed
from ltm3d.cluster.report import MIN_FREE_GB, ask_cluster, disagreements
from ltm3d.conditioning.packages import PACKAGES
from ltm3d.errors import ConfigError, ModelError
from ltm3d.surroundings import find_obstacles
from ltm3d.tracking.client import database_path

SYSTEM_LIBRARIES = {"libusb-1.0.so.0": "libusb-1.0-0", "libGL.so.1": "libgl1", "libgomp.so.1": "libgomp1"}
# distribution → module
LIBRARIES = {
    "torch": "torch",
    "numpy": "numpy",
    "safetensors": "safetensors",
    "trimesh": "trimesh",
    "open3d": "open3d",
    "numba": "numba",
    "pykdtree": "pykdtree.kdtree",
    "scikit-image": "skimage.measure",
    "transformers": "transformers",
    "ray": "ray.train",
    "deepspeed": "deepspeed",
    "mlflow": "mlflow",
    "dvc": "dvc.repo",
    "hydra-core": "hydra",
    "objaverse": "objaverse",
}
INSTALL = "run `make setup` (or pip install -c constraints.txt -e .)"
TIMEOUT = 180.0  # seconds for one probe


@dataclass(frozen=True)
class Finding:
    """One thing looked at; the remedy is empty where all is well."""

    name: str
    detail: str
    remedy: str = ""


def doctor(
    checkout: Annotated[Path, typer.Option(help="The project's checkout, with .dvc/.")] = Path("."),
    tracking_uri: TrackingUri = DEFAULT_TRACKING_URI,
) -> None:
    """Check libraries, processor, GPU, Ray, MLflow and DVC remotes; each failure comes with its remedy.

    Example:

        ltm3d doctor
    """
    probes: list[Callable[[], Iterator[Finding]]] = [
        check_python,
        check_system_libraries,
        check_libraries,
        check_encoders,
        check_processor,
        check_gpu,
        check_ray,
        lambda: check_mlflow(tracking_uri),
        lambda: check_surroundings(checkout),
        lambda: check_dvc(checkout),
    ]
    num_failures = 0
    for probe in probes:
        for finding in probe():
            num_failures += bool(finding.remedy)
            typer.echo(f"{'FAIL' if finding.remedy else 'ok':<5}{finding.name:<22}{finding.detail}")
            if finding.remedy:
                typer.echo(f"     → {finding.remedy}")
    typer.echo(f"{num_failures} failures" if num_failures else "all is well")
    raise typer.Exit(code=1 if num_failures else 0)


def check_python() -> Iterator[Finding]:
    """The interpreter's version."""
    remedy = "" if sys.version_info[:2] == (3, 11) else "the project is tested on Python 3.11: make PYTHON=python3.11"
    yield Finding("Python", f"{platform.python_version()} at {sys.executable}", remedy)


def check_system_libraries() -> Iterator[Finding]:
    """The shared libraries that open3d loads."""
    for library, package in SYSTEM_LIBRARIES.items():
        try:
            ctypes.CDLL(library)
        except OSError as error:
            yield Finding(library, str(error), f"as root: apt-get install {package}")
        else:
            yield Finding(library, "found")


def check_libraries() -> Iterator[Finding]:
    """Import each library in a process of its own, so that one that crashes is a finding too."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield from pool.map(check_library, LIBRARIES, LIBRARIES.values())


def check_library(distribution: str, module: str) -> Finding:
    """Import one library; name its version or its error."""
    try:
        version = metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return Finding(distribution, "not installed", INSTALL)
    failure = python_fails(f"import {module}")
    return Finding(distribution, f"{version} {failure}".rstrip(), failure and f"it does not import: {INSTALL}")


def check_encoders() -> Iterator[Finding]:
    """Whether the weights of the prompt encoders are installed, and are the right ones."""
    for package in PACKAGES.values():
        name = f"weights {package.encoder}"
        try:
            content = package.read()
        except ModelError as error:
            detail, _, remedy = str(error).rpartition(": ")
            yield Finding(name, detail, remedy)
        else:
            yield Finding(name, f"{package.record.package} {package.record.version}, {len(content) / 1e6:.0f} MB")


def check_processor() -> Iterator[Finding]:
    """Cores, threads, bf16 units and memory."""
    import psutil
    import torch

    from ltm3d.training.config import cpu_has_bf16

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("processor", f"{cores} cores, {torch.get_num_threads()} thread(s) a process")
    yield Finding("bf16", "native: training uses it" if cpu_has_bf16() else "no units: training runs in fp32")
    gigabytes = psutil.virtual_memory().total / 2**30
    yield Finding("memory", f"{gigabytes:.1f} GiB", "" if gigabytes >= 6 else "the demo needs about 6 GiB")
    free = shutil.disk_usage(".").free / 2**30
    yield Finding("disk", f"{free:.1f} GiB free here", "" if free >= 3 else "the demo needs about 3 GiB: free some")


def check_gpu() -> Iterator[Finding]:
    """Whether torch sees the GPU that the machine has."""
    import torch

    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
        yield Finding("GPU", names)
    elif shutil.which("nvidia-smi"):
        remedy = "install the CUDA build of torch 2.13.0 (docs/install.md)"
        yield Finding("GPU", f"nvidia-smi is here, but torch {torch.__version__} sees no device", remedy)
    else:
        yield Finding("GPU", "none; everything runs on the CPU")


def check_ray() -> Iterator[Finding]:
    """Run one task on a Ray of our own, or look at the cluster of RAY_ADDRESS."""
    address = os.environ.get("RAY_ADDRESS", "local")
    if address != "local":
        yield from check_cluster(address)
        return
    options = {"address": "local", "num_cpus": 1, "include_dashboard": False, "object_store_memory": 100 * 2**20}
    options |= {"logging_level": "ERROR", "log_to_driver": False}
    failure = python_fails(f"import ray; ray.init(**{options!r}); assert ray.get(ray.remote(lambda: 7).remote()) == 7")
    yield Finding("Ray", failure or "a task ran (local)", failure and f"free memory and /tmp space, or {INSTALL}")


def check_cluster(address: str) -> Iterator[Finding]:
    """Whether a cluster answers, asks for a token, and has nodes that are alike and see this folder."""
    try:
        report = ask_cluster(address)
    except ConfigError as error:
        yield Finding("Ray cluster", address, str(error))
        return
    except RuntimeError as error:
        remedy = "is the cluster of RAY_ADDRESS up, is its token here, has it this environment? (docs/cluster.md)"
        yield Finding("Ray cluster", f"{address}: {error}", remedy)
        return
    num_gpus = sum(node.num_gpus for node in report.nodes)
    yield Finding("Ray cluster", f"{address}: {len(report.nodes)} nodes answered, {num_gpus} GPUs")
    exposed = is_exposed(report.dashboard, has_token=report.has_token)
    yield Finding(
        "Ray dashboard",
        f"on {report.dashboard or 'no address'}, {'asks for a token' if report.has_token else 'open to all'}",
        "start head and nodes with RAY_AUTH_MODE=token (deploy/start_head)" if exposed else "",
    )
    for node in report.nodes:
        needs = [] if node.has_checkout else [f"mount {Path.cwd()} there, or submit with --working-dir ."]
        if node.free_gb < MIN_FREE_GB:
            needs.append(f"free some disk: Ray and checkpoints pass through its temporary folder ({MIN_FREE_GB:g} GB)")
        sees = "sees" if node.has_checkout else "does not see"
        detail = f"{node.num_gpus} GPUs, {node.free_gb:.0f} GB free, {sees} this folder"
        yield Finding(f"node {node.address}", detail, "; ".join(needs))
    for name, who in disagreements(report.nodes).items():
        yield Finding(f"{name} on the nodes", who, "the same environment on all nodes: deploy/Dockerfile")


def check_mlflow(tracking_uri: str) -> Iterator[Finding]:
    """Whether the tracking back end answers."""
    uri = urllib.parse.urlparse(tracking_uri)
    name = "MLflow"
    path = database_path(tracking_uri)
    if path is not None:
        if not path.exists():
            yield Finding(name, f"{path}: not there yet, the first stage makes it")
            return
        try:
            with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5) as connection:
                connection.execute("select count(*) from runs").fetchone()
        except sqlite3.Error as error:
            yield Finding(name, f"{path}: {error}", "move the file away, or: mlflow db upgrade sqlite:///…")
        else:
            yield Finding(name, f"{path} answers")
    elif uri.scheme in ("http", "https"):
        try:
            with urllib.request.urlopen(f"{tracking_uri.rstrip('/')}/health", timeout=5) as response:
                yield Finding(name, f"{tracking_uri} answers {response.status}")
        except (urllib.error.URLError, OSError) as error:
            remedy = "start it (mlflow server …), mend resources.tracking_uri, or --allowed-hosts on the server if 403"
            yield Finding(name, f"{tracking_uri}: {error}", remedy)
    else:
        yield Finding(name, f"{tracking_uri}: not looked at, no sqlite or http address")


def check_surroundings(checkout: Path) -> Iterator[Finding]:
    """What stages need beside libraries: a home folder, a user's name, git, data that is no link."""
    found = [Finding(each.name, each.detail, each.remedy) for each in find_obstacles(checkout, by_dvc=True)]
    yield from found or [Finding("surroundings", "home, user, git and data are as stages need them")]


def check_dvc(checkout: Path) -> Iterator[Finding]:
    """Whether each configured remote can be read."""
    if not (checkout / ".dvc").is_dir():
        yield Finding("DVC", f"{checkout.absolute()} is no DVC checkout", "run ltm3d doctor in the project's checkout")
        return
    config = configparser.ConfigParser()
    config.read([checkout / ".dvc" / "config", checkout / ".dvc" / "config.local"])
    sections = [section.strip("'") for section in config.sections()]
    remotes = [section.removeprefix('remote "').rstrip('"') for section in sections if section.startswith("remote")]
    if not remotes:
        yield Finding("DVC", "no remote; results stay in .dvc/cache (docs/architecture.md says how to add one)")
    for remote in remotes:
        failure = python_fails(
            f"from dvc.repo import Repo; remote = Repo({str(checkout)!r}).cloud.get_remote(name={remote!r}); "
            "fs, path = remote.fs, remote.path; "
            "assert fs.exists(path) or fs.exists(fs.parent(path)), f'{path} cannot be reached'"
        )
        remedy = failure and f"check the address and the credentials: dvc remote modify {remote} url …"
        yield Finding(f"DVC remote {remote}", failure or "reachable", remedy)


def python_fails(code: str) -> str:
    """Run code in a fresh interpreter; its error's last line, empty where it ran."""
    command = [sys.executable, "-c", code]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer within {TIMEOUT:.0f} s"
    if done.returncode == 0:
        return ""
    lines = done.stderr.strip().splitlines()
    return lines[-1][:300] if lines and done.returncode > 0 else f"the process ended with {done.returncode}"
