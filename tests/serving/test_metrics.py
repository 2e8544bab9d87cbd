"""What the server says of itself: counts for Prometheus, types for programs and people."""

import json
import re

import pytest
from asked_server import LIMITS, ask, held, running
from prometheus_client.parser import text_string_to_metric_families
from tiny_bundle import make_tiny_bundle

from ltm3d.generator.bundle import ShapeGenerator
from ltm3d.serving.request_queue import RequestQueue
from ltm3d.serving.requests import ShapeRequest
from ltm3d.serving.server import ShapeServer


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> ShapeGenerator:
    return ShapeGenerator.load(make_tiny_bundle(tmp_path_factory.mktemp("metrics") / "bundle"))


def metrics(port: int) -> dict[str, float]:
    """The counts of a server, by name and labels."""
    status, headers, body = ask(port, "/metrics", method="GET")
    assert status == 200 and headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(body.decode())
    samples = [sample for family in families for sample in family.samples]
    return {" ".join([sample.name, *sample.labels.values()]): sample.value for sample in samples}


def test_requests_failures_latency_and_queue_are_counted(generator: ShapeGenerator) -> None:
    app = ShapeServer(generator, model="", limits=LIMITS, queue=RequestQueue(1))
    with running(app) as port:
        before = metrics(port)
        ask(port, "/invocations", {"inputs": [{"text": "a chair", "num_steps": 1}] * 2})
        ask(port, "/stream", {"text": "a chair", "num_steps": 1})
        ask(port, "/invocations", {"inputs": []})
        ask(port, "/nowhere", method="GET")
        with held(app.queue), app.queue.place(), app.queue.place():
            assert ask(port, "/stream", {"text": "a chair"})[0] == 503
            assert metrics(port)["ltm3d_queue_requests"] == 2
        after = metrics(port)
    assert "ltm3d_requests_total /invocations 200" not in before and before["ltm3d_queue_places"] == 2
    assert after["ltm3d_requests_total /invocations 200"] == after["ltm3d_requests_total /stream 200"] == 1
    assert after["ltm3d_failures_total /invocations 400"] == after["ltm3d_failures_total /stream 503"] == 1
    assert after["ltm3d_failures_total other 404"] == 1
    assert after["ltm3d_request_seconds_count /invocations"] == 2 and after["ltm3d_request_seconds_sum /stream"] > 0
    assert after["ltm3d_shapes_total made"] == 3 and after["ltm3d_queue_requests"] == 0


def test_the_api_says_its_types_and_its_page_fetches_nothing_from_elsewhere(generator: ShapeGenerator) -> None:
    with running(ShapeServer(generator, model="", limits=LIMITS, queue=RequestQueue(1))) as port:
        look_at_api(port)


def look_at_api(port: int) -> None:
    api = json.loads(ask(port, "/openapi.json", method="GET")[2])
    assert {"/invocations", "/stream", "/healthz", "/metrics"} <= set(api["paths"])
    prompt = api["components"]["schemas"]["ShapeRequest"]
    assert set(prompt["properties"]) == set(ShapeRequest.model_fields) and not prompt["additionalProperties"]
    assert "503" in api["paths"]["/stream"]["post"]["responses"]
    status, _, page = ask(port, "/docs", method="GET")
    fetched = re.findall(rb"(?:src|href)=\"([^\"]+)\"", page)
    assert status == 200 and fetched and all(path.startswith(b"/") for path in fetched)
    assert all(ask(port, path.decode(), method="GET")[0] == 200 for path in fetched)
    assert ask(port, "/healthz", method="GET")[2] == ask(port, "/ping", method="GET")[2]
