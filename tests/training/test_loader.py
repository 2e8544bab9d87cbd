import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch

from ltm3d.training.loader import Batch, Loader, reading

COUNT = 12


class Source:
    """Reads that count themselves and take a while."""

    def __init__(self, delay: float = 0.0) -> None:
        self.delay = delay
        self.started = 0
        self.threads: set[int] = set()

    def read(self, number: int) -> Batch:
        self.started += 1
        self.threads.add(threading.get_ident())
        time.sleep(self.delay)
        if number == 7:
            raise ValueError("number 7 cannot be read")
        return {"number": torch.tensor(number)}

    def reads(self, count: int) -> Iterator[Callable[[], Batch]]:
        return (partial(self.read, number) for number in range(count))


@pytest.mark.parametrize("ahead", [0, 1, 4, 50])
def test_batches_come_in_order(ahead: int) -> None:
    source = Source()
    with reading(source.reads(7), ahead=ahead) as loader:
        assert [int(loader.next()["number"]) for _ in range(7)] == list(range(7))
    assert (threading.get_ident() in source.threads) == (ahead == 0)


@pytest.mark.parametrize("ahead", [0, 3])
def test_an_error_is_raised_where_its_batch_is_due(ahead: int) -> None:
    with reading(Source().reads(COUNT), ahead=ahead) as loader:
        for _ in range(7):
            loader.next()
        with pytest.raises(ValueError, match="number 7"):
            loader.next()


def test_no_more_is_read_than_asked_for_and_nothing_after_the_end() -> None:
    source = Source()
    with reading(source.reads(7), ahead=2) as loader:
        loader.next()
        time.sleep(0.1)
        assert source.started == 3
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("read batches")]
    assert source.started == 3


def waited(ahead: int, reading_takes: float, step_takes: float) -> float:
    """Return the share of a run that was spent waiting."""
    started = time.perf_counter()
    with reading(Source(reading_takes).reads(7), ahead=ahead) as loader:
        for _ in range(7):
            loader.next()
            time.sleep(step_takes)
        return loader.take_waited() / (time.perf_counter() - started)


def test_waiting_is_counted_and_reading_ahead_saves_it() -> None:
    in_turn = waited(ahead=0, reading_takes=0.03, step_takes=0.06)  # a third
    ahead = waited(ahead=2, reading_takes=0.03, step_takes=0.06)  # the first batch alone, a fourteenth
    too_slow = waited(ahead=2, reading_takes=0.06, step_takes=0.006)  # nearly all
    assert 2 * ahead < in_turn < too_slow


def test_the_count_starts_again_once_it_is_taken() -> None:
    loader = Loader(iter([{}, {}]))
    loader.next()
    assert loader.take_waited() > 0 and loader.take_waited() == 0
