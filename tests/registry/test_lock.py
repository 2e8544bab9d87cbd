"""The lock between real processes on a real registry."""

import os
import subprocess
import sys

import pytest
from imports import REPOSITORY

from ltm3d.errors import ModelError
from ltm3d.registry.lock import PREFIX, model_lock
from ltm3d.tracking.client import open_client

NAME = "ltm3d-sdf"
DEAD = f"{PREFIX}{'0' * 32}"


def lock_tags(tracking_uri: str) -> list[str]:
    return [key for key in open_client(tracking_uri).get_registered_model(NAME).tags if key.startswith(PREFIX)]


@pytest.mark.slow
def test_no_addition_is_lost_between_processes(tracking_uri: str) -> None:
    client = open_client(tracking_uri)
    client.create_registered_model(NAME, tags={"sum": "0"})
    command = [sys.executable, str(REPOSITORY / "tests/support/lock_driver.py"), NAME, tracking_uri, "4"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    processes = [subprocess.Popen(command, env=environment, cwd=REPOSITORY) for _ in range(3)]
    assert [process.wait(timeout=200) for process in processes] == [0, 0, 0]
    assert client.get_registered_model(NAME).tags["sum"] == "12"
    assert lock_tags(tracking_uri) == []


@pytest.mark.parametrize("value", ["1 host:1", "0 host:1"])
def test_the_place_of_a_dead_process_is_taken(tracking_uri: str, value: str) -> None:
    client = open_client(tracking_uri)
    client.create_registered_model(NAME, tags={DEAD: value})
    with model_lock(client, NAME, lease_s=0.3) as check:
        check()
        assert DEAD not in lock_tags(tracking_uri)


def test_who_waits_too_long_is_told_for_whom(tracking_uri: str) -> None:
    client = open_client(tracking_uri)
    client.create_registered_model(NAME, tags={DEAD: "1 host:7"})
    with pytest.raises(ModelError, match="held by host:7"), model_lock(client, NAME, patience_s=0.3):
        pass
    assert lock_tags(tracking_uri) == [DEAD]


def test_who_lost_the_lock_writes_nothing_more(tracking_uri: str) -> None:
    client = open_client(tracking_uri)
    client.create_registered_model(NAME)
    with model_lock(client, NAME) as check:
        check()
        (own,) = lock_tags(tracking_uri)
        client.delete_registered_model_tag(NAME, own)
        with pytest.raises(ModelError, match="has lost it"):
            check()
