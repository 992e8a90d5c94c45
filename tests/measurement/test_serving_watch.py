from heapq import heappop, heappush
from random import Random

import pytest

from weft.measurement.serving_watch import MOST_SAMPLES, Growth, OutstandingWatch


def watched(rate_per_s: float, service_s: float, num_servers: int, num_requests: int, seed: int) -> Growth:
    """Poisson arrivals at servers that each take one request at a time, first come first served."""
    random, watch = Random(seed), OutstandingWatch()
    free_s, ends_s, time_s = [0.0] * num_servers, list[float](), 0.0
    for _ in range(num_requests):
        time_s += random.expovariate(rate_per_s)
        while ends_s and ends_s[0] <= time_s:
            heappop(ends_s)
            watch.end()
        watch.begin(time_s)
        end_s = max(time_s, heappop(free_s)) + random.expovariate(1 / service_s)
        heappush(free_s, end_s)
        heappush(ends_s, end_s)
    growth = watch.growth()
    assert growth is not None
    return growth


def test_a_server_that_keeps_up_is_steady() -> None:
    runs = [watched(10.0, 0.5, 10, 2000, seed) for seed in range(20)]
    assert sum(run.is_steady for run in runs) >= 19


@pytest.mark.parametrize("num_requests", [800, 20_000])
def test_a_queue_that_grows_is_not(num_requests: int) -> None:
    runs = [watched(15.0, 1.0, 10, num_requests, seed) for seed in range(3)]
    assert not any(run.is_steady for run in runs)


def test_memory_is_bounded_and_quarters_stay_right() -> None:
    watch = OutstandingWatch()
    for number in range(5 * MOST_SAMPLES):
        watch.begin(float(number))
    assert len(watch._samples) <= MOST_SAMPLES
    growth = watch.growth()
    assert growth is not None
    assert growth.third_quarter == pytest.approx(5 * MOST_SAMPLES * 5 / 8, rel=0.01)
    assert growth.last_quarter == pytest.approx(5 * MOST_SAMPLES * 7 / 8, rel=0.01)


@pytest.mark.parametrize("num_requests", [0, 1, 30])
def test_few_requests_tell_nothing(num_requests: int) -> None:
    watch = OutstandingWatch()
    for number in range(num_requests):
        watch.begin(float(number))
    assert watch.growth() is None
