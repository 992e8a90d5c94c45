"""Search clients as state machines: what is ready goes in, actions come out."""

from typing import Any

import pytest

from tests.engine.small_engine import ask
from weft.contracts.steps import Candidate
from weft.engine.search import (
    Append,
    BeamSearch,
    Conclude,
    Fork,
    ParallelSampling,
    Prune,
    Release,
    search_client,
)

STOP = 9


def beams(width: int = 2, output: int = 3, stops: tuple[int, ...] = (STOP,)) -> BeamSearch:
    return BeamSearch(ask("a", 4, output, beam_width=width, stop_token_ids=stops))


def options(**logprobs: float) -> list[Candidate]:
    """Candidates by token, written `t5=-1.0`."""
    return [Candidate(int(name[1:]), logprob) for name, logprob in logprobs.items()]


def test_samples_are_forked_when_the_prompt_is_computed_and_all_go_on() -> None:
    client = ParallelSampling(3)
    assert (client.num_candidates, client.held_prompt_tokens) == (0, 1)
    assert client.ready(0, []) == [Fork(0), Fork(0), Release(0), Release(1), Release(2)]


def test_a_beam_search_asks_for_twice_its_width() -> None:
    """So many may end in a stop token and as many be left to go on."""
    client = beams(width=3)
    assert (client.num_candidates, client.held_prompt_tokens) == (6, 0)


def test_the_first_round_forks_the_only_beam() -> None:
    assert beams().ready(0, options(t1=-1.0, t2=-2.0, t3=-3.0, t4=-4.0)) == [
        Fork(0),
        Append(0, 1),
        Append(1, 2),
    ]


def started(width: int = 2, output: int = 3) -> BeamSearch:
    """Beams 0 (token 1, score -1) and 1 (token 2, score -2)."""
    client = beams(width, output)
    client.ready(0, options(t1=-1.0, t2=-2.0, t3=-3.0, t4=-4.0))
    return client


def test_beams_wait_for_each_other() -> None:
    client = started()
    assert client.ready(1, options(t1=-9.0)) == []
    assert client.ready(0, options(t1=-1.0, t2=-2.0)) != []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_best_continuations_survive_whatever_beam_is_ready_first(order: tuple[int, int]) -> None:
    """Beam 1 has the best (-2.5) and third best (-4), beam 0 the second best (-3)."""
    client = started()
    offers = {0: options(t5=-2.0, t6=-8.0), 1: options(t7=-0.5, t8=-2.0)}
    assert client.ready(order[0], offers[order[0]]) == []
    assert client.ready(order[1], offers[order[1]]) == [Append(1, 7), Append(0, 5)]


def test_a_beam_without_survivors_is_pruned_and_one_with_two_is_forked_first() -> None:
    client = started()
    client.ready(0, options(t5=-50.0, t6=-60.0))
    assert client.ready(1, options(t7=-1.0, t8=-2.0)) == [Fork(1), Prune(0), Append(1, 7), Append(2, 8)]


def test_sequences_are_numbered_in_order_of_creation_across_rounds() -> None:
    client = started(output=9)
    client.ready(0, options(t5=-50.0))
    client.ready(1, options(t7=-1.0, t8=-2.0))
    client.ready(1, options(t1=-1.0, t2=-1.5))
    assert client.ready(2, options(t3=-90.0)) == [Fork(1), Prune(2), Append(1, 1), Append(3, 2)]


def test_of_equal_scores_the_smaller_tokens_win() -> None:
    client = beams(width=1)
    assert client.ready(0, options(t8=-1.0, t3=-1.0)) == [Append(0, 3)]


def test_a_stop_token_among_the_best_finishes_an_output_and_a_later_one_is_dropped() -> None:
    client = started()
    client.ready(0, options(t9=-0.5, t5=-2.0))
    assert client.ready(1, options(t9=-3.0, t6=-2.5)) == [Append(0, 5), Append(1, 6)]
    client.ready(0, options(t1=-90.0, t2=-91.0))
    assert client.ready(1, options(t1=-90.0, t2=-91.0)) == [Conclude((1, 9), "stop")]


def test_the_search_ends_when_as_many_outputs_are_finished_as_it_is_wide() -> None:
    client = started()
    client.ready(0, options(t9=-0.5, t5=-3.0))
    assert client.ready(1, options(t9=-0.1, t6=-4.0)) == [Conclude((1, 9), "stop")]


def test_at_the_limit_live_beams_count_as_finished() -> None:
    client = started(output=2)
    client.ready(0, options(t5=-1.0, t6=-2.0))
    assert client.ready(1, options(t7=-0.2, t8=-3.0)) == [Conclude((1, 5), "length")]


def test_a_finished_output_beats_a_worse_beam_at_the_limit() -> None:
    client = started(output=2)
    client.ready(0, options(t9=-0.1, t6=-2.0))
    assert client.ready(1, options(t7=-0.2, t8=-3.0)) == [Conclude((1, 9), "stop")]


def test_where_every_continuation_stops_the_search_is_over() -> None:
    client = beams(width=2, stops=(1, 2, 3, 4))
    assert client.ready(0, options(t1=-1.0, t2=-2.0, t3=-3.0, t4=-4.0)) == [Conclude((1,), "stop")]


@pytest.mark.parametrize(
    ("prompt", "sampling", "kind"),
    [
        (4, {}, None),
        (4, {"n": 2}, ParallelSampling),
        (1, {"n": 2}, None),
        (1, {"beam_width": 2}, BeamSearch),
        (4, {"beam_width": 2}, BeamSearch),
    ],
)
def test_a_request_gets_the_client_that_its_parameters_call_for(
    prompt: int, sampling: dict[str, Any], kind: type | None
) -> None:
    """A prompt of one token has nothing that samples could share."""
    client = search_client(ask("a", prompt, **sampling))
    assert type(client) is (type(None) if kind is None else kind)
