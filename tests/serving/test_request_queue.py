import threading
import time

import pytest

from ltm3d.errors import ConfigError
from ltm3d.serving.request_queue import BusyError, RequestQueue

WAIT_S = 20


def test_one_shape_at_a_time_in_the_order_of_asking() -> None:
    queue, log, inside = RequestQueue(10), [], threading.Lock()
    hold = threading.Event()

    def work(number: int) -> int:
        hold.wait(WAIT_S)
        assert inside.acquire(blocking=False), "two at once"
        time.sleep(0.002)
        log.append(number)
        inside.release()
        return number * number

    jobs = [queue.generate(lambda number=number: work(number)) for number in range(8)]
    assert [queue.num_before(job) for job in jobs] == list(range(8))
    hold.set()
    assert [job.result(WAIT_S) for job in jobs] == [number * number for number in range(8)]
    assert log == list(range(8)) and queue.num_before(jobs[0]) == 0
    queue.close()


def test_no_more_than_so_many_have_a_place() -> None:
    queue = RequestQueue(2)
    with queue.place(), queue.place():
        with queue.place():
            assert queue.num_placed == 3
            with pytest.raises(BusyError, match="2 requests are waiting, no more are taken") as raised, queue.place():
                pass
            assert raised.value.retry_after_s >= 1
        with queue.place():
            assert queue.num_placed == 3
    assert queue.num_placed == 0


def test_a_place_is_given_back_when_its_block_fails() -> None:
    queue = RequestQueue(0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), queue.place():
            queue.generate(lambda: 1 / 0).result(WAIT_S)
    with queue.place():
        assert queue.generate(lambda: "still there").result(WAIT_S) == "still there"
    queue.close()


def test_when_to_ask_again_follows_the_time_that_requests_took() -> None:
    queue = RequestQueue(0)

    def retry_after() -> int:
        with queue.place(), pytest.raises(BusyError) as raised, queue.place():
            pass
        return raised.value.retry_after_s

    first = retry_after()
    for _ in range(20):
        queue.generate(lambda: None).result(WAIT_S)
    assert retry_after() == 1 < first
    queue.close()


def test_what_is_cancelled_before_its_turn_is_not_done() -> None:
    queue, hold, done = RequestQueue(4), threading.Event(), []
    first = queue.generate(lambda: hold.wait(WAIT_S))
    second, third = (queue.generate(lambda number=number: done.append(number)) for number in (2, 3))
    assert second.cancel() and queue.num_before(third) == 1
    hold.set()
    third.result(WAIT_S)
    assert done == [3] and first.result()
    queue.close()


def test_a_line_is_not_shorter_than_nothing() -> None:
    with pytest.raises(ConfigError, match="max_waiting is -1"):
        RequestQueue(-1)
