"""Figures over time: nothing is lost in bins, however long the run is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import weft
from tests.simulator.simulated_service import MODEL, Listed
from weft.measurement.timeline import FINEST_BIN_S, MOST_BINS, BinnedSums, Timeline

SPANS = st.lists(st.tuples(st.floats(0.0, 50.0), st.floats(0.0, 9.0)), min_size=1, max_size=30)


@given(SPANS)
def test_seconds_and_amounts_are_kept_while_bins_grow(spans: list[tuple[float, float]]) -> None:
    bins, now_s = BinnedSums(2), 0.0
    for length_s, value in spans:
        bins.add_span(now_s, now_s + length_s, (value,))
        now_s += length_s
        bins.add(1, now_s, value)
    assert sum(bins.sums[0]) == pytest.approx(sum(length_s * value for length_s, value in spans))
    assert sum(bins.sums[1]) == pytest.approx(sum(value for _, value in spans))
    assert now_s < MOST_BINS * bins.bin_s
    assert bins.bin_s == FINEST_BIN_S or now_s * 2 >= (MOST_BINS - 1) * bins.bin_s


def test_a_span_is_where_it_was() -> None:
    bins = BinnedSums(1)
    bins.add_span(0.0, 1.5 * FINEST_BIN_S, (2.0,))
    assert bins.sums[0][:3] == pytest.approx([2.0 * FINEST_BIN_S, FINEST_BIN_S, 0.0])


@given(st.lists(st.floats(0.0, 1e4), min_size=1, max_size=30))
def test_what_happens_beyond_the_last_bin_is_kept(times_s: list[float]) -> None:
    bins = BinnedSums(1)
    for time_s in times_s:
        bins.add(0, time_s, 1.0)
    assert sum(bins.sums[0]) == len(times_s)


def test_it_agrees_with_the_figures_of_the_run() -> None:
    result = weft.simulate(MODEL, "azure-conv", rate=30.0, requests=120, replicas=2)
    timeline, serving = result.timeline, result.serving
    last_s = max(result.requests.end_s)
    assert sum(timeline.output_tokens) == serving.output_tokens
    assert (len(timeline.running) - 1) * timeline.bin_s <= last_s <= len(timeline.running) * timeline.bin_s
    usage = sum(timeline.kv_usage) / len(timeline.kv_usage)
    assert usage == pytest.approx(result.kv_usage_mean, rel=0.02)
    assert max(timeline.kv_usage) <= result.kv_usage_peak
    held_s = sum(result.requests.end_s) - sum(result.requests.first_token_s)
    assert sum(timeline.running) * timeline.bin_s == pytest.approx(held_s, rel=0.25)  # prefills run too


def test_who_waits_is_seen() -> None:
    result = weft.simulate(MODEL, Listed([(0.0, 50, 100)] * 4), max_num_seqs=1)
    assert max(result.timeline.waiting) == pytest.approx(3.0)
    assert max(result.timeline.running) == pytest.approx(1.0)


def test_tokens_of_a_cut_bin_count_in_proportion() -> None:
    timeline = Timeline(2.0, (1.0,) * 3, (0.0,) * 3, (0.5,) * 3, (10.0, 20.0, 40.0))
    assert timeline.tokens_between(0.0, 6.0) == 70.0
    assert timeline.tokens_between(1.0, 3.0) == 5.0 + 10.0
    assert timeline.tokens_between(6.0, 9.0) == 0.0


def test_coarser_bins_hold_the_same() -> None:
    timeline = Timeline(1.0, (1.0, 3.0, 5.0), (0.0,) * 3, (0.2, 0.4, 0.6), (10.0, 20.0, 40.0))
    coarse = timeline.coarser(2)
    assert (coarse.bin_s, coarse.running, coarse.output_tokens) == (2.0, (2.0, 5.0), (30.0, 40.0))
    assert timeline.coarser(3) == timeline
