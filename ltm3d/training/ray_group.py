"""Ray Train's process group of torch, whose workers are told where to listen before they meet.

A module of its own, as Ray's controller imports these classes: it needs nothing else of ours.
"""

import os
from typing import Any

import ray
from ray.train.torch import TorchConfig

from ltm3d.training.interface import choose_interface


class MeetingBackend(TorchConfig().backend_cls):  # type: ignore[misc]
    """Ray's own, after each worker has chosen its interface."""

    def on_start(self, worker_group: Any, backend_config: TorchConfig) -> None:
        """Make the process group."""
        worker_group.execute(meet_on_node_address)
        super().on_start(worker_group, backend_config)


class MeetingConfig(TorchConfig):
    """Settings of the group, as Ray's."""

    @property
    def backend_cls(self) -> type[MeetingBackend]:
        """The class that makes the group."""
        return MeetingBackend


def meet_on_node_address() -> None:
    """Have gloo listen where Ray reaches this machine; it runs in each worker."""
    choose_interface(ray.util.get_node_ip_address(), os.environ)
