"""A real `mlflow server` with basic auth on a real Postgres, each with its own folder and port on the loopback."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ports import free_port

USER, PASSWORD = "admin", "a-password-of-the-tests"
START_S = 180


def postgres_folder() -> Path | None:
    """Return the folder with `initdb` and `postgres`, or None where there is no Postgres, or none that may run."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("postgres")
    places = [*folders, *([Path(found).parent] if found else [])]
    usable = [place for place in places if (place / "initdb").exists()]
    if not usable or (os.getuid() == 0 and not _as_user()):
        return None
    return usable[0]


@contextmanager
def postgres(log: Path) -> Iterator[str]:
    """Run a Postgres of one's own and yield its address without a database; as `postgres`, as it refuses to be root."""
    programs = postgres_folder()
    assert programs is not None
    data, port = Path(tempfile.mkdtemp(prefix="ltm3d-pg-")), free_port()
    if os.getuid() == 0:
        shutil.chown(data, "postgres")
    arguments = ["-D", str(data), "-U", "test", "--auth=trust", "--no-sync", "--encoding=UTF8"]
    subprocess.run([*_as_user(), str(programs / "initdb"), *arguments], check=True, capture_output=True, cwd="/")
    options = ["-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(data), "-F"]
    command = [*_as_user(), str(programs / "postgres"), *options]
    with log.open("w") as output, subprocess.Popen(command, cwd="/", stderr=output) as process:
        try:
            for _ in range(300):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert process.poll() is None, log.read_text()[-2000:]
                time.sleep(0.1)
            yield f"postgresql://test@127.0.0.1:{port}"
        finally:
            _stop_postgres(process)
            shutil.rmtree(data, ignore_errors=True)


def _as_user() -> list[str]:
    """Return what to put before a command so that it does not run as root."""
    program = shutil.which("setpriv")
    if os.getuid() != 0 or program is None:
        return []
    try:
        import pwd

        user = pwd.getpwnam("postgres")
    except KeyError:
        return []
    return [program, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _stop_postgres(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)  # fast shutdown: SIGTERM would wait for its clients
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=20)


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Run MLflow's server with Postgres and basic auth and yield its address; user and password are `USER`, `PASSWORD`.

    A client takes them from MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.
    """
    import psycopg

    with postgres(folder / "postgres.log") as database:
        with psycopg.connect(f"{database}/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE mlflow")
            connection.execute("CREATE DATABASE auth")
        port = free_port()
        config = folder / "auth.ini"
        config.write_text(
            "[mlflow]\ndefault_permission = READ\n"
            f"database_uri = {database}/auth\nadmin_username = {USER}\nadmin_password = {PASSWORD}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
            "auth_cache_ttl_seconds = 60\n"  # else each request takes the time that guessing a password should
        )
        environment = {
            **os.environ,
            "MLFLOW_AUTH_CONFIG_PATH": str(config),
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "of the tests",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", "--host", "127.0.0.1"]
        command += ["--port", str(port), "--workers", "1", "--backend-store-uri", f"{database}/mlflow"]
        command += ["--artifacts-destination", str(folder / "artifacts")]
        with (folder / "server.log").open("w") as log:
            process = subprocess.Popen(
                command, env=environment, cwd=folder, stdout=log, stderr=log, start_new_session=True
            )
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", process, folder / "server.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            with suppress(ProcessLookupError):  # its children are in its group, and may outlive it
                os.killpg(process.pid, signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=20)
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=20)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return  # it answers, though not to a stranger
        except OSError:
            assert process.poll() is None, log.read_text()[-3000:]
            time.sleep(0.3)
    raise AssertionError(f"the server does not answer: {log.read_text()[-3000:]}")
