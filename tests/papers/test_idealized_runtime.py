"""Closed forms of how long requests take."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.papers.recorded import write_points, write_steps
from weft.measurement.validation.deploying import plan_run
from weft.measurement.validation.reading import read_runs
from weft.papers.card import CardError
from weft.papers.idealized_runtime import LOADED, Servers, loops_of, measure, run_alone
from weft.papers.request_forms import (
    Timed,
    idealized_form,
    mean_error,
    output_price_form,
    token_price_form,
)

COUNTS = st.integers(1, 4096)


def true_seconds(prompt_tokens: int, output_tokens: int) -> float:
    return 1e-4 * prompt_tokens + 0.02 * (output_tokens - 1)


TIMED = [Timed(prompt, output, true_seconds(prompt, output)) for prompt in (64, 1024) for output in (1, 33)]


@given(COUNTS, COUNTS)
def test_what_is_idealized_is_found_from_few_runs(prompt_tokens: int, output_tokens: int) -> None:
    found = idealized_form(TIMED)(prompt_tokens, output_tokens)
    assert found == pytest.approx(true_seconds(prompt_tokens, output_tokens))


def test_a_prompt_in_between_takes_its_share_of_the_next() -> None:
    form = idealized_form([Timed(16, 1, 1.0), Timed(16, 3, 1.2), Timed(32, 1, 4.0), Timed(32, 3, 4.2)])
    assert form(24, 1) == pytest.approx(3.0)
    assert form(64, 1) == pytest.approx(8.0)
    assert form(16, 11) == pytest.approx(2.0)


def test_simpler_forms_know_less() -> None:
    tokens = [Timed(prompt, output, 1.0 + prompt + output) for prompt in (8, 90) for output in (1, 50)]
    outputs = [Timed(prompt, output, 1.0 + output) for prompt in (8, 90) for output in (1, 50)]
    assert mean_error(token_price_form(tokens), tokens) == pytest.approx(0.0, abs=1e-6)
    assert mean_error(output_price_form(outputs), outputs) == pytest.approx(0.0, abs=1e-6)
    assert mean_error(token_price_form(TIMED), TIMED) > 0.2


def test_requests_that_do_not_meet_take_as_long_as_alone(tmp_path: Path) -> None:
    (run,) = read_runs(write_points(tmp_path))
    deployment = plan_run(run)
    lengths = [(100, 10), (1000, 1), (100, 10)]
    first, long_prompt, again = run_alone(deployment, lengths)
    assert first.seconds == pytest.approx(again.seconds)
    assert [first[:2], long_prompt[:2]] == lengths[:2]
    assert run_alone(deployment, [(1000, 1)])[0].seconds == pytest.approx(long_prompt.seconds)


def test_loops_that_keep_to_the_form_are_predicted(tmp_path: Path) -> None:
    pairs, details = measure(write_points(tmp_path), Servers("all", "*"), 0)
    assert pairs[LOADED].technique == pytest.approx(0.0, abs=1e-9)
    assert pairs[LOADED].baseline > 1.0
    assert details["loops"] == 1


def test_runs_without_all_shapes_are_named(tmp_path: Path) -> None:
    write_steps(tmp_path)
    with pytest.raises(CardError, match=r"0 loops with all shapes in runs called gpt\*"):
        loops_of(tmp_path, "gpt*")
