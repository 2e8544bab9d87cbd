import threading
import time

from ltm3d.tracking.system import SystemSampler


def test_the_sampler_gives_metrics_until_it_is_stopped() -> None:
    seen: list[tuple[dict[str, float], int]] = []
    sampler = SystemSampler(lambda metrics, step: seen.append((metrics, step)), started=time.time() - 65)
    sampler.start()
    time.sleep(0.2)
    sampler.stop()
    (last,) = seen
    assert last[0]["system/system_memory_usage_megabytes"] > 100
    assert 0 <= last[0]["system/cpu_utilization_percentage"] <= 100
    assert last[1] in (6, 7)
    assert "system-metrics" not in [thread.name for thread in threading.enumerate()]


def test_a_sampler_that_cannot_emit_ends_quietly() -> None:
    def broken(metrics: dict[str, float], step: int) -> None:
        raise OSError("disk full")

    sampler = SystemSampler(broken, started=time.time())
    sampler.start()
    sampler.stop()
