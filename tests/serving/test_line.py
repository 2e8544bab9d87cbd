import threading
import time

import pytest

from ltm3d.errors import ConfigError
from ltm3d.serving.line import BusyError, Line

WAIT_S = 20


def test_one_shape_at_a_time_in_the_order_of_asking() -> None:
    line, log, inside = Line(10), [], threading.Lock()
    hold = threading.Event()

    def work(number: int) -> int:
        hold.wait(WAIT_S)
        assert inside.acquire(blocking=False), "two at once"
        time.sleep(0.002)
        log.append(number)
        inside.release()
        return number * number

    jobs = [line.generate(lambda number=number: work(number)) for number in range(8)]
    assert [line.num_before(job) for job in jobs] == list(range(8))
    hold.set()
    assert [job.result(WAIT_S) for job in jobs] == [number * number for number in range(8)]
    assert log == list(range(8)) and line.num_before(jobs[0]) == 0
    line.close()


def test_no_more_than_so_many_have_a_place() -> None:
    line = Line(2)
    with line.place(), line.place():
        with line.place():
            assert line.num_placed == 3
            with pytest.raises(BusyError, match="2 requests are waiting, no more are taken") as raised, line.place():
                pass
            assert raised.value.retry_after_s >= 1
        with line.place():
            assert line.num_placed == 3
    assert line.num_placed == 0


def test_a_place_is_given_back_when_its_block_fails() -> None:
    line = Line(0)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), line.place():
            line.generate(lambda: 1 / 0).result(WAIT_S)
    with line.place():
        assert line.generate(lambda: "still there").result(WAIT_S) == "still there"
    line.close()


def test_when_to_ask_again_follows_the_time_that_requests_took() -> None:
    line = Line(0)

    def retry_after() -> int:
        with line.place(), pytest.raises(BusyError) as raised, line.place():
            pass
        return raised.value.retry_after_s

    first = retry_after()
    for _ in range(20):
        line.generate(lambda: None).result(WAIT_S)
    assert retry_after() == 1 < first
    line.close()


def test_what_is_cancelled_before_its_turn_is_not_done() -> None:
    line, hold, done = Line(4), threading.Event(), []
    first = line.generate(lambda: hold.wait(WAIT_S))
    second, third = (line.generate(lambda number=number: done.append(number)) for number in (2, 3))
    assert second.cancel() and line.num_before(third) == 1
    hold.set()
    third.result(WAIT_S)
    assert done == [3] and first.result()
    line.close()


def test_a_line_is_not_shorter_than_nothing() -> None:
    with pytest.raises(ConfigError, match="max_waiting is -1"):
        Line(-1)
