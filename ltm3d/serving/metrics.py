"""What the server counts of itself, in the text format of Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE

from ltm3d.serving.request_queue import RequestQueue

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
LEFT = 499  # the status that is counted for a client that left before its answer

__all__ = ["CONTENT_TYPE", "LEFT", "ServerMetrics"]


class ServerMetrics:
    """Requests, failures, latency and queue of one server.

    Args:
        queue: its length is read whenever the metrics are.
    """

    def __init__(self, queue: RequestQueue) -> None:
        registry = self._registry = CollectorRegistry()
        by = ("path", "status")
        self._requests = Counter("ltm3d_requests", "Answered requests.", by, registry=registry)
        self._failures = Counter("ltm3d_failures", "Answers of status 400 and more.", by, registry=registry)
        self._seconds = Histogram(
            "ltm3d_request_seconds", "To the end of the answer.", ("path",), buckets=SECONDS, registry=registry
        )
        self._shapes = Counter("ltm3d_shapes", "Generated shapes.", ("outcome",), registry=registry)
        held = Gauge("ltm3d_queue_requests", "Requests that wait or are being answered.", registry=registry)
        held.set_function(lambda: queue.num_placed)
        places = Gauge("ltm3d_queue_places", "How many may.", registry=registry)
        places.set(queue.max_waiting + 1)
        ProcessCollector(registry=registry)

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self._requests.labels(path, status).inc()
        self._seconds.labels(path).observe(seconds)
        if status >= 400:
            self._failures.labels(path, status).inc()

    def generated(self, *, has_surface: bool) -> None:
        """Count one shape."""
        self._shapes.labels("made" if has_surface else "no_surface").inc()

    def text(self) -> bytes:
        """Return all of it."""
        return generate_latest(self._registry)
