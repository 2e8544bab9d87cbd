"""A Ray head of a test's own, started by deploy/start_head on the loopback or within a namespace, and its jobs."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ports import free_port

BIN = Path(sys.executable).parent
REPOSITORY = Path(__file__).resolve().parents[2]
JOB_TIMEOUT_S = 800  # one that hangs; a busy machine takes minutes for what an idle one does in half of one


def environment(**extra: str) -> dict[str, str]:
    """What head and clients start with: this checkout's code, no cluster named."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "tests/support")])
    return {**kept, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": paths, **extra}


def last_line(text: str, start: str) -> str:
    """The last of a text's lines that begins so."""
    return [line for line in text.splitlines() if line.startswith(start)][-1]


@dataclass(frozen=True)
class Head:
    """A running head.

    Attributes:
        env: what clients need to be let in.
        inside: what a command begins with to run on the head's host; empty = this one.
    """

    process: subprocess.Popen[bytes]
    address: str
    server: str
    temp: Path
    env: dict[str, str]
    inside: Sequence[str]

    @classmethod
    def start(
        cls, temp: Path, *, host: str = "127.0.0.1", inside: Sequence[str] = (), num_cpus: int = 2, **env: str
    ) -> "Head":
        """Start a head and wait for its job server."""
        port, dashboard = free_port(), free_port()
        env = environment(RAY_PORT=str(port), DASHBOARD_PORT=str(dashboard), **env)
        options = [
            "--temp-dir",
            str(temp),
            "--dashboard-agent-listen-port",
            str(free_port()),
            "--num-cpus",
            str(num_cpus),
            "--object-store-memory",
            "100000000",
            "--block",
        ]
        with (temp / "head.log").open("wb") as log:
            process = subprocess.Popen(
                [*inside, REPOSITORY / "deploy/start_head", host, *options],
                cwd=temp,
                env=env,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + 120
        while not _answers(dashboard, inside):
            assert process.poll() is None and time.monotonic() < deadline, (temp / "head.log").read_text()
            time.sleep(0.2)
        return cls(process, f"{host}:{port}", f"http://127.0.0.1:{dashboard}", temp, env, inside)

    def stop(self) -> None:
        """End the head and what it started."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def job(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run `ray job …` against this head."""
        command = [*self.inside, BIN / "ray", "job", arguments[0], "--address", self.server, *arguments[1:]]
        return subprocess.run(command, cwd=cwd, env=self.env, capture_output=True, text=True, timeout=JOB_TIMEOUT_S)

    def jobs(self) -> list[dict[str, Any]]:
        """All that the job server says of all jobs."""
        code = (
            "import json, sys; from ray.job_submission import JobSubmissionClient; "
            "print(json.dumps([vars(job) for job in JobSubmissionClient(sys.argv[1]).list_jobs()], default=str))"
        )
        command = [*self.inside, sys.executable, "-c", code, self.server]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=60, check=True)
        return json.loads(done.stdout.splitlines()[-1])


def _answers(port: int, inside: Sequence[str]) -> bool:
    knock = [*inside, "bash", "-c", f": </dev/tcp/127.0.0.1/{port}"]
    return subprocess.run(knock, stderr=subprocess.DEVNULL).returncode == 0
