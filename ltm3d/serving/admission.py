"""Admits a request before its body is read: a place in the queue, limits of size and time, one count in the metrics.

So the bodies in memory are as many as the queue has places, whatever the framework does with them.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Mapping

from fastapi import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ltm3d.serving.metrics import LEFT, ServerMetrics
from ltm3d.serving.request_queue import BusyError, RequestQueue

log = logging.getLogger(__name__)

BODY_TIMEOUT_S = 30.0
SEND_TIMEOUT_S = 60.0
ERROR_CODES = {
    404: "ENDPOINT_NOT_FOUND",
    405: "BAD_REQUEST",
    408: "DEADLINE_EXCEEDED",
    413: "BAD_REQUEST",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}


def refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return an error as MLflow's server words it."""
    code = ERROR_CODES.get(status, "INVALID_PARAMETER_VALUE")
    return JSONResponse({"error_code": code, "message": message}, status, headers)


class Exchange:
    """The messages of one request and its answer, with their limits."""

    def __init__(self, request: Request, send: Send, max_body_bytes: int) -> None:
        self.status = LEFT
        self.is_over = False  # the client has left or reads too slowly
        self._request = request
        self._send = send
        self._max_body_bytes = max_body_bytes
        self._num_bytes = 0
        self._is_complete = False
        self._deadline = asyncio.get_running_loop().time() + BODY_TIMEOUT_S

    async def receive(self) -> Message:
        """Return the next message.

        Raises:
            HTTPException: 413, the body is too large; 408, it is too late.
        """
        if int(self._request.headers.get("content-length") or 0) > self._max_body_bytes:
            raise self._too_large()
        try:
            async with asyncio.timeout_at(None if self._is_complete else self._deadline):
                message = await self._next()
        except TimeoutError as error:
            text = f"the body did not come within {BODY_TIMEOUT_S:g} s: send it again"
            raise HTTPException(408, text) from error
        if self._num_bytes > self._max_body_bytes:
            raise self._too_large()
        return message

    async def _next(self) -> Message:
        message = await self._request.receive()
        self._is_complete |= message["type"] != "http.request" or not message.get("more_body", False)
        self.is_over |= message["type"] == "http.disconnect"
        self._num_bytes += len(message.get("body", b""))
        return message

    def _too_large(self) -> HTTPException:
        text = f"the body has more than {self._max_body_bytes:,} bytes: send smaller pictures or fewer prompts"
        return HTTPException(413, text)

    async def send(self, message: Message) -> None:
        """Send, but not for ever: a client that reads too slowly holds a place."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            waits_for_word = self._request.headers.get("expect", "").lower() == "100-continue"
            if self.status >= 400 and self.status != 408 and not waits_for_word:
                await self._drain()
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._send(message)
        except TimeoutError as error:
            self.is_over = True
            raise ClientDisconnect from error

    async def _drain(self) -> None:
        """Take in what is still being sent: who sends does not listen for an answer yet."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BODY_TIMEOUT_S):
                while not self._is_complete:
                    await self._next()


class Admission:
    """ASGI middleware around the whole server.

    Args:
        placed: paths whose POST requests need a place in the queue.
        counted: paths that the metrics name; all others are "other".
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        queue: RequestQueue,
        metrics: ServerMetrics,
        max_body_bytes: int,
        placed: frozenset[str],
        counted: frozenset[str],
    ) -> None:
        self._app = app
        self._queue = queue
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes
        self._placed = placed
        self._counted = counted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        request = Request(scope, receive)
        exchange = Exchange(request, send, self._max_body_bytes)
        start = time.monotonic()
        try:
            await self._admit(request, exchange)
        except Exception as error:
            if exchange.is_over:
                return
            log.exception("a request failed")
            if exchange.status == LEFT:  # no answer has begun
                response = refusal(500, f"the server failed: {type(error).__name__}")
                await response(scope, exchange.receive, exchange.send)
        finally:
            path = request.url.path if request.url.path in self._counted else "other"
            self._metrics.answered(path, exchange.status, time.monotonic() - start)

    async def _admit(self, request: Request, exchange: Exchange) -> None:
        scope = request.scope
        if request.method != "POST" or request.url.path not in self._placed:
            return await self._app(scope, exchange.receive, exchange.send)
        try:
            with self._queue.place():
                if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                    response = refusal(415, "send the header Content-Type: application/json")
                    return await response(scope, exchange.receive, exchange.send)
                return await self._app(scope, exchange.receive, exchange.send)
        except BusyError as error:
            response = refusal(503, str(error), {"Retry-After": str(error.retry_after_s)})
        await response(scope, exchange.receive, exchange.send)
