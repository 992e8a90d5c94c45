"""Grids that fit a server, and curves that fit a grid."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.costs.calibrated_examples import SLOPES
from weft.costs.step_curve import Layers, StepCurve
from weft.measurement.calibration.fitting import (
    SEEN_TOKENS,
    fit_curve,
    relative_errors,
    stated_error,
    step_sizes,
)
from weft.measurement.calibration.grid import (
    GridPoint,
    Limits,
    fitted_points,
    held_out_points,
)

LIMITS = Limits(max_num_seqs=256, max_step_tokens=2048, max_model_len=1024, cache_tokens=1 << 18)
ROWS_S = tuple((1 << power, 0.001 + 1e-5 * (1 << power)) for power in range(12))


def truth(layers: tuple[Layers, ...], row_tile: int, pads_decodes: bool) -> StepCurve:
    seen_s = ((0, 0.0), (SEEN_TOKENS[2], 0.0005), (SEEN_TOKENS[4], 0.004))
    beside_s = ((0, 0.0), (SEEN_TOKENS[3], 0.001), (SEEN_TOKENS[-1], 0.001))
    return StepCurve(layers, row_tile, pads_decodes, ROWS_S, seen_s, beside_s, SLOPES)


@pytest.mark.parametrize("pads_decodes", [False, True])
@pytest.mark.parametrize("row_tile", [1, 16])
@pytest.mark.parametrize("layers", [(Layers(4, None),), (Layers(2, None), Layers(6, 128))])
def test_a_curve_is_found_again(layers: tuple[Layers, ...], row_tile: int, pads_decodes: bool) -> None:
    real = truth(layers, row_tile, pads_decodes)

    def measured(points: list[GridPoint]) -> dict[GridPoint, float]:
        return {
            point: real.seconds(real.amounts(*step_sizes(point, layers, pads_decodes))) for point in points
        }

    fitted = fit_curve(layers, row_tile, pads_decodes, measured(fitted_points(LIMITS)))
    assert max(map(abs, relative_errors(fitted, measured(held_out_points(LIMITS))))) < 0.02


def test_the_stated_error_covers_four_fifths() -> None:
    errors = [0.01, -0.02, 0.03, -0.04, 0.05, 0.5]
    middle, covering = stated_error(errors)
    assert middle == pytest.approx(0.035)
    assert sum(abs(error) <= covering for error in errors) == 5


@given(
    max_num_seqs=st.integers(1, 2000),
    max_step_tokens=st.integers(1, 20_000),
    max_model_len=st.integers(12, 200_000),
    cache_tokens=st.integers(64, 1 << 22),
)
def test_every_point_can_be_measured_and_none_tests_itself(
    max_num_seqs: int, max_step_tokens: int, max_model_len: int, cache_tokens: int
) -> None:
    limits = Limits(max_num_seqs, max_step_tokens, max_model_len, cache_tokens)
    fitted, held_out = fitted_points(limits), held_out_points(limits)
    assert not set(fitted) & set(held_out)
    for points in (fitted, held_out):
        assert len(set(points)) == len(points)
        assert [point.num_tokens for point in points] == sorted(point.num_tokens for point in points)
    for point in (*fitted, *held_out):
        assert 1 <= point.num_tokens <= max_step_tokens
        assert point.num_decodes + len(point.chunks) <= max_num_seqs
        assert all(0 < context < max_model_len for context in point.timed_contexts)


def test_a_spread_makes_every_other_sequence_shorter() -> None:
    assert GridPoint(3, 100, spread=0.8).contexts == (100, 20, 100)
