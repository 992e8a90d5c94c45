import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import fmean

import pytest

from tests.workloads.samples import first, lengths, times_s
from weft.contracts.errors import ConfigurationError
from weft.contracts.requests import SamplingParams, Slo
from weft.workloads import generators
from weft.workloads.arrivals import constant, poisson
from weft.workloads.distributions import Counts, Fixed
from weft.workloads.generated import ClosedLoop, GeneratedWorkload
from weft.workloads.lengths import Independent
from weft.workloads.limits import Limited
from weft.workloads.sessions import Client, Session, Turn, Workload
from weft.workloads.shapes import Single

SHORT = generators.fixed_lengths(100, 10)


def chatting(seed: int = 0) -> GeneratedWorkload:
    return generators.conversations(poisson(5.0), SHORT, SHORT, Counts((1.0, 1.0, 1.0)), 20.0, seed=seed)


def searching(seed: int = 0) -> GeneratedWorkload:
    return generators.agents(
        poisson(5.0), SHORT, SHORT, Fixed(6), mean_tool_s=3.0, instructions_tokens=512, seed=seed
    )


def sharing(seed: int = 0) -> GeneratedWorkload:
    return generators.shared_prefixes(poisson(5.0), SHORT, 10, 256, seed=seed)


@pytest.mark.parametrize("make", [chatting, searching, sharing])
def test_the_seed_decides_everything(make: Callable[[int], GeneratedWorkload]) -> None:
    workload = make(3)
    assert first(workload, 200) == first(workload, 200) == first(make(3), 200)
    assert first(workload, 200) != first(make(4), 200)
    assert [session.number for session in first(workload, 50)] == list(range(50))


@pytest.mark.parametrize("make", [chatting, searching, sharing])
def test_another_rate_asks_the_same_at_other_times(make: Callable[[int], GeneratedWorkload]) -> None:
    slow, fast = make(1), make(1).at_rate(100.0)
    assert lengths(first(fast, 300)) == lengths(first(slow, 300))
    sessions = first(fast, 8000)
    assert len(lengths(sessions)) / sessions[-1].arrival_s == pytest.approx(100.0, rel=0.05)
    assert fast.rate_per_s == pytest.approx(100.0)
    assert slow.rate_per_s == pytest.approx(5.0 * slow.shape.mean_turns)


def test_agents_share_their_instructions_and_wait_for_tools() -> None:
    one, other = (tuple(session.turns) for session in first(searching(), 2))
    assert one[0].prompt.content_key(0, 512) == other[5].prompt.content_key(0, 512)
    assert one[0].prompt.num_tokens == 612
    delays_s = [turn.delay_s for session in first(searching(), 2000) for turn in tuple(session.turns)[1:]]
    assert fmean(delays_s) == pytest.approx(3.0, rel=0.05)


def test_a_closed_loop_shares_out_its_requests() -> None:
    sessions = list(ClosedLoop("loop", SHORT, num_clients=3, num_requests=10).sessions())
    assert [len(list(session.turns)) for session in sessions] == [4, 3, 3]
    assert {session.arrival_s for session in sessions} == {0.0}
    assert {turn.delay_s for session in sessions for turn in session.turns} == {0.0}
    for clients, requests in ((0, 5), (6, 5)):
        with pytest.raises(ConfigurationError):
            ClosedLoop("loop", SHORT, clients, requests)


def test_limits_cut_where_they_say() -> None:
    endless = generators.requests(constant(2.0), SHORT)
    assert times_s(Limited(endless, duration_s=2.0), 100) == [0.5, 1.0, 1.5]
    assert len(list(Limited(endless, num_requests=7).sessions())) == 7
    assert Limited(endless, 1).name == "requests"
    for number in (1, 2, 10, 11):
        turns = [turn for session in Limited(chatting(), number).sessions() for turn in session.turns]
        assert len(turns) == number
    for limits in ({"num_requests": 0}, {"duration_s": 0.0}, {"duration_s": float("nan")}):
        with pytest.raises(ConfigurationError):
            Limited(endless, **limits)


def test_a_turn_becomes_a_request() -> None:
    client = Client("acme", priority=2, slo=Slo(ttft_s=1.0), adapter="poet")
    turn = Turn(next(iter(first(sharing(), 1)[0].turns)).prompt, output_tokens=77)
    request = Session(4, 0.0, (turn,), client).request(0, turn, SamplingParams(max_tokens=500))
    assert (request.request_id, request.session, request.prompt) == ("4.0", "4", turn.prompt)
    assert (request.tenant, request.priority, request.slo, request.adapter) == client
    assert request.max_total_tokens == turn.prompt.num_tokens + 500


SCRIPT = """
import json, itertools
from weft.workloads.registry import find_workload
from weft.workloads.fitted import NAMES
found = [find_workload(name, rate_per_s=9.0, seed=5) for name in NAMES]
print(json.dumps([[repr(session) for session in itertools.islice(one.sessions(), 40)] for one in found]))
"""


def run_with_hash_seed(hash_seed: str) -> list[list[str]]:
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": str(root), "PYTHONHASHSEED": hash_seed}
    output = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, check=True
    ).stdout
    found: list[list[str]] = json.loads(output)
    return found


def test_processes_with_different_hash_seeds_draw_the_same() -> None:
    one, other = run_with_hash_seed("1"), run_with_hash_seed("2")
    assert one == other
    assert len({text for sessions in one for text in sessions}) == 40 * len(one)


@pytest.mark.parametrize(
    "workload",
    [sharing(), Limited(chatting(), num_requests=10**9), ClosedLoop("loop", SHORT, 1, 10**9)],
    ids=lambda workload: workload.name,
)
def test_streaming_needs_no_memory(workload: Workload) -> None:
    turns = (turn for session in workload.sessions() for turn in session.turns)
    list(islice(turns, 100))
    tracemalloc.start()
    for _ in islice(turns, 20_000):
        pass
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 50_000


def test_draws_are_what_they_were() -> None:
    """A golden draw: it changes only with a change that says why."""
    workload = GeneratedWorkload(
        "golden", poisson(4.0), Single(Independent(Counts((1.0, 2.0)), Fixed(3))), seed=1
    )
    assert times_s(workload, 3) == GOLDEN_TIMES_S
    assert lengths(first(workload, 8)) == GOLDEN_LENGTHS


GOLDEN_TIMES_S = [0.04203587886877358, 0.17408625717507675, 0.18906826263992116]
GOLDEN_LENGTHS = [(1, 3), (2, 3), (1, 3), (1, 3), (2, 3), (2, 3), (2, 3), (1, 3)]
