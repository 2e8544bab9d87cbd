"""What the machine does meanwhile: processor, memory, disk, network, GPU, under MLflow's own names."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

INTERVAL_S = 10.0


class SystemSampler:
    """Log the machine's metrics every few seconds, through the spool like any other metric.

    MLflow's own sampler would send straight to the server, and wait for it.

    Args:
        emit: takes metrics and a step.
        started: when the run began, seconds; steps count the intervals since then, so they go on after a restart.
    """

    def __init__(self, emit: Callable[[dict[str, float], int], None], *, started: float) -> None:
        self._emit = emit
        self._started = started
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="system-metrics", daemon=True)

    def start(self) -> None:
        """Begin to sample in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Take one last sample and end."""
        self._stopping.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        try:
            monitors = _monitors()
            while True:
                stopped = self._stopping.wait(INTERVAL_S)
                self._emit(sample(monitors), int((time.time() - self._started) / INTERVAL_S))
                if stopped:
                    return
        except Exception:  # metrics of the machine are never a reason to end a stage
            log.warning("the machine's metrics are no longer logged", exc_info=True)


def sample(monitors: list[Any]) -> dict[str, float]:
    """Return the metrics of MLflow's monitors now."""
    metrics = {}
    for monitor in monitors:
        monitor.collect_metrics()
        metrics.update({f"system/{name}": float(value) for name, value in monitor.aggregate_metrics().items()})
        monitor.clear_metrics()
    return metrics


def _monitors() -> list[Any]:
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

    monitors = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    try:
        monitors.append(GPUMonitor())
    except Exception:  # no NVIDIA library or no card
        log.debug("no GPU metrics", exc_info=True)
    sample(monitors)  # processor shares are counted from one look to the next
    return monitors
