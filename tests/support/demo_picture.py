"""Make docs/pictures/demo_page.png: `demo_picture.py OUT [MODEL]`.

Without a model of one's own one is made that knows a single chair, whatever it is asked: the picture is of the page.
"""

import os
import signal
import sys
import tempfile
from pathlib import Path

import numpy as np
from browser import open_browser
from imports import REPOSITORY
from ports import free_port
from processes import running
from tiny_bundle import SEED, write_tiny_bundle
from tiny_tokenizers import train_mesh_tokenizer

from ltm3d.geometry.decimation import decimate
from ltm3d.geometry.mesh import concatenate
from ltm3d.geometry.normalize import normalize
from ltm3d.procedural.objects import draw_object, part_meshes

WIDTH, HEIGHT = 1100, 640
CHAIR = draw_object("chair", seed=9, index=28)
MAX_BYTES = 200_000
COMMAND = [sys.executable, "-c", "from ltm3d.cli.app import main; main()", "demo"]


def make_chair_model(folder: Path) -> None:
    """Write a model that gives one chair."""
    whole, _ = normalize(concatenate(part_meshes("chair", CHAIR.attributes, CHAIR.parameters)))
    few, _ = decimate(whole, max_faces=240, max_error=0.1, rng=np.random.default_rng(SEED))
    write_tiny_bundle(folder, train_mesh_tokenizer(SEED, few, num_cells=64, num_steps=800))


def take(out: Path, model: str, folder: Path) -> None:
    """Serve a model, ask its page for a shape, and write what is seen when it turns."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [*COMMAND, "--model", model, "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with running(command, health=f"{url}/health", folder=folder, environment=environment) as process:
        with open_browser(WIDTH, HEIGHT) as page:
            page.open(url + "/")
            page.wait("location.href !== 'about:blank' && document.readyState === 'complete'")
            page.evaluate("document.querySelector('details').open = true")
            page.evaluate(f"document.getElementById('text').value = {CHAIR.caption!r}")
            page.evaluate("document.getElementById('seed').value = '3'")
            page.click("#generate")
            page.wait("document.getElementById('status').textContent.includes('seed 3')", timeout_s=120)
            page.wait("Number(document.getElementById('canvas').dataset.frames) > 8")
            page.picture(out)
            assert page.console == []
        os.killpg(process.pid, signal.SIGINT)
        process.wait(30)
    assert out.stat().st_size < MAX_BYTES


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = sys.argv[2] if len(sys.argv) > 2 else "one-chair"
        if len(sys.argv) <= 2:
            make_chair_model(folder / model)
        take(Path(sys.argv[1]).resolve(), model, folder)
