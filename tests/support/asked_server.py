"""The shape server in a thread on the loopback, asked as any client asks."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from ltm3d.serving.request_queue import RequestQueue
from ltm3d.serving.requests import RequestLimits
from ltm3d.serving.server import ShapeServer

LIMITS = RequestLimits(max_batch=3, max_body_bytes=200_000, max_image_bytes=100_000, max_steps=500)
WAIT_S = 30


@contextmanager
def running(app: ShapeServer) -> Iterator[int]:
    """Serve in a thread; gives the port."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app.app, lifespan="off", log_level="critical"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(WAIT_S)
        app.queue.close()


def ask(
    port: int, path: str, body: Any = None, *, method: str = "POST", kind: str = "application/json"
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one answer; a body that is no text is sent as JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method, path, data, {"Content-Type": kind})
    response = connection.getresponse()
    answer = response.status, {key.lower(): value for key, value in response.getheaders()}, response.read()
    connection.close()
    return answer


def wait_for(condition: Any) -> None:
    for _ in range(WAIT_S * 50):
        if condition():
            return
        time.sleep(0.02)
    raise TimeoutError


@contextmanager
def held(queue: RequestQueue) -> Iterator[None]:
    """Keep the generator busy for a block."""
    release = threading.Event()
    job = queue.generate(lambda: release.wait(WAIT_S))
    try:
        yield
    finally:
        release.set()
        job.result(WAIT_S)
