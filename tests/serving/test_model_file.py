"""The registered model as a stranger has it: from the registry, in a process that has no ltm3d of its own."""

import json
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bare_environment import make_environment
from mlflow_database import new_database
from ports import free_port
from processes import running
from prompt_pictures import huge, to_base64, transparent_box
from shape_files import INRIA, ply_properties, shape_in
from tiny_bundle import make_tiny_bundle
from tiny_tokenizers import RADIUS

from ltm3d.registry.logged_model import current_server
from ltm3d.registry.registration import RegisteredVersion, register_model, resolve_model
from ltm3d.tracking.client import experiment_id, open_client

WAIT_S = 120


def register(folder: Path, uri: str, representation: str) -> RegisteredVersion:
    client = open_client(uri)
    return register_model(
        bundle=make_tiny_bundle(folder / representation, representation),
        name=f"ltm3d-{representation}",
        metrics={},
        tags={},
        artifacts=[],
        tracking_uri=uri,
        run=client.create_run(experiment_id(client, uri, "test")).info.run_id,
    )


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, RegisteredVersion]:
    folder = tmp_path_factory.mktemp("served")
    uri = new_database(folder)
    return uri, register(folder, uri, "sdf")


@pytest.fixture(scope="module")
def endpoint(
    registered: tuple[str, RegisteredVersion], tmp_path_factory: pytest.TempPathFactory, repository: Path
) -> Iterator[str]:
    with served(*registered, tmp_path_factory.mktemp("elsewhere")) as address:
        yield address


@contextmanager
def served(uri: str, version: RegisteredVersion, root: Path) -> Iterator[str]:
    """`mlflow models serve` in an empty folder, in an environment without this project."""
    python, environment = make_environment(root / "environment")
    found = subprocess.run([python, "-c", "import mlflow, torch, ltm3d"], env=environment, capture_output=True, cwd="/")
    assert b"No module named 'ltm3d'" in found.stderr
    folder, port = root / "empty", free_port()
    folder.mkdir()
    address = f"http://127.0.0.1:{port}"
    options = ["--host", "127.0.0.1", "--port", port, "--env-manager", "local", "--timeout", "300"]
    with running(
        [python.with_name("mlflow"), "models", "serve", "--model-uri", version.uri, *options],
        health=f"{address}/ping",
        folder=folder,
        environment={**environment, "MLFLOW_TRACKING_URI": uri},
    ):
        yield address
    assert {path.name for path in folder.iterdir()} == {"server.log"}


