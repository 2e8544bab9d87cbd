"""What both evaluation stages share: assets over Ray's workers, and figures into MLflow."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ltm3d.tracking.run import Tracker


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


def log_document(tracker: Tracker, document: Mapping[str, Any]) -> None:
    """Log every number of a metrics document under its path; `@` and `^` are not for MLflow's names."""
    tracker.log_metrics(dict(_numbers(document, "")))


def _numbers(node: Any, path: str) -> list[tuple[str, float]]:
    if isinstance(node, Mapping):
        return [
            item for name, child in node.items() for item in _numbers(child, f"{path}/{name}" if path else str(name))
        ]
    if isinstance(node, int | float):
        return [(path.replace("@", "_at_").replace("^", "_"), float(node))]
    return []
