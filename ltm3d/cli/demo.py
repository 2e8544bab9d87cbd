"""`ltm3d serve` and `ltm3d demo`: one model behind a small HTTP server, without and with a page for people."""

import socket
from typing import Annotated

import typer

from ltm3d import api
from ltm3d.api import DEFAULT_TRACKING_URI, Device
from ltm3d.cli.generate import TrackingUri
from ltm3d.cli.model_choice import Model, Name, Representation, chosen_model
from ltm3d.errors import Ltm3dError

KEEP_ALIVE_S = 5

Host = Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 = reachable from other machines.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 = any free one.")]
OnDevice = Annotated[Device, typer.Option(help="Where to compute.")]
MaxWaiting = Annotated[int, typer.Option(min=0, help="Requests that may wait; one more is answered with 503.")]
MaxBatch = Annotated[int, typer.Option(min=1, help="Prompts in one request.")]
MaxSteps = Annotated[int, typer.Option(min=1, help="Steps that a prompt may ask for.")]


def serve(
    name: Name = "",
    representation: Representation = "sdf",
    model: Model = None,
    host: Host = "127.0.0.1",
    port: Port = 5001,
    device: OnDevice = "auto",
    max_waiting: MaxWaiting = 8,
    max_batch: MaxBatch = 8,
    max_steps: MaxSteps = 128,
    tracking_uri: TrackingUri = DEFAULT_TRACKING_URI,
) -> None:
    """Serve a model: POST /invocations as with `mlflow models serve`, but with a limit to what waits.

    Example:

        ltm3d serve --model models:/ltm3d-sdf@champion --port 5001
    """
    run_server(
        model=chosen_model(model, name, representation),
        host=host,
        port=port,
        device=device,
        max_waiting=max_waiting,
        max_batch=max_batch,
        max_steps=max_steps,
        tracking_uri=tracking_uri,
        has_page=False,
    )


def demo(
    name: Name = "",
    representation: Representation = "sdf",
    model: Model = None,
    host: Host = "127.0.0.1",
    port: Port = 5001,
    device: OnDevice = "auto",
    max_waiting: MaxWaiting = 8,
    tracking_uri: TrackingUri = DEFAULT_TRACKING_URI,
) -> None:
    """Serve a model with a page: a picture or a text in, the shape turns in the browser and can be downloaded.

    Example:

        ltm3d demo --port 5001, then open http://127.0.0.1:5001
    """
    run_server(
        model=chosen_model(model, name, representation),
        host=host,
        port=port,
        device=device,
        max_waiting=max_waiting,
        max_batch=8,
        max_steps=128,
        tracking_uri=tracking_uri,
        has_page=True,
    )


def run_server(
    *,
    model: str,
    host: str,
    port: int,
    device: Device,
    max_waiting: int,
    max_batch: int,
    max_steps: int,
    tracking_uri: str,
    has_page: bool,
) -> None:
    """Load the model, say where the server is, and serve until Ctrl-C.

    Raises:
        Ltm3dError: no such model, or the port is taken.
    """
    if model.startswith("models:"):
        api.check_registry(tracking_uri)  # before what takes seconds to import
    import uvicorn

    from ltm3d.serving.page import demo_page
    from ltm3d.serving.request_queue import RequestQueue
    from ltm3d.serving.requests import RequestLimits
    from ltm3d.serving.server import ShapeServer

    limits = RequestLimits(max_batch=max_batch, max_steps=max_steps)
    loaded = api.load(model, tracking_uri=tracking_uri, device=device)
    examples = loaded.generator.config.examples
    page = demo_page(model=loaded.label, limits=limits, examples=examples) if has_page else None
    queue = RequestQueue(max_waiting)
    server = ShapeServer(loaded.generator, model=model, limits=limits, queue=queue, page=page)
    config = uvicorn.Config(
        server.app, host=host, port=port, lifespan="off", log_level="warning", timeout_keep_alive=KEEP_ALIVE_S
    )
    listening = listen(host, port)
    address = f"http://{host}:{listening.getsockname()[1]}"
    typer.echo(f"{loaded.label} at {address}" + ("" if has_page else "/invocations") + "; Ctrl-C ends it")
    try:
        uvicorn.Server(config).run([listening])
    finally:
        queue.close()


def listen(host: str, port: int) -> socket.socket:
    """Take a port.

    Raises:
        Ltm3dError: it is taken, or there is no such address.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise Ltm3dError(f"{host} port {port}: {error.strerror or error}; give another --port or --host") from error
