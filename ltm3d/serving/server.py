"""A small HTTP server for one model: MLflow's requests and answers, a stream that shows progress, and the demo page.

POST /invocations  as `mlflow models serve`: {"inputs": [{…}]} → {"predictions": [{…}]}
POST /stream       one prompt {…} → lines of JSON: {"before": 2}, {"step": 4, "of": 16}, …, {"answer": {…}, "view": {…}}
GET  /health       the model, the limits and how many requests hold a place
GET  /             the demo page, where it is wanted

A request takes its place in the line before its body is read, so the bodies in memory are as many as there are places.
"""

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.types import Message, Receive, Scope, Send

from ltm3d.errors import ConfigError, PromptError
from ltm3d.generator.bundle import ShapeGenerator
from ltm3d.serving.generation import PreparedPrompt, answer, prepare_batch
from ltm3d.serving.line import BusyError, Line
from ltm3d.serving.page import CONTENT_POLICY, view_of
from ltm3d.serving.requests import RequestLimits, ShapeRequest, parse_batch, parse_prompt, read_batch
from ltm3d.tokenizers.shape import Shape

log = logging.getLogger(__name__)

BODY_TIMEOUT_S = 30.0
SEND_TIMEOUT_S = 60.0
LOOK_INTERVAL_S = 0.2  # between two looks at a running generation


class LeftError(Exception):
    """The asker has closed the connection."""


class Incoming:
    """An ASGI `receive` that knows whether the body has come to its end."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._is_complete = False

    async def __call__(self) -> Message:
        """Return the next message."""
        message = await self._receive()
        self._is_complete |= message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def discard(self) -> None:
        """Take in what is still being sent: who sends does not listen for an answer yet."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BODY_TIMEOUT_S):
                while not self._is_complete:
                    await self()


