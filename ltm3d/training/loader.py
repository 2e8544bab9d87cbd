"""Batches read ahead by a thread, and how long training had to wait for them."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from torch import Tensor

Batch = dict[str, Tensor]
Read = Callable[[], Batch]


class Loader:
    """Batches in order; `waited` counts the seconds in which the next one was not there yet."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self.batches = batches
        self.waited = 0.0

    def next(self) -> Batch:
        """Return the next batch."""
        started = time.perf_counter()
        batch = next(self.batches)
        self.waited += time.perf_counter() - started
        return batch

    def take_waited(self) -> float:
        """Return the seconds waited since the last call."""
        waited, self.waited = self.waited, 0.0
        return waited


@contextmanager
def reading(reads: Iterator[Read], *, ahead: int) -> Iterator[Loader]:
    """Give a loader whose thread is up to `ahead` batches ahead; 0 = no thread, each is read when it is asked for.

    What a read raises is raised where its batch is asked for.
    """
    if ahead == 0:
        yield Loader(read() for read in reads)
        return
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="read batches")
    try:
        yield Loader(_run_ahead(pool, reads, ahead))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _run_ahead(pool: ThreadPoolExecutor, reads: Iterator[Read], ahead: int) -> Iterator[Batch]:
    waiting: deque[Future[Batch]] = deque()
    for read in reads:
        waiting.append(pool.submit(read))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
