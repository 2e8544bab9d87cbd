"""`ltm3d demo` as people use it: a process, a browser, a picture, a shape that turns, a file."""

import json
import os
import shutil
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import browser
import numpy as np
import pytest
import trimesh
from mlflow_database import new_database
from ports import free_port
from processes import running
from prompt_pictures import transparent_box
from small_registry import Registry
from tiny_bundle import make_tiny_bundle

from ltm3d.cli import app
from ltm3d.cli.demo import listen
from ltm3d.errors import Ltm3dError
from ltm3d.registry.registration import resolve_model

needs_browser = pytest.mark.skipif(browser.PROGRAM is None, reason="no Chromium here: apt-get install chromium")
SEEN = (slice(550, 646), slice(435, 531))
COMMAND = [sys.executable, "-c", "from ltm3d.cli.app import main; main()"]
STAGE = (slice(40, 660), slice(440, 1080))  # of the page's picture


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Iterator[str]:
    with demo(tmp_path_factory.mktemp("demo"), repository, "sdf") as url:
        yield url


@contextmanager
def demo(folder: Path, repository: Path, representation: str) -> Iterator[str]:
    """Run the command; gives the page's address."""
    bundle, port = make_tiny_bundle(folder / "bundle", representation), free_port()
    settings = json.loads((bundle / "bundle.json").read_text())
    (bundle / "bundle.json").write_text(json.dumps({**settings, "examples": ["a <red> chair", "a floor lamp"]}))
    command = [*COMMAND, "demo", "--model", str(bundle), "--port", str(port), "--max-waiting", "2"]
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    url = f"http://127.0.0.1:{port}"
    with running(command, health=f"{url}/health", folder=folder, environment=environment) as process:
        yield url
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) in (0, 130, -signal.SIGINT)
    log = (folder / "server.log").read_text()
    assert f"{url}; Ctrl-C ends it" in log and "Traceback" not in log and "ERROR" not in log


def wait_for_file(path: Path) -> None:
    for _ in range(200):
        if path.is_file():
            return
        time.sleep(0.1)
    raise TimeoutError(f"{path} did not come; there are {[file.name for file in path.parent.iterdir()]}")


