"""The registered model as a stranger loads it: MLflow's loader, in a process that has no ltm3d of its own."""

import base64
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from mlflow_database import new_database
from PIL import Image
from tiny_bundle import make_tiny_bundle

from ltm3d.tracking.client import experiment_id, open_client
from ltm3d.tracking.registry import RegisteredVersion, register_model, resolve_model

STRANGER = """
import json, sys
sys.path[:] = [path for path in sys.path if path not in ("", sys.argv[3])]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
import ltm3d
assert "code" in ltm3d.__file__, ltm3d.__file__
answers = model.predict(json.load(sys.stdin))
print("ANSWERS" + json.dumps([answer.model_dump() for answer in answers]))
"""


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, RegisteredVersion]:
    folder = tmp_path_factory.mktemp("served")
    uri = new_database(folder)
    client = open_client(uri)
    version = register_model(
        bundle=make_tiny_bundle(folder / "bundle"),
        name="ltm3d-sdf",
        metrics={},
        tags={},
        artifacts=[],
        tracking_uri=uri,
        run=client.create_run(experiment_id(client, uri, "test")).info.run_id,
    )
    return uri, version


def picture(alpha: int) -> str:
    pixels = np.zeros((40, 60, 4), np.uint8)
    pixels[10:30, 20:50] = (200, 60, 40, alpha)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_prompts_go_in_and_shapes_come_out_elsewhere(
    registered: tuple[str, RegisteredVersion], repository: Path, tmp_path: Path
) -> None:
    uri, version = registered
    requests = [
        {"text": "a red chair", "seed": 1},
        {"text": "a red chair", "seed": 1},
        {"image": picture(255), "guidance_scale": 1.5, "num_steps": 1},
        {"image": picture(255), "text": "a lamp", "seed": 7},
        {"image": "not base64!"},
        {"image": picture(0)},
        {"seed": 3},
        {"text": "a chair", "num_steps": 0},
    ]
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, uri, version.uri, str(repository)],
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        timeout=300,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = json.loads(done.stdout.partition("ANSWERS")[2])
    for answer in answers[:4]:
        assert answer["error"] is None
        mesh = trimesh.load(io.BytesIO(base64.b64decode(answer["glb"])), file_type="glb", force="mesh")
        assert len(mesh.faces) == answer["num_faces"] > 50
    assert answers[0] == answers[1]
    for answer in answers[4:]:
        assert answer["glb"] is None and answer["error"]
    assert "base64" in answers[4]["error"] and "transparent" in answers[5]["error"]


def test_the_signature_comes_from_the_type_hints(registered: tuple[str, RegisteredVersion]) -> None:
    import yaml

    uri, version = registered
    description = yaml.safe_load((resolve_model(version.uri, uri).parents[1] / "MLmodel").read_text())
    assert description["is_signature_from_type_hint"] is True
    (request,) = json.loads(description["signature"]["inputs"])
    assert set(request["properties"]) == {"image", "text", "seed", "guidance_scale", "num_steps"}
    assert description["saved_input_example_info"]["artifact_path"] == "input_example.json"
