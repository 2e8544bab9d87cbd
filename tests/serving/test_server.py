"""The server on loopback with a port of its own, asked as any client asks."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asked_server import LIMITS, WAIT_S, ask, held, running, wait_for
from prompt_pictures import box, box_16_bits, huge, moving_box, to_base64, transparent_box
from shape_files import INRIA, ply_properties, shape_in
from tiny_bundle import make_tiny_bundle
from tiny_tokenizers import RADIUS

from ltm3d.generator.bundle import ShapeGenerator
from ltm3d.serving import admission
from ltm3d.serving import server as serving
from ltm3d.serving.request_queue import RequestQueue
from ltm3d.serving.server import ShapeServer

HALF = b"POST /stream HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> ShapeGenerator:
    return ShapeGenerator.load(make_tiny_bundle(tmp_path_factory.mktemp("server") / "bundle"))


@pytest.fixture(scope="module")
def shape_server(generator: ShapeGenerator) -> ShapeServer:
    return ShapeServer(generator, model="models:/tiny/1", limits=LIMITS, queue=RequestQueue(1))


@pytest.fixture(scope="module")
def port(shape_server: ShapeServer) -> Iterator[int]:
    with running(shape_server) as port:
        yield port


def test_a_batch_of_prompts_is_answered_in_its_order(port: int) -> None:
    inputs = [
        {"text": "a red chair", "seed": 1},
        {"image": to_base64(transparent_box()), "num_steps": 1, "guidance_scale": 1.5, "temperature": 0.5},
        {"text": "a red chair", "image": to_base64(box()), "format": "ply"},
    ]
    status, headers, body = ask(port, "/invocations", {"inputs": inputs})
    assert status == 200 and headers["content-type"] == "application/json"
    predictions = json.loads(body)["predictions"]
    assert [bool(p["glb"]) for p in predictions] == [True, True, False] and predictions[2]["ply"]
    assert all(p["error"] is None and p["num_faces"] > 50 for p in predictions)
    again = json.loads(ask(port, "/invocations", {"inputs": inputs[:1]})[2])["predictions"]
    assert again == predictions[:1], "a shape does not depend on the rest of its batch"


@pytest.mark.parametrize(
    "image", [moving_box(), moving_box("WEBP"), box("JPEG", "CMYK"), box("TIFF", "CMYK"), box_16_bits(is_grey=True)]
)
def test_pictures_of_every_kind_are_answered_with_a_shape(port: int, image: bytes) -> None:
    status, _, body = ask(port, "/invocations", {"inputs": [{"image": to_base64(image)}]})
    assert status == 200 and len(shape_in(json.loads(body)["predictions"][0]).faces) > 50


@pytest.mark.parametrize(
    ("text", "is_known"), [("木の椅子", False), ("كرسي", False), ("🪑", False), ("a chair 🪑", True)]
)
def test_texts_of_every_language_are_answered_with_a_shape(port: int, text: str, is_known: bool) -> None:
    status, _, body = ask(port, "/invocations", {"inputs": [{"text": text}]})
    [answer] = json.loads(body)["predictions"]
    assert status == 200 and len(shape_in(answer).faces) > 50
    assert (answer["note"] is None) is is_known


@pytest.mark.parametrize("representation", ["point_cloud", "gaussians", "mesh"])
def test_every_representation_is_answered_with_its_file(representation: str, tmp_path: Path) -> None:
    made = ShapeGenerator.load(make_tiny_bundle(tmp_path / "bundle", representation))
    is_mesh = representation == "mesh"
    with running(ShapeServer(made, model="", limits=LIMITS, queue=RequestQueue(1))) as port:
        status, _, body = ask(port, "/invocations", {"inputs": [{"text": "a red chair"}, {"image": to_base64(box())}]})
        glb = ask(port, "/invocations", {"inputs": [{"text": "a red chair", "format": "glb"}]})
        stream = ask(port, "/stream", {"text": "a red chair"})[2]
    assert status == 200
    for answer in json.loads(body)["predictions"]:
        shape = shape_in(answer)
        assert (answer["glb"] is not None, answer["ply"] is not None) == (is_mesh, not is_mesh)
        assert len(shape.vertices) == answer["num_vertices"] > 0
        assert np.median(np.abs(np.linalg.norm(shape.vertices, axis=1) - RADIUS)) < 0.05
        if representation == "gaussians":
            assert ply_properties(answer) == INRIA
    assert glb[0] == (200 if is_mesh else 400)
    assert is_mesh or f"this model makes {representation}, which is no GLB: ask for ply" in str(glb[2])
    kinds = {"point_cloud": "points", "gaussians": "gaussians", "mesh": "mesh"}
    assert json.loads(stream.splitlines()[-1])["view"]["shape"]["kind"] == kinds[representation]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"no json", 400, "the body is not JSON"),
        (b"\xff\xfe", 400, "the body is not JSON"),
        (b"[" * 100_000, 400, "the body is not JSON"),
        ([], 400, "the body must be"),
        ({"inputs": [{}], "params": {}}, 400, "the body must be"),
        ({"inputs": {"text": "a"}}, 400, "inputs: Input should be a valid list"),
        ({"inputs": []}, 400, "inputs has 0 prompts; send 1 to 3"),
        ({"inputs": [{"text": "a"}] * 4}, 400, "inputs has 4 prompts; send 1 to 3"),
        ({"inputs": [{"text": "a"}, {"text": ""}]}, 400, "inputs[1]: there is no prompt"),
        ({"inputs": [{"text": "a", "guidance": 2}]}, 400, "inputs.0.guidance: Extra inputs are not permitted"),
        ({"inputs": [{"text": 7}]}, 400, "inputs.0.text: Input should be a valid string"),
        (b'{"inputs": [{"text": "a", "guidance_scale": NaN}]}', 400, "guidance_scale is nan"),
        ({"inputs": [{"text": "a", "num_steps": 501}]}, 400, "num_steps is 501; it must be 1 to 500"),
        ({"inputs": [{"text": "word " * 10_000}]}, 400, "more than 2,000: send a shorter one"),
        ({"inputs": [{"image": "AAAA"}]}, 400, "inputs[0]: the image cannot be read"),
        ({"inputs": [{"image": to_base64(huge())}]}, 400, "10000 x 10000 pixels"),
        ({"inputs": [{"image": to_base64(transparent_box(0))}]}, 400, "wholly transparent"),
        (b'{"inputs": [{"text": "\\ud800"}]}', 400, "not valid Unicode"),
        (b"x" * 200_001, 413, "the body has more than 200,000 bytes"),
        (b" " * 5_000_000, 413, "the body has more than 200,000 bytes"),
    ],
)
def test_bad_requests_are_refused_with_the_reason(port: int, body: Any, status: int, message: str) -> None:
    answered, _, content = ask(port, "/invocations", body)
    document = json.loads(content)
    assert answered == status and message in document["message"] and document["error_code"]
    assert len(content) < 1000, "the request is not repeated"


def test_places_methods_and_kinds_that_are_not_there(port: int) -> None:
    assert ask(port, "/elsewhere", {})[0] == 404
    assert ask(port, "/", method="GET")[0] == 404, "no page here"
    assert ask(port, "/invocations", method="GET")[0] == 405
    assert ask(port, "/health", {})[0] == 405
    assert ask(port, "/invocations", b"text=a", kind="application/x-www-form-urlencoded")[0] == 415
    status, _, body = ask(port, "/health", method="GET")
    assert status == 200
    assert json.loads(body) | {"limits": None} == {
        "model": "models:/tiny/1",
        "representation": "sdf",
        "requests": 0,
        "max_waiting": 1,
        "limits": None,
    }


def test_a_body_of_unknown_length_is_cut_off_at_the_limit(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    chunks = (b" " * 50_000 for _ in range(40))
    connection.request("POST", "/invocations", chunks, {"Content-Type": "application/json"}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_a_full_line_says_when_to_ask_again(port: int, shape_server: ShapeServer) -> None:
    answers: list[int] = []
    prompt = {"inputs": [{"text": "a red chair", "num_steps": 1}]}
    asking = [threading.Thread(target=lambda: answers.append(ask(port, "/invocations", prompt)[0])) for _ in range(2)]
    with held(shape_server.queue):
        for thread in asking:
            thread.start()
        wait_for(lambda: shape_server.queue.num_placed == 2)
        for path in ("/invocations", "/stream"):
            for body in (prompt, b" " * 2_000_000):  # a body that is long is taken in, so that the answer is read
                status, headers, content = ask(port, path, body)
                assert status == 503 and int(headers["retry-after"]) >= 1
                assert "ask again in" in json.loads(content)["message"]
        assert ask(port, "/health", method="GET")[0] == 200
    for thread in asking:
        thread.join(WAIT_S)
    assert answers == [200, 200]
    wait_for(lambda: shape_server.queue.num_placed == 0)  # a place is given back after the answer has gone out


class UnhurriedGenerator(ShapeGenerator):
    """The same, but one can look at its steps."""

    def generate(self, *, on_step: Any, **prompt: Any) -> Any:
        def unhurried(step: int, num_steps: int) -> None:
            on_step(step, num_steps)
            time.sleep(3 * serving.LOOK_INTERVAL_S)

        return super().generate(on_step=unhurried, **prompt)


def test_a_stream_tells_of_waiting_of_steps_and_of_the_shape(generator: ShapeGenerator) -> None:
    body: list[bytes] = []
    unhurried = UnhurriedGenerator(generator.config, generator.encoder, generator.models)
    app = ShapeServer(unhurried, model="", limits=LIMITS, queue=RequestQueue(1))
    with running(app) as port:
        with held(app.queue):
            prompt = {"text": "a red chair", "seed": 4}
            thread = threading.Thread(target=lambda: body.append(ask(port, "/stream", prompt)[2]))
            thread.start()
            wait_for(lambda: app.queue._generating._work_queue.qsize() == 1)
            time.sleep(2 * serving.LOOK_INTERVAL_S)
        thread.join(WAIT_S)
        status, _, content = ask(port, "/stream", {"seed": 1})
    assert status == 400 and "there is no prompt" in json.loads(content)["message"]
    lines = [json.loads(line) for line in body[0].splitlines()]
    last = lines.pop()
    assert last["answer"]["seed"] == 4 and last["answer"]["glb"] and last["view"]["magnify"] > 0
    assert lines[0] == {"before": 1} and lines[-2:] == [{"step": 1, "of": 2}, {"step": 2, "of": 2}]


def test_who_leaves_gives_the_place_back(port: int, shape_server: ShapeServer) -> None:
    queue = shape_server.queue
    for path, body in (
        ("/stream", {"text": "a chair", "num_steps": 500}),
        ("/invocations", {"inputs": [{"text": "a chair", "num_steps": 500}] * 3}),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        with held(queue):
            connection.request("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"})
            wait_for(lambda: queue.num_placed == 1 and queue._generating._work_queue.qsize() == 1)
            connection.close()
            wait_for(lambda: queue.num_placed == 0)
    half = socket.create_connection(("127.0.0.1", port))
    half.sendall(HALF)
    wait_for(lambda: queue.num_placed == 1)
    half.close()
    wait_for(lambda: queue.num_placed == 0)


def test_a_body_that_does_not_come_ends_in_time(
    port: int, shape_server: ShapeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "BODY_TIMEOUT_S", 0.3)
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as slow:
        slow.sendall(HALF)
        assert slow.recv(100).startswith(b"HTTP/1.1 408")
    wait_for(lambda: shape_server.queue.num_placed == 0)


def test_a_model_that_fails_is_the_servers_fault(generator: ShapeGenerator, caplog: pytest.LogCaptureFixture) -> None:
    broken = ShapeGenerator(generator.config, generator.encoder, None)
    with running(ShapeServer(broken, model="", limits=LIMITS, queue=RequestQueue(0))) as port:
        for _ in range(2):
            status, _, body = ask(port, "/invocations", {"inputs": [{"text": "a chair"}]})
            assert status == 500 and b"AttributeError" in body
    assert "Traceback" in caplog.text