class RefusedError(Exception):
    """A request that is answered with an error status."""

    def __init__(self, status: int, code: str, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        self.response = JSONResponse({"error_code": code, "message": message}, status, headers)


@dataclass
class Progress:
    """How far a request is; written by the thread that generates, read by the one that answers."""

    step: int = 0
    num_steps: int = 0


class ShapeServer:
    """The ASGI application.

    Args:
        model: the model's address, for people.
        page: the demo page's text, or None.
    """

    def __init__(
        self, generator: ShapeGenerator, *, model: str, limits: RequestLimits, line: Line, page: str | None = None
    ) -> None:
        self.generator = generator
        self.model = model
        self.limits = limits
        self.line = line
        self.page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        incoming = Incoming(receive)
        request = Request(scope, incoming)
        try:
            try:
                await self._respond(request, send)
            except BusyError as error:
                raise _busy(error) from error
            except (RefusedError, LeftError, ClientDisconnect):
                raise
            except Exception as error:
                log.exception("a request failed")
                raise RefusedError(500, "INTERNAL_ERROR", f"the server failed: {type(error).__name__}") from error
        except RefusedError as error:
            waits_for_word = request.headers.get("expect", "").lower() == "100-continue"
            if not waits_for_word and error.response.status_code != 408:
                await incoming.discard()
            await error.response(scope, receive, send)
        except (LeftError, ClientDisconnect):
            return

    async def _respond(self, request: Request, send: Send) -> None:
        routes: dict[str, tuple[str, Callable[[Request, Send], Awaitable[None]]]] = {
            "/": ("GET", self._show_page),
            "/health": ("GET", self._health),
            "/ping": ("GET", self._health),
            "/invocations": ("POST", self._invocations),
            "/stream": ("POST", self._stream),
        }
        if request.url.path not in routes:
            raise _refused(404, f"there is nothing at {request.url.path}; ask {', '.join(routes)}")
        method, respond = routes[request.url.path]
        if request.method not in ("GET", "HEAD") if method == "GET" else request.method != method:
            raise _refused(405, f"{request.url.path} takes {method}, not {request.method}")
        await respond(request, send)

    async def _show_page(self, request: Request, send: Send) -> None:
        if self.page is None:
            raise _refused(404, "this server has no page; start it with `ltm3d demo`")
        response = HTMLResponse(self.page, headers={"Content-Security-Policy": CONTENT_POLICY})
        await response(request.scope, request.receive, send)

    async def _health(self, request: Request, send: Send) -> None:
        health = {
            "model": self.model,
            "representation": self.generator.config.representation,
            "requests": self.line.num_placed,
            "max_waiting": self.line.max_waiting,
            "limits": asdict(self.limits),
        }
        await JSONResponse(health)(request.scope, request.receive, send)

    async def _invocations(self, request: Request, send: Send) -> None:
        with self.line.place():
            made = await self._generate(request, await self._read(request, parse_batch), on_look=None)
            response = JSONResponse({"predictions": [result.model_dump() for result, _ in made]})
            await _in_time(response(request.scope, request.receive, send))

    async def _stream(self, request: Request, send: Send) -> None:
        """Answer in lines; a bad prompt is refused with a status of its own, before the first of them."""

        async def tell(content: dict[str, Any]) -> None:
            text = json.dumps(content, separators=(",", ":")) + "\n"
            await _in_time(send({"type": "http.response.body", "body": text.encode(), "more_body": True}))

        with self.line.place():
            prompts = await self._read(request, lambda body: [parse_prompt(body)])
            headers = [(b"content-type", b"application/x-ndjson"), (b"cache-control", b"no-store")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            try:
                [(result, shape)] = await self._generate(request, prompts, on_look=tell)
                await tell({"answer": result.model_dump(), "view": None if shape is None else view_of(shape)})
            except RefusedError as error:  # the status is sent
                await tell({"failed": str(error)})
            await send({"type": "http.response.body", "body": b""})

    async def _read(self, request: Request, parse: Callable[[bytearray], list[ShapeRequest]]) -> list[PreparedPrompt]:
        body = await _read_body(request, self.limits.max_body_bytes)

        def work() -> list[PreparedPrompt]:
            return prepare_batch(self.generator, read_batch(parse(body), self.limits), self.limits)

        try:
            return await asyncio.wrap_future(self.line.open(work))
        except (PromptError, ConfigError) as error:
            raise _refused(400, str(error)) from error

    async def _generate(
        self,
        request: Request,
        prompts: Sequence[PreparedPrompt],
        *,
        on_look: Callable[[dict[str, Any]], Awaitable[None]] | None,
    ) -> list[tuple[Any, Shape | None]]:
        """Wait for the turn and for the shapes; both end when the asker leaves."""
        left = threading.Event()
        progress = Progress()

        def on_step(step: int, num_steps: int) -> None:
            progress.step, progress.num_steps = step, num_steps
            if left.is_set():
                raise LeftError

        job = self.line.generate(lambda: [answer(self.generator, prompt, on_step) for prompt in prompts])
        done = asyncio.wrap_future(job)
        leaving = asyncio.create_task(_wait_until_left(request))
        either: set[asyncio.Future[Any]] = {done, leaving}
        said = None
        try:
            while not done.done():
                if leaving.done():
                    raise LeftError
                await asyncio.wait(either, timeout=LOOK_INTERVAL_S, return_when=asyncio.FIRST_COMPLETED)
                seen = (
                    {"step": progress.step, "of": progress.num_steps}
                    if progress.num_steps
                    else {"before": self.line.num_before(job)}
                )
                if on_look is not None and seen != said:
                    await on_look(seen)
                    said = seen
            return done.result()
        except (PromptError, ConfigError) as error:
            raise _refused(400, str(error)) from error
        except Exception as error:
            if isinstance(error, LeftError):
                raise
            log.exception("a generation failed")
            raise RefusedError(500, "INTERNAL_ERROR", f"the model failed: {type(error).__name__}") from error
        finally:
            left.set()
            done.cancel()
            leaving.cancel()


async def _read_body(request: Request, limit: int) -> bytearray:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise _refused(415, "send the header Content-Type: application/json")
    too_large = _refused(413, f"the body has more than {limit:,} bytes: send smaller pictures or fewer prompts")
    if int(request.headers.get("content-length") or 0) > limit:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise too_large
    except TimeoutError as error:
        raise _refused(408, f"the body did not come within {BODY_TIMEOUT_S:g} s: send it again") from error
    return body


async def _wait_until_left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _in_time(sending: Awaitable[None]) -> None:
    """Send, but not for ever: who reads too slowly holds a place."""
    try:
        await asyncio.wait_for(sending, SEND_TIMEOUT_S)
    except TimeoutError as error:
        raise LeftError from error


def _busy(error: BusyError) -> RefusedError:
    return RefusedError(503, "TEMPORARILY_UNAVAILABLE", str(error), retry_after_s=error.retry_after_s)


def _refused(status: int, message: str) -> RefusedError:
    codes = {404: "ENDPOINT_NOT_FOUND", 405: "BAD_REQUEST", 408: "DEADLINE_EXCEEDED", 413: "BAD_REQUEST"}
    return RefusedError(status, codes.get(status, "INVALID_PARAMETER_VALUE"), message)