@pytest.mark.slow
@needs_browser
def test_a_text_and_a_picture_become_shapes_that_turn_and_can_be_taken_away(address: str, tmp_path: Path) -> None:
    picture = tmp_path / "box.png"
    picture.write_bytes(transparent_box())
    with browser.open_browser(1100, 700) as page:
        page.open(address + "/")
        page.wait("location.href !== 'about:blank' && document.readyState === 'complete'")
        page.click("#generate")
        page.wait("document.getElementById('status').textContent.includes('write a text, choose a picture')")

        page.evaluate("document.getElementById('text').value = 'a red chair 🪑'")
        page.evaluate("document.getElementById('seed').value = '3'")
        page.click("#generate")
        page.wait("document.getElementById('status').textContent.includes('faces, seed 3')")
        page.wait("Number(document.getElementById('canvas').dataset.frames) > 1")
        page.wait("document.getElementById('seen').hidden")
        first = page.picture()
        page.wait("Number(document.getElementById('canvas').dataset.frames) > 8")
        second = page.picture()
        page.send("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        page.click("#download")
        wait_for_file(tmp_path / "shape-3.glb")

        page.evaluate("document.getElementById('text').value = ''")
        root = page.send("DOM.getDocument")["root"]["nodeId"]
        node = page.send("DOM.querySelector", nodeId=root, selector="#image")["nodeId"]
        page.send("DOM.setFileInputFiles", files=[str(picture)], nodeId=node)
        page.wait("!document.getElementById('preview').hidden")
        page.evaluate("document.getElementById('seed').value = '5'")
        page.click("#generate")
        page.wait("document.getElementById('status').textContent.includes('faces, seed 5')")
        page.wait("document.querySelector('#seen img').naturalWidth > 0 && !document.getElementById('seen').hidden")
        with_picture = page.picture()

        picture.write_text("no picture")
        page.click("#clear")
        page.send("DOM.setFileInputFiles", files=[str(picture)], nodeId=node)
        page.click("#generate")
        page.wait("document.getElementById('status').textContent.startsWith('the image cannot be read')")
        page.wait("document.getElementById('download').hidden && !document.getElementById('empty').hidden")
        page.wait("document.getElementById('seen').hidden")
        after_error = page.picture()

        page.click("#clear")
        page.click(".chip")
        page.wait("document.getElementById('text').value === 'a <red> chair'")
        page.wait("document.getElementById('status').textContent.includes('faces, seed 5')")
        errors = [line for line in page.console if "400 (Bad Request)" not in line]
        requests = {request.partition("?")[0] for request in page.requests if request.startswith("http")}
    assert errors == [] and requests == {address + "/", address + "/stream"}
    shape = trimesh.load(tmp_path / "shape-3.glb", force="mesh")
    assert len(shape.faces) > 50
    assert (first[STAGE].max(-1) < 200).sum() > 5000, "a shape is seen"
    red, _, blue = np.moveaxis(with_picture[SEEN].astype(int), -1, 0)
    assert (red - blue > 100).sum() > 2000, "what the model saw of the picture stands beside the shape"
    assert (after_error[STAGE].max(-1) < 200).sum() < 4000, "an error leaves no shape of before"
    assert (first[STAGE] != second[STAGE]).any(-1).sum() > 500, "it has turned"


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize(
    ("representation", "said"), [("point_cloud", "2,048 points, seed 3"), ("gaussians", "64 Gaussians, seed 3")]
)
def test_clouds_and_gaussians_turn_too_and_can_be_taken_away(
    representation: str, said: str, tmp_path: Path, repository: Path
) -> None:
    (tmp_path / "demo").mkdir()
    with demo(tmp_path / "demo", repository, representation) as address, browser.open_browser(1100, 700) as page:
        page.open(address + "/")
        page.wait("location.href !== 'about:blank' && document.readyState === 'complete'")
        page.evaluate("document.getElementById('text').value = 'a red chair'")
        page.evaluate("document.getElementById('seed').value = '3'")
        page.click("#generate")
        page.wait("document.getElementById('status').textContent.includes('seed 3')")
        assert page.evaluate("document.getElementById('status').textContent") == said
        page.wait("Number(document.getElementById('canvas').dataset.frames) > 1")
        first = page.picture()[STAGE].astype(int)
        page.wait("Number(document.getElementById('canvas').dataset.frames) > 8")
        second = page.picture()[STAGE].astype(int)
        page.send("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
        page.click("#download")
        wait_for_file(tmp_path / "shape-3.ply")
        errors = page.console
    assert errors == []
    assert len(trimesh.load(tmp_path / "shape-3.ply").vertices) == (2048 if representation == "point_cloud" else 64)
    assert (first[..., 0] - first[..., 2] > 60).sum() > 5000, "a red ball is seen"
    assert (first != second).any(-1).sum() > 500, "it has turned"


@pytest.mark.slow
def test_the_demo_answers_programs_too(address: str) -> None:
    body = json.dumps({"inputs": [{"text": "a red chair"}]}).encode()
    request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert json.load(answer)["predictions"][0]["num_faces"] > 50


@pytest.mark.slow
@needs_browser
def test_the_api_and_the_metrics_are_seen_in_a_browser(address: str, tmp_path: Path) -> None:
    with browser.open_browser(1100, 900) as page:
        page.open(f"{address}/docs")
        page.wait("document.querySelectorAll('.opblock').length === 4")
        paths = page.evaluate("[...document.querySelectorAll('.opblock-summary-path')].map(e => e.dataset.path)")
        page.picture(tmp_path / "docs.png")
        errors = list(page.console)  # of text alone the browser asks for an icon
        page.open(f"{address}/metrics")
        page.wait('document.body.innerText.includes(\'ltm3d_requests_total{path="/docs",status="200"} 1.0\')')
        page.picture(tmp_path / "metrics.png")
        asked = page.requests
    assert paths == ["/healthz", "/metrics", "/invocations", "/stream"] and errors == []
    assert all(url.startswith((address, "data:", "blob:", "about:")) for url in asked)


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Ltm3dError, match=f"127.0.0.1 port {port}: .*; give another --port"):
            listen("127.0.0.1", port)
    with listen("127.0.0.1", 0) as free:
        assert free.getsockname()[1] > 0


@pytest.mark.parametrize("command", ["demo", "serve"])
def test_an_absent_model_is_one_line(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    absent = f"error: {tmp_path}/mlflow.db does not exist"
    for arguments, message in (([], absent), (["--model", "nowhere"], "error: nowhere")):
        with pytest.raises(SystemExit) as raised:
            app.main([command, *arguments])
        assert str(raised.value.code).startswith(message) and "\n" not in str(raised.value.code)
    assert capsys.readouterr().out == ""


def test_a_registered_version_that_cannot_be_served_is_one_line(tmp_path: Path) -> None:
    registry = Registry(tmp_path, new_database(tmp_path))

    def said(model: str, command: str) -> str:
        with pytest.raises(SystemExit) as raised:
            app.main([command, "--model", model, "--port", "0", "--tracking-uri", registry.uri])
        return str(raised.value.code)

    version = registry.add([0.1] * 4)
    stored = resolve_model(f"models:/{registry.name}/{version}", registry.uri)
    without_champion = said(f"models:/{registry.name}@champion", "demo")
    weights = stored / "condition_encoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    tampered = said(f"models:/{registry.name}/{version}", "serve")
    shutil.rmtree(stored)
    gone = said(f"models:/{registry.name}@challenger", "demo")
    assert "`ltm3d promote` makes a challenger champion" in without_champion
    assert "are not those that were registered" in tampered
    assert "is registered, but its files are gone" in gone
    assert all(line.startswith("error: ") and "\n" not in line for line in (without_champion, tampered, gone))