def ask(address: str, body: Any) -> tuple[int, Any]:
    """Status and document of one answer."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"{address}/invocations", data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_mlflow_serves_the_model_without_the_repository(endpoint: str) -> None:
    prompts = [
        {"text": "a red chair", "seed": 1},
        {"text": "a red chair", "seed": 1},
        {"image": to_base64(transparent_box()), "guidance_scale": 1.5, "num_steps": 1, "temperature": 0.5},
        {"image": to_base64(transparent_box()), "text": "a lamp 💡", "seed": 7, "format": "ply"},
    ]
    status, document = ask(endpoint, {"inputs": prompts})
    assert status == 200
    answers = document["predictions"]
    assert answers[0] == answers[1] and [answer["seed"] for answer in answers] == [1, 1, 0, 7]
    for answer, kind in zip(answers, ("glb", "glb", "glb", "ply"), strict=True):
        assert answer[kind] and len(shape_in(answer).faces) == answer["num_faces"] > 50 and answer["error"] is None


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("representation", ["point_cloud", "gaussians", "mesh"])
def test_mlflow_serves_every_representation(
    representation: str, registered: tuple[str, RegisteredVersion], tmp_path: Path
) -> None:
    uri, is_mesh = registered[0], representation == "mesh"
    prompts = [{"text": "a red chair", "seed": 3}, {"image": to_base64(transparent_box()), "num_steps": 1}]
    with served(uri, register(tmp_path, uri, representation), tmp_path) as address:
        status, document = ask(address, {"inputs": prompts})
        refused, reason = ask(address, {"inputs": [{"text": "a", "format": "glb"}]})
    assert status == 200
    for answer in document["predictions"]:
        shape = shape_in(answer)
        assert (answer["glb"] is not None, answer["ply"] is not None) == (is_mesh, not is_mesh)
        assert len(shape.vertices) == answer["num_vertices"] > 0
        assert np.median(np.abs(np.linalg.norm(shape.vertices, axis=1) - RADIUS)) < 0.05
        if representation == "gaussians":
            assert ply_properties(answer) == INRIA
    assert refused == (200 if is_mesh else 400) and (is_mesh or "which is no GLB: ask for ply" in reason["message"])


@pytest.mark.slow
@pytest.mark.parametrize("part", ["generator", "condition_encoder"])
def test_mlflow_does_not_load_tampered_weights(part: str, tmp_path: Path) -> None:
    import mlflow

    uri = new_database(tmp_path)
    version = register(tmp_path, uri, "sdf")
    weights = resolve_model(version.uri, uri) / part / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with current_server(uri), pytest.raises(Exception, match=f"{part} has weights .* not the same model"):
        mlflow.pyfunc.load_model(version.uri)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"inputs": [{"text": "a"}, {"seed": 3}]}, "inputs[1]: there is no prompt"),
        ({"inputs": [{"text": "a"}] * 9}, "inputs has 9 prompts; send 1 to 8"),
        ({"inputs": [{"text": "word " * 10_000}]}, "inputs[0]: the text has 50,000 characters"),
        ({"inputs": [{"text": "a", "num_steps": 129}]}, "num_steps is 129; it must be 1 to 128"),
        ({"inputs": [{"image": to_base64(b"no picture" * 5000)}]}, "inputs[0]: the image cannot be read"),
        ({"inputs": [{"image": to_base64(huge())}]}, "10000 x 10000 pixels, more than 25,000,000"),
        ({"inputs": [{"image": to_base64(transparent_box(0))}]}, "wholly transparent"),
    ],
)
def test_mlflow_passes_on_what_is_wrong_and_nothing_of_the_request(endpoint: str, body: Any, message: str) -> None:
    status, document = ask(endpoint, body)
    assert status == 400 and document["error_code"] == "INVALID_PARAMETER_VALUE"
    assert message in document["message"] and len(document["message"]) < 400


@pytest.mark.slow
@pytest.mark.parametrize("body", [b"no json", {"inputs": [{"text": "a", "guidance": 1}]}, {"text": "a"}, []])
def test_what_mlflow_itself_refuses_is_a_400_too(endpoint: str, body: Any) -> None:
    assert ask(endpoint, body)[0] == 400


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_one_bad_request_in_a_crowd_is_the_only_one_that_is_refused(endpoint: str) -> None:
    bodies = [{"inputs": [{"text": "a red chair", "seed": seed}]} for seed in range(6)] + [{"inputs": [{}]}]
    answers: dict[int, tuple[int, Any]] = {}
    threads = [
        threading.Thread(target=lambda number=number, body=body: answers.update({number: ask(endpoint, body)}))
        for number, body in enumerate(bodies)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert [answers[number][0] for number in range(7)] == [200] * 6 + [400]
    assert [answers[number][1]["predictions"][0]["seed"] for number in range(6)] == list(range(6))


@pytest.mark.slow
def test_too_many_at_once_are_told_that_it_is_busy(registered: tuple[str, RegisteredVersion]) -> None:
    import mlflow
    from mlflow.exceptions import MlflowException

    uri, version = registered
    with current_server(uri):
        model = mlflow.pyfunc.load_model(version.uri)
    queue = model.unwrap_python_model().queue
    release = threading.Event()
    job = queue.generate(lambda: release.wait(WAIT_S))
    prompt = [{"text": "a red chair"}]
    waiting = [threading.Thread(target=model.predict, args=(prompt,)) for _ in range(queue.max_waiting + 1)]
    for thread in waiting:
        thread.start()
    try:
        while queue.num_placed <= queue.max_waiting:
            assert all(thread.is_alive() for thread in waiting)
        with pytest.raises(MlflowException, match="8 requests are waiting") as raised:
            model.predict(prompt)
    finally:
        release.set()
    assert raised.value.get_http_status_code() == 503
    for thread in waiting:
        thread.join(WAIT_S)
    assert job.result() and queue.num_placed == 0 and model.predict(prompt)[0].num_faces > 50


def test_the_signature_comes_from_the_type_hints(registered: tuple[str, RegisteredVersion]) -> None:
    import yaml

    uri, version = registered
    description = yaml.safe_load((resolve_model(version.uri, uri).parents[1] / "MLmodel").read_text())
    assert description["is_signature_from_type_hint"] is True
    (request,) = json.loads(description["signature"]["inputs"])
    fields = {"image", "text", "seed", "guidance_scale", "num_steps", "temperature", "format"}
    assert set(request["properties"]) == fields
    assert description["saved_input_example_info"]["artifact_path"] == "input_example.json"
