"""What one run says of a policy."""

import pytest

from weft.contracts.events import PrefixLookup, RequestArrived, Status, Transition
from weft.contracts.record import replaced
from weft.contracts.requests import Slo
from weft.measurement.comparison.objectives import Judged
from weft.measurement.comparison.run_figures import MeasurementError, RunFigures, jain, run_figures
from weft.measurement.comparison.stays import Stays
from weft.observation.event_log import EventLog
from weft.policies.experience import Expectation
from weft.simulator.request_outcome import RequestOutcome
from weft.workloads.fitted import fitted_workload

FINISHED, REJECTED = Status.FINISHED, Status.REJECTED


def outcome(
    name: str,
    arrival_s: float,
    first_s: float | None,
    ended_s: float,
    tokens: int = 11,
    status: Status = FINISHED,
) -> RequestOutcome:
    return RequestOutcome(name, status, "stop", arrival_s, first_s, ended_s, 10, tokens, ())


def seen(*outcomes: RequestOutcome, tenants: tuple[str, ...] = ()) -> Stays:
    """All ran from their first token on, without a pause."""
    stays, log = Stays(), EventLog()
    stays.watch(0, log)
    for number, each in enumerate(outcomes):
        tenant = tenants[number] if tenants else "a"
        name, first_s = each.request_id, each.first_token_s
        log.record(RequestArrived(each.arrival_s, name, tenant, 10, 20))
        if first_s is not None:
            log.record(Transition(each.arrival_s, name, number, None, Status.WAITING, ""))
            log.record(Transition(first_s, name, number, Status.WAITING, Status.RUNNING, ""))
            log.record(Transition(each.ended_s, name, number, Status.RUNNING, FINISHED, ""))
    return stays


def figures(*outcomes: RequestOutcome, tenants: tuple[str, ...] = ()) -> RunFigures:
    load = Judged(fitted_workload("azure-conv"), Slo(1.0, 0.1))
    return run_figures(outcomes, seen(*outcomes, tenants=tenants), load, 3)


def test_latencies_count_from_arrivals_and_the_warm_up_does_not_count() -> None:
    """The first of five is left out."""
    late = outcome("0", 0.0, 90.0, 99.0)
    found = figures(late, *(outcome(str(n), 10.0 * n, 10.0 * n + 0.5, 10.0 * n + 1.0) for n in range(1, 5)))
    assert found.ttft_mean_s == found.ttft_p99_s == pytest.approx(0.5)
    assert found.tpot_p50_s == pytest.approx(0.05)
    assert found.latency_mean_s == pytest.approx(1.0)
    assert found.goodput_per_s == pytest.approx(4 / 30)
    assert (found.failed, found.preemptions) == (0.0, 0.6)


def test_goodput_counts_those_that_meet_both_objectives() -> None:
    warm, good = outcome("0", 0.0, 0.1, 0.2), outcome("1", 1.0, 1.5, 2.0)
    slow_start, slow_end = outcome("2", 2.0, 3.5, 4.0), outcome("3", 3.0, 3.5, 9.0)
    found = figures(warm, good, slow_start, slow_end, outcome("4", 11.0, 11.5, 12.0))
    assert found.goodput_per_s == pytest.approx(2 / 10)


def test_what_was_found_in_the_cache_counts_from_the_requests_after_the_warm_up() -> None:
    stays, log = Stays(), EventLog()
    stays.watch(0, log)
    for name, found in (("0", 90), ("1", 10), ("1", 30), ("2", 0)):
        log.record(PrefixLookup(1.0, name, 0, 100, found))
    assert stays.cached_share(["1", "2"]) == pytest.approx(40 / 300)
    assert stays.cached_share(["3"]) == 0.0


def test_refusals_have_no_latency_and_no_experience() -> None:
    refused = outcome("1", 1.0, None, 1.0, 0, REJECTED)
    found = figures(refused, outcome("2", 2.0, 2.5, 3.0), outcome("3", 3.0, 3.5, 4.0), refused)
    assert found.failed == pytest.approx(0.5)
    assert found.experience == pytest.approx(0.5, abs=0.01)


def test_tenants_that_fare_alike_are_treated_fairly() -> None:
    same = [outcome(str(n), n, n + 0.5, n + 1.0) for n in range(4)]
    assert figures(*same, tenants=("a", "a", "b", "b")).fairness == pytest.approx(1.0)
    slow = [outcome("9", 9.0, 9.5, 19.0), outcome("8", 8.0, 8.5, 18.0)]
    assert figures(*same, *slow, tenants=("a", "a", "a", "a", "b", "b")).fairness < 0.7


def test_jains_index_is_one_of_n_where_one_has_all() -> None:
    assert jain([5.0, 0.0, 0.0, 0.0]) == 0.25
    assert jain([]) == jain([0.0]) == 1.0


def test_a_run_in_which_all_failed_is_a_mistake_with_its_reason() -> None:
    refused = [replaced(outcome(str(n), n, None, n, 0, REJECTED), reason="no room") for n in range(4)]
    with pytest.raises(MeasurementError, match="0 of 4 requests after the warm-up were answered: no room"):
        figures(*refused)


def test_a_pause_that_is_longer_than_what_was_read_meanwhile_is_felt() -> None:
    stays, log = Stays(), EventLog()
    stays.watch(0, log)
    log.record(Transition(0.0, "r", 0, None, Status.WAITING, ""))
    for begun_s, ended_s, after in ((1.0, 2.0, Status.PREEMPTED), (30.0, 31.0, FINISHED)):
        log.record(Transition(begun_s, "r", 0, Status.WAITING, Status.RUNNING, ""))
        log.record(Transition(ended_s, "r", 0, Status.RUNNING, after, ""))
    paused, expected = outcome("r", 0.0, 1.0, 31.0, 41), Expectation(1.0, 5.0)
    assert stays.quality(paused, expected) < 0.5
    assert stays.quality(paused, Expectation(1.0, 0.6)) > 0.9
