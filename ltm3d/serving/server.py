"""One model behind HTTP: MLflow's requests and answers, a stream that shows progress, and the demo page.

POST /invocations  as `mlflow models serve`: {"inputs": [{…}]} → {"predictions": [{…}]}
POST /stream       one prompt {…} → lines of JSON: {"before": 2}, {"step": 4, "of": 16}, …, {"answer": {…}, "view": {…}}
GET  /healthz      the model, the limits and how many requests hold a place; also /health and /ping
GET  /metrics      requests, failures, latency and queue, for Prometheus
GET  /docs         the API with its types, to read and to try
GET  /             the demo page, where it is wanted
"""

import asyncio
import json
import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

import ltm3d
from ltm3d.errors import ConfigError, PromptError
from ltm3d.generator.bundle import ShapeGenerator
from ltm3d.serving.admission import Admission, refusal
from ltm3d.serving.generation import PreparedPrompt, answer, prepare_batch
from ltm3d.serving.metrics import CONTENT_TYPE, ServerMetrics
from ltm3d.serving.page import CONTENT_POLICY, view_of
from ltm3d.serving.request_queue import RequestQueue
from ltm3d.serving.requests import (
    Health,
    Predictions,
    Refusal,
    RequestLimits,
    ShapeAnswer,
    ShapeBatch,
    ShapeRequest,
    describe_fault,
    read_batch,
)
from ltm3d.tokenizers.shape import Shape

log = logging.getLogger(__name__)

LOOK_INTERVAL_S = 0.2  # between two looks at a running generation
PLACED = frozenset({"/invocations", "/stream"})
PATHS = ("/", "/healthz", "/health", "/ping", "/metrics", "/docs", *sorted(PLACED))
REFUSALS: dict[int | str, dict[str, Any]] = {status: {"model": Refusal} for status in (400, 408, 413, 415, 500, 503)}


class ShapeServer:
    """The endpoints of one model; `app` is the ASGI application.

    Args:
        model: the model's address, for people.
        page: the demo page's text, or None.
    """

    def __init__(
        self,
        generator: ShapeGenerator,
        *,
        model: str,
        limits: RequestLimits,
        queue: RequestQueue,
        page: str | None = None,
    ) -> None:
        self.generator = generator
        self.limits = limits
        self.queue = queue
        self._model = model
        self._page = page
        self._metrics = ServerMetrics(queue)
        self.app = self._build()

    def _build(self) -> FastAPI:
        app = FastAPIOffline(
            title="ltm3d", version=ltm3d.__version__, summary=f"Shapes by {self._model}", redoc_url=None
        )
        app.add_middleware(
            Admission,
            queue=self.queue,
            metrics=self._metrics,
            max_body_bytes=self.limits.max_body_bytes,
            placed=PLACED,
            counted=frozenset(PATHS),
        )
        for path, respond in (("/", self._show_page), ("/health", self._health), ("/ping", self._health)):
            app.add_api_route(path, respond, methods=["GET", "HEAD"], include_in_schema=False)
        app.add_api_route("/healthz", self._health, response_model=Health)
        app.add_api_route("/metrics", self._show_metrics, response_class=Response)
        app.add_api_route(
            "/invocations", self._invocations, methods=["POST"], response_model=Predictions, responses=REFUSALS
        )
        app.add_api_route(
            "/stream", self._stream, methods=["POST"], response_class=StreamingResponse, responses=REFUSALS
        )
        app.add_exception_handler(StarletteHTTPException, _refuse_http)
        app.add_exception_handler(RequestValidationError, _refuse_form)
        app.add_exception_handler(PromptError, _refuse_prompt)
        app.add_exception_handler(ConfigError, _refuse_prompt)
        return app

    async def _show_page(self) -> Response:
        if self._page is None:
            raise HTTPException(404, "this server has no page; start it with `ltm3d demo`")
        return HTMLResponse(self._page, headers={"Content-Security-Policy": CONTENT_POLICY})

    async def _health(self) -> Health:
        """Tell the model, its limits and how many requests hold a place."""
        return Health(
            model=self._model,
            representation=self.generator.config.representation,
            requests=self.queue.num_placed,
            max_waiting=self.queue.max_waiting,
            limits=asdict(self.limits),
        )

    async def _show_metrics(self) -> Response:
        """Requests, failures, latency and queue in the text format of Prometheus."""
        return Response(self._metrics.text(), media_type=CONTENT_TYPE)

    async def _invocations(self, batch: ShapeBatch, request: Request) -> Predictions:
        """Generate one shape for each prompt; all prompts are checked before the first shape is made."""
        job = self._start(await self._prepare(batch.inputs))
        async with aclosing(job.progress()) as looks:
            async for _ in looks:
                if await request.is_disconnected():
                    raise ClientDisconnect
        return Predictions(predictions=[made for made, _ in job.result()])

    async def _stream(self, prompt: ShapeRequest) -> StreamingResponse:
        """Generate one shape and tell its progress in lines of JSON; a bad prompt is refused before the first line."""
        try:
            prepared = await self._prepare([prompt])
        except PromptError as error:
            raise PromptError(str(error).removeprefix("inputs[0]: ")) from error
        job = self._start(prepared)
        return StreamingResponse(_lines(job), media_type="application/x-ndjson", headers={"Cache-Control": "no-store"})

    async def _prepare(self, requests: Sequence[ShapeRequest]) -> list[PreparedPrompt]:
        def work() -> list[PreparedPrompt]:
            return prepare_batch(self.generator, read_batch(requests, self.limits), self.limits)

        return await asyncio.wrap_future(self.queue.open(work))

    def _start(self, prompts: Sequence[PreparedPrompt]) -> "_Job":
        return _Job(self.generator, self.queue, prompts, self._metrics)


