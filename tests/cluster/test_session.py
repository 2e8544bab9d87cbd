"""Where a Ray of our own puts its sockets, whatever TMPDIR is, and how its workers run."""

import gc
import os
import subprocess
import sys
import tempfile
import weakref
from pathlib import Path

import pytest

from ltm3d.cluster import session
from ltm3d.errors import ConfigError

STARTS = """
from ltm3d.cluster.session import ray_started
from ltm3d.resources import Resources
with ray_started(Resources(), {}):
    import os, ray
    import threading, time
    def late():
        time.sleep(1.5)
        print(ray.is_initialized(), flush=True)
    late.__module__ = "ray.data.late"
    print(os.nice(0), ray.get(ray.remote(lambda: os.nice(0)).remote()), flush=True)
    threading.Thread(target=late, daemon=True).start()
"""


def test_a_short_temporary_folder_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    assert session.ray_folder(17) == Path("/tmp/ltm3d-ray-17")


def test_a_long_one_makes_way_for_a_short_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 60)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    assert session.ray_folder(17) == Path("/tmp/ltm3d-ray-17")


def test_without_a_short_folder_one_line_names_tmpdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 60)
    long.mkdir()
    monkeypatch.setattr(session, "_temporary_places", lambda: [long])
    with pytest.raises(ConfigError, match="set TMPDIR to a folder of at most 22 characters"):
        session.ray_folder(17)


def test_what_holds_references_in_cycles_is_freed_before_ray_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    class Holder:
        pass

    order: list[str] = []
    monkeypatch.setattr(ray, "shutdown", lambda: order.append("shutdown"))
    held, unused = Holder(), Holder()
    held.other, unused.other = unused, held  # type: ignore[attr-defined]
    weakref.finalize(held, order.append, "freed")
    del held, unused
    session.shut_down()
    assert order == ["freed", "shutdown"] and gc.isenabled()


@pytest.mark.ray
def test_ray_starts_below_a_long_temporary_folder_at_our_own_niceness(tmp_path: Path, repository: Path) -> None:
    long = tmp_path / ("x" * 60)
    long.mkdir()
    environment = {**os.environ, "TMPDIR": str(long), "PYTHONPATH": str(repository)}
    command = [sys.executable, "-c", STARTS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    ours, theirs, is_there = done.stdout.split()[-3:]
    assert ours == theirs, done.stderr[-2000:]
    assert is_there == "True", "Ray went before a thread of Ray Data had ended"
