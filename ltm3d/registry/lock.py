"""One change of a model's aliases at a time, in a registry that has no locks.

MLflow sets and reads tags, but has no compare-and-set. Lamport's bakery algorithm (1974, "A New Solution of Dijkstra's
Concurrent Programming Problem") needs only reads and writes: each process writes a tag of its own, `0` while it chooses
a number, then one more than the largest number there is. It waits until no other process is choosing or has a smaller
number. The lock works across machines, with sqlite and with a server. A waiting process removes the tags of a process
that was killed.
"""

import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ltm3d.errors import ModelError

log = logging.getLogger(__name__)

PREFIX = "ltm3d.lock."
LEASE_S = 120.0  # who holds up others longer than this without a sign is taken for dead
PATIENCE_S = 600.0
POLL_S = 0.2


@contextmanager
def model_lock(
    client: Any, name: str, *, lease_s: float = LEASE_S, patience_s: float = PATIENCE_S
) -> Iterator[Callable[[], None]]:
    """Hold a registered model for a block; yields a function to call before each write.

    The function raises ModelError where another has taken this process for dead and its place: the block was longer
    than `lease_s`, which is meant for a few calls, not for work.

    Raises:
        ModelError: others held it for longer than `patience_s`.
    """
    own = f"{PREFIX}{uuid.uuid4().hex}"
    who = f"{socket.gethostname()}:{os.getpid()}"
    client.set_registered_model_tag(name, own, f"0 {who}")
    try:
        number = 1 + max(_number(value) for value in _places(client, name).values())
        client.set_registered_model_tag(name, own, f"{number} {who}")
        _wait(client, name, own, number, lease_s=lease_s, patience_s=patience_s)

        def check() -> None:
            if own not in _places(client, name):
                raise ModelError(f"this process held {name} too long and has lost it; nothing more is changed: retry")

        yield check
    finally:
        _remove(client, name, own)


def _wait(client: Any, name: str, own: str, number: int, *, lease_s: float, patience_s: float) -> None:
    started = time.monotonic()
    since: dict[tuple[str, str], float] = {}  # (place, value) of who is in front now → when it was first seen there
    while True:
        places = _places(client, name)
        front = [(key, value) for key, value in places.items() if key != own and _is_before(key, value, number, own)]
        if not front:
            return
        now = time.monotonic()
        choosing = [place for place in front if _number(place[1]) == 0]
        first = min(front, key=lambda place: (_number(place[1]), place[0]))
        since = {place: since.get(place, now) for place in [*choosing, first]}
        for (key, value), seen in since.items():
            if now - seen > lease_s:
                log.warning("%s: %s gives no sign for %.0f s; its place is taken", name, _holder(value), lease_s)
                _remove(client, name, key)
        if now - started > patience_s:
            raise ModelError(f"{name} is held by {_holder(first[1])} for {patience_s:.0f} s; wait for it, or stop it")
        time.sleep(POLL_S)


def _is_before(key: str, value: str, number: int, own: str) -> bool:
    return _number(value) == 0 or (_number(value), key) < (number, own)


def _places(client: Any, name: str) -> Mapping[str, str]:
    tags = client.get_registered_model(name).tags
    return {key: value for key, value in tags.items() if key.startswith(PREFIX)}


def _remove(client: Any, name: str, key: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.delete_registered_model_tag(name, key)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            log.warning("%s: the tag %s cannot be removed: %s", name, key, error)


def _number(value: str) -> int:
    text = value.partition(" ")[0]
    return int(text) if text.isdigit() else 0


def _holder(value: str) -> str:
    return value.partition(" ")[2] or "another process"
