"""How long a request takes that comes now."""

from statistics import median

from hypothesis import given
from hypothesis import strategies as st

from weft.cluster.latency_estimate import LEAST_COMPARED, MOST_AGE_S, MOST_REMEMBERED, LatencyEstimate
from weft.contracts.events import Status


def ended(*requests: tuple[int, float]) -> LatencyEstimate:
    """Of requests that met so many others, and how long they took."""
    estimate = LatencyEstimate()
    for number, (num_before, latency_s) in enumerate(requests):
        for other in range(num_before):
            estimate.note_arrived(f"other {other}", 0.0)
        estimate.note_arrived(f"r{number}", 0.0)
        for other in range(num_before):
            estimate.note_ended(f"other {other}", Status.CANCELLED, 0.0)
        estimate.note_ended(f"r{number}", Status.FINISHED, latency_s)
    return estimate


def filled(estimate: LatencyEstimate, num_in_flight: int) -> LatencyEstimate:
    for number in range(num_in_flight):
        estimate.note_arrived(f"in flight {number}", 0.0)
    return estimate


def test_it_knows_nothing_before_a_request_has_come_to_its_end() -> None:
    estimate = filled(LatencyEstimate(), 2)
    assert (estimate.num_in_flight, estimate.latency_s(0.0)) == (2, None)
    estimate.note_ended("in flight 0", Status.FAILED, 1.0)
    assert (estimate.num_in_flight, estimate.latency_s(1.0)) == (1, None)


def test_it_is_the_median_of_those_that_met_as_many() -> None:
    met = [(2, 5.0)] * LEAST_COMPARED + [(0, 1.0)] * LEAST_COMPARED + [(4, 9.0)] * LEAST_COMPARED
    for num_in_flight, latency_s in ((0, 1.0), (2, 5.0), (4, 9.0), (30, 9.0)):
        assert filled(ended(*met), num_in_flight).latency_s(10.0) == latency_s


def test_too_few_are_joined_by_the_nearest() -> None:
    met = [(3, 1.0), (4, 2.0), (2, 3.0)] + [(20, 50.0)] * 20
    assert filled(ended(*met[:3]), 3).latency_s(60.0) == 2.0
    assert filled(ended(*met), 3).latency_s(60.0) == 50.0
    assert filled(ended(*(met[:3] * 3), *met[3:]), 3).latency_s(60.0) == 2.0


def test_what_is_old_is_forgotten() -> None:
    estimate = ended((0, 1.0), (0, 50.0))
    assert estimate.latency_s(60.0) == 25.5
    assert estimate.latency_s(1.5 + MOST_AGE_S) == 50.0
    assert estimate.latency_s(51.0 + MOST_AGE_S) is None


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(0.0, 9.0)), min_size=1, max_size=40), st.integers(0, 5)
)
def test_it_is_the_median_of_the_nearest(met: list[tuple[int, float]], num_in_flight: int) -> None:
    def nearness(one: tuple[int, float]) -> tuple[int, int]:
        return abs(one[0] - num_in_flight), -one[0]

    numbers = sorted(dict.fromkeys(nearness(one) for one in met))
    near = list[float]()
    for number in numbers:
        if len(near) < LEAST_COMPARED:
            near += [one[1] for one in met if nearness(one) == number]
    assert filled(ended(*met), num_in_flight).latency_s(9.0) == median(near)


def test_memory_is_bounded() -> None:
    estimate = ended(*[(0, 1.0)] * MOST_REMEMBERED, *[(1, 2.0)] * MOST_REMEMBERED)
    assert estimate.latency_s(5.0) == 2.0
    assert len(estimate._ended) == MOST_REMEMBERED
    assert list(estimate._latencies_s) == estimate._numbers == [1]
