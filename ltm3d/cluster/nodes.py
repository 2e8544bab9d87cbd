"""What a driver asks of the Ray cluster it has joined: each of its nodes, and whether strangers reach its dashboard."""

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any


def ask_nodes(function: Callable[..., Any], *arguments: Any, timeout: float | None = None) -> list[tuple[Any, Any]]:
    """Run a function on every living node of the cluster.

    Args:
        function: travels by value where its module is registered so (`ray.cloudpickle.register_pickle_by_value`), or
            where it is defined within another: a node without the checkout could not import it.
        timeout: seconds for all of them; None = no end.

    Returns:
        A pair a node: what `ray.nodes()` says of it, and its answer.

    Raises:
        ray.exceptions.GetTimeoutError: a node did not answer in time.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    alive: list[Mapping[str, Any]] = [node for node in ray.nodes() if node["Alive"]]
    task = ray.remote(num_cpus=0)(function)
    asked = [
        task.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)).remote(*arguments)
        for node in alive
    ]
    return list(zip(alive, ray.get(asked, timeout=timeout), strict=True))


def is_exposed(dashboard: str, *, has_token: bool) -> bool:
    """Say whether whoever reaches a dashboard may run code: it is not on the loopback, and asks for no token.

    Args:
        dashboard: HOST:PORT that it listens on; empty = there is none.
    """
    host = dashboard.rpartition(":")[0].strip("[]")
    return bool(dashboard) and not has_token and not is_loopback(host)


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
