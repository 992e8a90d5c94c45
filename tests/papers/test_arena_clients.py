"""The clients of the arena trace, and how unequally they are served."""

from collections import Counter
from itertools import pairwise
from statistics import fmean

import pytest

from tests.workloads.samples import first, lengths, shared_trace
from weft.contracts.events import Status
from weft.contracts.record import replaced
from weft.papers.arena_clients import CLIENTS, DURATION_S, MEAN_TOKENS, NUM_REQUESTS, ArenaClients
from weft.papers.service_difference import Served, differences, services
from weft.papers.vtc import ARENA_DIFFERENCE, Arena, measure
from weft.simulator.request_outcome import RequestOutcome
from weft.workloads.trace import TraceWorkload

PLAIN = ArenaClients("arena", 1.0, 3)


def test_the_numbers_are_those_of_the_trace() -> None:
    pytest.importorskip("pyarrow")
    trace = TraceWorkload(shared_trace("vtc_arena/requests.parquet"))
    found: dict[int, list[tuple[float, int, int]]] = {}
    for session in trace.sessions():
        (turn,) = session.turns
        client = int(session.client.tenant.rpartition("-")[2])
        found.setdefault(client, []).append((session.arrival_s, turn.prompt.num_tokens, turn.output_tokens))
    for index, known in enumerate(CLIENTS):
        counts = Counter(min(9, int(time_s // 60.0)) for time_s, _, _ in found[index])
        assert known.requests == tuple(counts[minute] for minute in range(10))
        assert known.prompt_tokens == round(fmean(each[1] for each in found[index]))
        assert known.output_tokens == round(fmean(each[2] for each in found[index]))


def test_as_many_requests_of_each_client_in_each_minute_come_as_in_the_trace() -> None:
    sessions = list(PLAIN.sessions())
    assert len(sessions) == NUM_REQUESTS == 1500
    assert [each.number for each in sessions] == list(range(1500))
    assert all(one.arrival_s <= other.arrival_s for one, other in pairwise(sessions))
    counts = Counter((each.client.tenant, int(each.arrival_s // 60.0)) for each in sessions)
    assert counts["client-10", 4] == CLIENTS[10].requests[4] == 67
    assert counts["client-10", 0] == 0


def test_another_factor_gives_so_many_more_and_another_seed_other_times() -> None:
    assert len(list(PLAIN._replace(factor=2.5).sessions())) == pytest.approx(3750, rel=0.01)
    assert first(PLAIN, 5) == first(PLAIN, 5) != first(PLAIN._replace(seed=4), 5)


def test_lengths_are_those_of_the_trace() -> None:
    prompts, outputs = zip(*lengths(list(PLAIN._replace(factor=4.0).sessions())), strict=True)
    assert fmean(prompts) == pytest.approx(MEAN_TOKENS[0], rel=0.1)
    assert fmean(outputs) == pytest.approx(MEAN_TOKENS[1], rel=0.1)


def served(tenant: str, arrival_s: float, begun_s: float, ended_s: float, weight: float = 600.0) -> Served:
    return Served(tenant, weight, arrival_s, begun_s, ended_s)


def test_service_counts_where_it_falls() -> None:
    each = served("a", 0.0, 10.0, 20.0)
    assert each.within(0.0, 60.0) == 600.0
    assert each.within(15.0, 75.0) == 300.0
    assert each.within(20.0, 80.0) == 0.0
    assert served("a", 0.0, 10.0, 10.0).within(0.0, 60.0) == 600.0


def test_who_is_given_what_it_asks_for_lacks_nothing() -> None:
    both = [served("a", at_s, at_s, at_s + 0.1, weight) for at_s in range(600) for weight in (1.0, 5.0)] + [
        served("b", at_s, at_s, at_s + 0.1, 1.0) for at_s in range(600)
    ]
    assert max(differences(both, DURATION_S)) < 0.2


def test_who_waits_while_another_is_served_lacks_what_the_other_has_more() -> None:
    """Both ask for 10 a second; one gets 20 in the first half, the other in the second."""
    waits = [served("b", at_s, 300.0 + at_s / 2, 300.1 + at_s / 2, 10.0) for at_s in range(600)]
    goes = [served("a", at_s, at_s / 2, at_s / 2 + 0.1, 10.0) for at_s in range(600)]
    found = differences(goes + waits, DURATION_S)
    assert found[0] == pytest.approx(10.0, abs=1.0)
    fair = [each._replace(begun_s=each.arrival_s, ended_s=each.arrival_s + 0.1) for each in goes + waits]
    assert fmean(differences(fair, DURATION_S)) < 1.0 < fmean(found)


def test_what_was_not_answered_was_not_served() -> None:
    failed = RequestOutcome("0.0", Status.FAILED, "no room", 0.0, None, 1.0, 10, 0, ())
    done = replaced(failed, status=Status.FINISHED, first_token_s=0.5, output_tokens=5)
    assert services([failed], {"0.0": "a"}) == []
    assert services([done], {"0.0": "a"}) == [Served("a", 20.0, 0.0, 0.5, 1.0)]


@pytest.mark.nightly
def test_the_arena_shows_the_claimed_direction() -> None:
    """As the quick form does of the first claim, on a small engine."""
    setting = Arena("small", "meta-llama/Llama-2-7b-hf", "l4", 1.5, 16)
    pair = measure(setting, 0).pairs[ARENA_DIFFERENCE]
    assert 0.0 < pair.technique < 0.75 * pair.baseline
