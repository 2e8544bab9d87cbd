"""What `ltm3d doctor` asks of a cluster: is it safe, are its nodes alike, do they see this folder, have they disk."""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from ltm3d.cluster.address import check_address
from ltm3d.cluster.nodes import ask_nodes

MUST_AGREE = ("ray", "torch", "deepspeed", "numpy", "safetensors")
TIMEOUT = 180.0  # seconds for all nodes to answer
MIN_FREE_GB = 20.0  # for Ray's logs and spilled objects, and the workers' part of a checkpoint


@dataclass(frozen=True, kw_only=True)
class Node:
    """What one node says of itself.

    Attributes:
        versions: of Python and of what must be the same everywhere; empty = not installed.
        has_checkout: it finds the folder of the process that asked.
        free_gb: of its temporary folder.
    """

    address: str
    versions: Mapping[str, str]
    has_checkout: bool
    free_gb: float
    num_gpus: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """All nodes, and the address that the dashboard listens on."""

    nodes: Sequence[Node]
    dashboard: str
    has_token: bool


def ask_cluster(address: str) -> Report:
    """Ask every node of a cluster, in a process of its own that may hang or die.

    Raises:
        ConfigError: nothing answers there, or it is no address of a cluster; with the remedy.
        RuntimeError: with the last line of what went wrong.
    """
    check_address(address)
    code = "from ltm3d.cluster.report import main; main()"
    paths = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "RAY_ADDRESS": address, "PYTHONPATH": paths}
    command = [sys.executable, "-c", code]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"no answer within {TIMEOUT:.0f} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise RuntimeError(lines[-1][:300] if lines else f"the process ended with {done.returncode}")
    found = json.loads(done.stdout.splitlines()[-1])
    return Report(**{**found, "nodes": [Node(**node) for node in found["nodes"]]})


def main() -> None:
    """Print the report of the cluster of RAY_ADDRESS as JSON, on the last line."""
    import ray
    from ray import cloudpickle
    from ray._private.authentication.authentication_utils import is_token_auth_enabled

    context = ray.init(address=os.environ["RAY_ADDRESS"], logging_level="ERROR", log_to_driver=False)
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # a node may lack the checkout
    nodes = [
        Node(address=node["NodeManagerAddress"], num_gpus=int(node["Resources"].get("GPU", 0)), **answer)
        for node, answer in ask_nodes(describe_node, str(Path.cwd()), timeout=TIMEOUT)
    ]
    report = Report(
        nodes=nodes,
        dashboard=str(context.address_info.get("webui_url") or ""),
        has_token=is_token_auth_enabled(),
    )
    ray.shutdown()
    sys.stdout.write(json.dumps(asdict(report)) + "\n")


def describe_node(checkout: str) -> dict[str, object]:
    """Say what this node has; it runs there."""
    versions = {"python": platform.python_version()}
    for name in MUST_AGREE:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = ""
    return {
        "versions": versions,
        "has_checkout": Path(checkout).is_dir(),
        "free_gb": shutil.disk_usage(tempfile.gettempdir()).free / 1e9,
    }


def disagreements(nodes: Sequence[Node]) -> dict[str, str]:
    """Name what is not the same on all nodes, and who has which: {"torch": "2.13.0 on 10.0.0.4, none on 10.0.0.5"}."""
    found = {}
    for name in nodes[0].versions:
        holders: dict[str, list[str]] = {}
        for node in nodes:
            holders.setdefault(node.versions[name] or "none", []).append(node.address)
        if len(holders) > 1:
            found[name] = ", ".join(f"{version} on {' '.join(where)}" for version, where in holders.items())
    return found