class _Job:
    """The shapes of one request, waiting or being generated by another thread."""

    def __init__(
        self,
        generator: ShapeGenerator,
        queue: RequestQueue,
        prompts: Sequence[PreparedPrompt],
        metrics: ServerMetrics,
    ) -> None:
        self._queue = queue
        self._metrics = metrics
        self._left = threading.Event()
        self._step: dict[str, int] | None = None
        self._future = queue.generate(lambda: [answer(generator, prompt, self._on_step) for prompt in prompts])

    def _on_step(self, step: int, num_steps: int) -> None:
        self._step = {"step": step, "of": num_steps}
        if self._left.is_set():
            raise ClientDisconnect

    async def progress(self) -> AsyncGenerator[dict[str, int], None]:
        """Yield how far the request is, every now and then until it is done; its end ends the generation, too."""
        done = asyncio.wrap_future(self._future)
        try:
            while not done.done():
                await asyncio.wait({done}, timeout=LOOK_INTERVAL_S)
                yield self._step or {"before": self._queue.num_before(self._future)}
        finally:
            self._left.set()
            done.cancel()

    def result(self) -> list[tuple[ShapeAnswer, Shape | None]]:
        """Return the answers when `progress` has come to its end.

        Raises:
            HTTPException: 500, the model failed.
        """
        try:
            made = self._future.result(timeout=0)
        except (PromptError, ConfigError):
            raise
        except Exception as error:
            log.exception("a generation failed")
            raise HTTPException(500, f"the model failed: {type(error).__name__}") from error
        for _, shape in made:
            self._metrics.generated(has_surface=shape is not None)
        return made


async def _lines(job: _Job) -> AsyncIterator[str]:
    said = None
    async with aclosing(job.progress()) as looks:
        async for seen in looks:
            if seen != said:
                yield _line(seen)
                said = seen
    try:
        [(made, shape)] = job.result()
    except (HTTPException, PromptError, ConfigError) as error:  # the status is sent
        yield _line({"failed": error.detail if isinstance(error, HTTPException) else str(error)})
        return
    yield _line({"answer": made.model_dump(), "view": None if shape is None else view_of(shape)})


def _line(content: dict[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":")) + "\n"


async def _refuse_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)
    message = {
        400: "the body is not JSON; send JSON in UTF-8",  # the framework's only one
        404: f"there is nothing at {request.url.path}; ask {', '.join(PATHS)}",
        405: f"{request.url.path} does not take {request.method}",
    }
    own = isinstance(error, HTTPException) and error.status_code != 400
    return refusal(error.status_code, error.detail if own else message[error.status_code], error.headers)


async def _refuse_form(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return refusal(400, describe_fault(error.errors()[0], is_batch=request.url.path == "/invocations"))


async def _refuse_prompt(_: Request, error: Exception) -> JSONResponse:
    return refusal(400, str(error))
