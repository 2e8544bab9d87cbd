"""A bounded queue before the generator: one shape at a time, first come first served."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from ltm3d.errors import ConfigError, Ltm3dError

MAX_RETRY_AFTER_S = 600
FIRST_GUESS_S = 2.0  # of one request's time, before one was served
NEWEST = 0.3  # weight of the newest request in the mean time

Result = TypeVar("Result")


class BusyError(Ltm3dError):
    """The queue is full.

    Attributes:
        retry_after_s: when the queue as it is now will have been served, as a guess.
    """

    def __init__(self, max_waiting: int, retry_after_s: int) -> None:
        super().__init__(f"{max_waiting} requests are waiting, no more are taken: ask again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


class RequestQueue:
    """A semaphore of `max_waiting` + 1 places, and two threads: one opens pictures, the other generates.

    So the memory in use is that of one picture being opened, one shape being made, and `max_waiting` + 1 requests.

    Args:
        max_waiting: places beside the one whose shape is being made.
    """

    def __init__(self, max_waiting: int = 8) -> None:
        if max_waiting < 0:
            raise ConfigError(f"max_waiting is {max_waiting}; it must be 0 or more")
        self.max_waiting = max_waiting
        self.num_placed = 0
        self._places = threading.BoundedSemaphore(max_waiting + 1)
        self._lock = threading.Lock()
        self._pending: list[Future] = []
        self._mean_s = FIRST_GUESS_S
        self._opening = ThreadPoolExecutor(1, "opening")
        self._generating = ThreadPoolExecutor(1, "generating")

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place for a block; whoever holds one may use `open` and `generate`.

        Raises:
            BusyError: there is none.
        """
        if not self._places.acquire(blocking=False):
            after = math.ceil(self._mean_s * self.num_placed)
            raise BusyError(self.max_waiting, min(max(after, 1), MAX_RETRY_AFTER_S))
        try:
            with self._lock:
                self.num_placed += 1
            yield
        finally:
            with self._lock:
                self.num_placed -= 1
            self._places.release()

    def open(self, work: Callable[[], Result]) -> "Future[Result]":
        """Open a request's pictures after those of the requests before it."""
        return self._opening.submit(work)

    def generate(self, work: Callable[[], Result]) -> "Future[Result]":
        """Use the generator after the requests before this one."""

        def timed() -> Result:
            start = time.monotonic()
            try:
                return work()
            finally:
                self._mean_s += NEWEST * (time.monotonic() - start - self._mean_s)

        with self._lock:
            future = self._generating.submit(timed)
            self._pending.append(future)
        future.add_done_callback(self._forget)
        return future

    def _forget(self, future: Future) -> None:
        with self._lock:
            self._pending.remove(future)

    def num_before(self, future: Future) -> int:
        """Return how many are to be done before one that was given to `generate`."""
        with self._lock:
            return self._pending.index(future) if future in self._pending else 0

    def close(self) -> None:
        """End the threads when they are done with what they do; what waits is dropped."""
        self._opening.shutdown(wait=False, cancel_futures=True)
        self._generating.shutdown(wait=False, cancel_futures=True)
