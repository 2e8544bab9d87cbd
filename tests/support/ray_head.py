"""A Ray head of a test's own, started by deploy/start_head on the loopback, and jobs submitted to it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
REPOSITORY = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def environment(**extra: str) -> dict[str, str]:
    """What head and clients start with: this checkout's code, no cluster named."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests/support")])
    return {**kept, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": paths, **extra}


@dataclass(frozen=True)
class Head:
    """A running head; `env` is what clients need to be let in."""

    process: subprocess.Popen[bytes]
    address: str
    server: str
    temp: Path
    env: dict[str, str]

    @classmethod
    def start(cls, temp: Path, **env: str) -> "Head":
        """Start a head with two CPUs and wait for its job server."""
        port, dashboard = free_port(), free_port()
        env = environment(RAY_PORT=str(port), DASHBOARD_PORT=str(dashboard), **env)
        options = [
            "--temp-dir",
            str(temp),
            "--dashboard-agent-listen-port",
            str(free_port()),
            "--num-cpus",
            "2",
            "--object-store-memory",
            "100000000",
            "--block",
        ]
        with (temp / "head.log").open("wb") as log:
            process = subprocess.Popen(
                [REPOSITORY / "deploy/start_head", *options], cwd=temp, env=env, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + 120
        while not _answers(dashboard):
            assert process.poll() is None and time.monotonic() < deadline, (temp / "head.log").read_text()
            time.sleep(0.2)
        return cls(process, f"127.0.0.1:{port}", f"http://127.0.0.1:{dashboard}", temp, env)

    def stop(self) -> None:
        """End the head and what it started."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def job(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run `ray job …` against this head."""
        command = [BIN / "ray", "job", arguments[0], "--address", self.server, *arguments[1:]]
        return subprocess.run(command, cwd=cwd, env=self.env, capture_output=True, text=True, timeout=240)

    def jobs(self) -> list[dict[str, Any]]:
        """All that the job server says of all jobs."""
        code = (
            "import json, sys; from ray.job_submission import JobSubmissionClient; "
            "print(json.dumps([vars(job) for job in JobSubmissionClient(sys.argv[1]).list_jobs()], default=str))"
        )
        command = [sys.executable, "-c", code, self.server]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=60, check=True)
        return json.loads(done.stdout.splitlines()[-1])


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
