"""The cost model made of a calibration: a curve in rows, slopes in the rest, the host's work on top."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.costs.calibrated_examples import BESIDE_TOKEN_S, CURVE, FAR_S, NEAR_S, SETTLINGS, SLOPES, WORK
from weft.contracts.errors import ConfigurationError
from weft.costs.calibrated import CalibratedCosts, EngineWork, Settling
from weft.costs.serving_costs import ServingCosts
from weft.costs.step_curve import Layers, StepCurve, on_line

PADDING = replace(CURVE, pads_decodes=True)
WINDOWED = replace(CURVE, layers=(Layers(2, None), Layers(3, 100)))


def test_a_decode_is_what_its_parts_add_up_to() -> None:
    costs: ServingCosts = CalibratedCosts(CURVE, EngineWork(decodes=1.5, step_s=1e-4, sequence_s=1e-6))
    expected = 0.0025 + 4 * 1e-5 + 2e-4 + 4 * 3e-5 + 2 * 400 * NEAR_S
    assert CalibratedCosts(CURVE).seconds(4, 4, 4, (400,)) == pytest.approx(expected)
    assert costs.seconds(4, 4, 4, (400,)) == pytest.approx(1.5 * expected + 1e-4 + 4e-6)
    assert costs.joules(1.0) is None
    assert costs.seconds(0, 0, 0, (0,)) == 0.0


def test_a_chunk_beside_decodes_is_what_its_parts_add_up_to() -> None:
    pairs = 2 * (50 * 4 + 4 * 5 // 2)
    decodes_s = 2e-4 + 2 * (3e-5 + 4e-6) + 2 * 30 * (NEAR_S + BESIDE_TOKEN_S)
    expected = 0.00275 + 3 * 1e-5 + decodes_s + 5e-4 + 6e-5 + 2 * 54 * 7e-8 + pairs * 8e-9
    assert CalibratedCosts(CURVE).seconds(6, 3, 2, (30,), [(4, 50)]) == pytest.approx(expected)
    assert CalibratedCosts(CURVE, WORK).seconds(6, 3, 2, (30,), [(4, 50)]) == pytest.approx(
        1.25 * expected + 1e-4 + 3e-6
    )


def test_of_many_sequences_the_host_does_the_others_meanwhile() -> None:
    work = EngineWork(sequence_s=1e-3)
    more_s = [
        CalibratedCosts(CURVE, work).seconds(number, number, number, (0,))
        - CalibratedCosts(CURVE).seconds(number, number, number, (0,))
        for number in (1, 63, 64, 65, 200)
    ]
    assert more_s == pytest.approx([1e-3, 63e-3, 64e-3, 64e-3, 64e-3])


def test_the_last_token_of_a_prompt_is_like_a_decode() -> None:
    for curve, seen in ((CURVE, 31 + 30), (PADDING, 3 * 31), (PADDING, 3 * 45)):
        before = 44 if seen == 3 * 45 else 30
        alike = CalibratedCosts(curve).seconds(3, 3, 3, (seen,))
        assert CalibratedCosts(curve).seconds(3, 3, 2, (30,), [(1, before)]) == pytest.approx(alike)
    alone = CalibratedCosts(PADDING).seconds(1, 1, 0, (0,), [(1, 30)])
    assert alone == pytest.approx(CalibratedCosts(PADDING).seconds(1, 1, 1, (31,)))


def test_a_window_bounds_what_is_seen() -> None:
    near = CalibratedCosts(WINDOWED).seconds(1, 1, 0, (0, 0), [(1, 99)])
    far = CalibratedCosts(WINDOWED).seconds(1, 1, 0, (0, 0), [(1, 999)])
    assert far - near == pytest.approx(2 * 900 * NEAR_S)


@pytest.mark.parametrize(("rows", "seconds"), [(1, 0.001), (3, 0.002), (8, 0.003), (16, 0.004)])
def test_the_curve_goes_through_its_knots_and_on(rows: int, seconds: float) -> None:
    assert on_line(CURVE.rows_s, rows) == pytest.approx(seconds)


def test_a_curve_of_one_knot_is_flat() -> None:
    assert on_line(((16, 0.005),), 64) == 0.005


def test_products_in_tiles_make_stairs() -> None:
    stairs = CalibratedCosts(replace(CURVE, row_tile=4, slopes=SLOPES._replace(single=0.0, output=0.0)))
    of_rows = [stairs.seconds(rows, rows, rows, (0,)) for rows in range(1, 9)]
    assert of_rows == pytest.approx([of_rows[0]] * 4 + [of_rows[4]] * 4)
    assert of_rows[4] > of_rows[0]


@given(
    curve=st.sampled_from((CURVE, PADDING, WINDOWED)),
    num_decodes=st.integers(1, 50),
    visible=st.integers(1, 10_000),
    num_steps=st.integers(0, 20),
)
def test_steps_at_once_are_as_one_by_one(
    curve: StepCurve, num_decodes: int, visible: int, num_steps: int
) -> None:
    costs, groups = CalibratedCosts(curve, EngineWork(1.1, 1.2, 1e-4, 1e-6)), len(curve.layers)
    together = costs.decode_seconds(num_decodes, (visible,) * groups, (num_decodes,) * groups, num_steps)
    one_by_one = [
        costs.seconds(num_decodes, num_decodes, num_decodes, (visible + step * num_decodes,) * groups)
        for step in range(num_steps)
    ]
    assert together == pytest.approx(one_by_one)


def test_what_caches_do_not_keep_takes_longer_to_see() -> None:
    costs = CalibratedCosts(CURVE)
    begun_s, near_s, far_s = (costs.seconds(1, 1, 1, (visible,)) for visible in (1048, 2048, 3048))
    assert near_s - begun_s == pytest.approx(2 * 1000 * NEAR_S)
    assert far_s - near_s == pytest.approx(2 * 1000 * FAR_S)


@pytest.mark.parametrize(
    ("idle_s", "seconds"), [(1e-4, 5e-4), (0.001, 5e-4), (0.0505, 1.25e-3), (0.1, 2e-3), (9.0, 2e-3)]
)
def test_a_pause_costs_what_lies_between_those_that_were_measured(idle_s: float, seconds: float) -> None:
    costs = CalibratedCosts(CURVE, wakings_s=((0.001, 5e-4), (0.1, 2e-3)))
    assert costs.waking_seconds(idle_s) == pytest.approx(seconds)


def test_without_pauses_measured_none_costs_anything() -> None:
    assert CalibratedCosts(CURVE).waking_seconds(1.0) == 0.0


def test_a_prompt_is_felt_for_as_many_steps_as_were_measured_and_up_to_a_length() -> None:
    costs = CalibratedCosts(CURVE, settlings=SETTLINGS)
    assert costs.settling_steps == 2
    assert costs.settling_seconds(0, 50, 4) == pytest.approx(1e-4 + 50 * 1e-6 + 50 * 4 * 1e-7)
    assert costs.settling_seconds(1, 50, 4) == pytest.approx(50 * 5e-7)
    assert costs.settling_seconds(0, 1000, 4) == costs.settling_seconds(0, 100, 4)
    assert Settling(0.0, 0.0, 0.0, 1).seconds(10, 10) == 0.0


def test_an_engine_that_gives_time_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"step_s=-0\.001.*below 0"):
        CalibratedCosts(CURVE, EngineWork(step_s=-0.001))
