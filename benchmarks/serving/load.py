"""Fifty requests at once against `ltm3d serve`, beside the same requests one after the other; time and memory.

python -m benchmarks.serving.load --model FOLDER_OR_URI [--tracking-uri URI] [--before CHECKOUT]
→ benchmarks/results/serving.json

Each of the fifty asks again when it is told to (503 with Retry-After) until it is served. With `--before` the server of
another checkout is measured first, on the same model.
"""

import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil
import typer

from benchmarks.machine import describe

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "serving.json"
NUM_REQUESTS, NUM_SEQUENTIAL, MAX_WAITING = 50, 12, 8
TIMEOUT_S = 300


def main(
    model: Annotated[str, typer.Option()] = "models:/ltm3d-sdf@champion",
    tracking_uri: Annotated[str, typer.Option()] = "sqlite:///mlflow.db",
    before: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """Measure this checkout's server, and another one's beside it."""
    options = ["--model", model, "--tracking-uri", tracking_uri, "--max-waiting", str(MAX_WAITING)]
    machine = {**describe("torch", "starlette", "fastapi", "uvicorn"), "cores_used": len(os.sched_getaffinity(0))}
    result: dict[str, Any] = {"machine": machine, "max_waiting": MAX_WAITING}
    if before is not None:
        result["before"] = measure(before.resolve(), options)
    result |= measure(ROOT, options)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    sys.stdout.write(json.dumps(result, indent=1) + "\n")


def measure(checkout: Path, options: list[str]) -> dict[str, Any]:
    """Start a server, ask it in turn, then all at once."""
    command = [sys.executable, "-u", "-c", "from ltm3d.cli.app import main; main()", "serve", "--port", "0", *options]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert server.stdout is not None
    try:
        found = re.search(r"http://127\.0\.0\.1:(\d+)", server.stdout.readline())
        assert found is not None, "the server did not start"
        port = int(found[1])
        ask(port, 0)
        memory = {"after the first": peak_mb(server.pid)}
        begin = cpu_seconds(server.pid)
        alone = [timed(port, seed) for seed in range(NUM_SEQUENTIAL)]
        cpu = (cpu_seconds(server.pid) - begin) / NUM_SEQUENTIAL
        memory["after the sequential ones"] = peak_mb(server.pid)
        rows: list[dict[str, Any]] = []
        start = time.monotonic()
        threads = [threading.Thread(target=lambda n=n: rows.append(persist(port, n))) for n in range(NUM_REQUESTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wall = time.monotonic() - start
        memory["after the fifty"] = peak_mb(server.pid)
    finally:
        server.terminate()
        server.wait(30)
    answers = [answer for row in rows for answer in row["answers"]]
    statuses = [status for status, _ in answers]
    return {
        "sequential": {"requests": NUM_SEQUENTIAL, **percentiles(alone), "cpu_s_a_request": round(cpu, 4)},
        "concurrent": {
            "requests": NUM_REQUESTS,
            "served": statuses.count(200),
            "refused_503": statuses.count(503),
            "refused_503_without_retry_after": sum(s == 503 and not after for s, after in answers),
            "other_failures": sum(status not in (200, 503) for status in statuses),
            "served_at_first_asking": sum(len(row["answers"]) == 1 for row in rows),
            "accepted_request_s": percentiles([row["last_s"] for row in rows]),
            "until_served_s": percentiles([row["total_s"] for row in rows]),
            "wall_s": round(wall, 2),
            "shapes_a_second": round(NUM_REQUESTS / wall, 3),
        },
        "peak_memory_mb": memory,
    }


def ask(port: int, seed: int) -> tuple[int, int]:
    """Ask for one shape; return the status and the seconds of Retry-After (0 = none)."""
    body = json.dumps({"inputs": [{"text": "A 3D model of a chair, Chair.", "seed": seed}]})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, int(response.headers.get("Retry-After", 0))


def timed(port: int, seed: int) -> float:
    """Return the seconds of one request that is served."""
    start = time.monotonic()
    assert ask(port, seed)[0] == 200
    return time.monotonic() - start


def persist(port: int, seed: int) -> dict[str, Any]:
    """Ask until served; whoever meets another failure gives up."""
    start, answers = time.monotonic(), []
    while True:
        asked = time.monotonic()
        answers.append(ask(port, seed))
        if answers[-1][0] != 503 or time.monotonic() - start > TIMEOUT_S:
            now = time.monotonic()
            return {"answers": answers, "last_s": now - asked, "total_s": now - start}
        time.sleep(max(answers[-1][1], 1))


def percentiles(seconds: list[float]) -> dict[str, float]:
    """Return median and 95th percentile."""
    return {f"p{share}": round(float(np.percentile(seconds, share)), 3) for share in (50, 95)}


def cpu_seconds(pid: int) -> float:
    """Return the CPU-seconds of a process, all threads."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def peak_mb(pid: int) -> int:
    """Return the most memory that a process has held, MB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) // 1000


if __name__ == "__main__":
    typer.run(main)
