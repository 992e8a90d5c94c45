"""The arithmetic of the benches, on times that were made up."""

import pytest

from weft.measurement.token_times import (
    Spread,
    TokenTimes,
    decode_tokens_per_s,
    latency_run,
    mean_running,
    percentile,
    prefill_tokens_per_s,
    spread,
    spread_of_known,
    wall_s,
)


def request(submitted_s: float, *tokens_s: float, prompt_tokens: int = 100) -> TokenTimes:
    return TokenTimes(prompt_tokens, submitted_s, tokens_s, tokens_s[-1])


def test_one_request() -> None:
    times = request(10.0, 10.5, 10.6, 10.9)
    assert times.ttft_s == pytest.approx(0.5)
    assert times.tpot_s == pytest.approx(0.2)
    assert times.intervals_s == pytest.approx((0.1, 0.3))
    assert prefill_tokens_per_s([times]) == pytest.approx(200.0)
    assert decode_tokens_per_s([times]) == pytest.approx(5.0)


def test_a_single_token_tells_nothing_of_decoding() -> None:
    times = request(0.0, 0.25)
    assert times.tpot_s is None
    assert times.intervals_s == ()
    run = latency_run([times], 0)
    assert run == (0.25, None, None, 400.0, None, 1, 0)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([7.0], 0.99, 7.0),
        ([1.0, 2.0], 0.5, 1.5),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([3.0, 1.0, 2.0], 1.0, 3.0),
        ([3.0, 1.0, 2.0], 0.0, 1.0),
        ([float(value) for value in range(101)], 0.99, 99.0),
        ([float(value) for value in range(11)], 0.99, 9.9),
    ],
)
def test_percentiles_lie_between_neighbours(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == pytest.approx(expected)


def test_prefill_counts_all_prompts_until_the_last_first_token() -> None:
    batch = [request(0.0, 1.0, 3.0, prompt_tokens=30), request(0.1, 2.0, 3.0, prompt_tokens=70)]
    assert prefill_tokens_per_s(batch) == pytest.approx(50.0)


def test_decode_counts_only_while_all_decode() -> None:
    """The first has tokens while the second's prompt is computed, and is done before it: both do not count."""
    early = request(0.0, 1.0, 5.0, 5.1, 5.2, 5.3)
    late = request(0.0, 5.0, 5.1, 5.2, 5.3, 9.0)
    assert decode_tokens_per_s([early, late]) == pytest.approx(20.0)


def test_decode_does_not_mind_who_of_a_step_is_seen_first() -> None:
    """Tokens of one step are seen some microseconds apart, also at the edges of the window."""
    delays_s = (0.0, 2e-6, 5e-6, 1e-6)
    batch = [request(0.0, *(1.0 + 0.1 * step + delay for step in range(8))) for delay in delays_s]
    assert decode_tokens_per_s(batch) == pytest.approx(40.0, rel=1e-4)


def test_decode_is_unknown_where_somebody_is_done_before_all_have_begun() -> None:
    assert decode_tokens_per_s([request(0.0, 1.0, 1.1, 1.2), request(0.0, 2.0, 2.1, 2.2)]) is None
    assert decode_tokens_per_s([request(0.0, 1.0, 1.1), request(0.0, 1.1, 1.2)]) is None


def test_a_batch() -> None:
    """100 intervals of 10 ms and one of a second: the mean feels it, the median and the 99th percentile do not
    or nearly."""
    steady = request(0.0, *(0.5 + 0.01 * step for step in range(51)))
    halting = request(0.0, *(0.7 + 0.01 * step for step in range(51)), 2.2)
    run = latency_run([steady, halting], 3)
    assert run.ttft_s == pytest.approx(0.6)
    assert run.tpot_s == pytest.approx((0.01 + 1.5 / 51) / 2)
    assert run.itl_p99_s == pytest.approx(0.01)
    assert run.num_output_tokens == 103
    assert run.prefix_hit_tokens == 3


def test_spreads() -> None:
    assert spread([3.0, 1.0, 2.0, 10.0]) == Spread(2.5, 1.0, 10.0)
    assert spread_of_known([2.0, 4.0, 3.0]) == Spread(3.0, 2.0, 4.0)
    assert spread_of_known([2.0, None]) is None
    assert spread_of_known([]) is None


def test_wall_time_is_from_the_first_submission_to_the_last_end() -> None:
    assert wall_s([request(1.0, 4.0), request(0.5, 2.0), request(2.0, 3.0)]) == pytest.approx(3.5)


def test_running_sequences_are_weighted_by_the_time_of_the_step() -> None:
    assert mean_running([(2.0, 1), (3.0, 4)], begun_s=1.0) == pytest.approx(2.5)
    assert mean_running([], begun_s=1.0) == 0.0
