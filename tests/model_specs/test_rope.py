"""What rotary specs compute, by hand; test_oracle.py compares them with transformers."""

from itertools import pairwise
from math import inf, log, nan, pi

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.contracts.errors import ConfigurationError
from weft.model_specs.rope import RopeScaling, RopeSpec, as_float32
from weft.model_specs.rope_scalings import DynamicScaling, LinearScaling, Llama3Scaling, YarnScaling

LLAMA_3_1 = Llama3Scaling(8.0, 1.0, 4.0, 8192)
YARN = YarnScaling(4.0, 32768)


def test_plain_pairs_slow_down_by_powers_of_the_base() -> None:
    rope = RopeSpec(10_000.0, 8)
    assert rope.inverse_frequencies(100) == tuple(as_float32(value) for value in (1.0, 0.1, 0.01, 0.001))
    assert rope.attention_factor() == 1.0


def test_linear_scaling_divides_by_its_factor() -> None:
    plain = RopeSpec(10_000.0, 8).inverse_frequencies(1)
    scaled = RopeSpec(10_000.0, 8, LinearScaling(4.0)).inverse_frequencies(1)
    assert scaled == tuple(value / 4.0 for value in plain)


def test_llama_3_keeps_fast_pairs_and_divides_slow_ones() -> None:
    plain = RopeSpec(500_000.0, 128).inverse_frequencies(1)
    scaled = RopeSpec(500_000.0, 128, LLAMA_3_1).inverse_frequencies(1)
    ratios = [own / other for own, other in zip(scaled, plain, strict=True)]
    turns = [8192 * value / (2 * pi) for value in plain]
    assert {ratio for ratio, turn in zip(ratios, turns, strict=True) if turn > 4.0} == {1.0}
    assert {ratio for ratio, turn in zip(ratios, turns, strict=True) if turn < 1.0} == {0.125}
    between = [ratio for ratio, turn in zip(ratios, turns, strict=True) if 1.0 < turn < 4.0]
    assert between == sorted(between, reverse=True)
    assert all(0.125 < ratio < 1.0 for ratio in between)


def test_yarn_keeps_fast_pairs_divides_slow_ones_and_sharpens() -> None:
    rope = RopeSpec(1e6, 128, YARN)
    plain = RopeSpec(1e6, 128).inverse_frequencies(1)
    ratios = [own / other for own, other in zip(rope.inverse_frequencies(1), plain, strict=True)]
    assert ratios[0] == 1.0
    assert ratios[-1] == 0.25
    assert all(after <= before * (1 + 1e-6) for before, after in pairwise(ratios))
    assert rope.attention_factor() == 0.1 * log(4.0) + 1.0


@pytest.mark.parametrize(
    ("scaling", "factor"),
    [
        (YarnScaling(1.0, 64), 1.0),
        (YarnScaling(4.0, 64, explicit_attention_factor=0.5), 0.5),
        (YarnScaling(4.0, 64, mscale=1.0, mscale_all_dim=1.0), 1.0),
        (YarnScaling(4.0, 64, mscale=0.707), 0.1 * log(4.0) + 1.0),
        (YarnScaling(4.0, 64, mscale=2.0, mscale_all_dim=0.5), (0.2 * log(4) + 1) / (0.05 * log(4) + 1)),
    ],
)
def test_yarn_sharpens_as_told(scaling: YarnScaling, factor: float) -> None:
    assert scaling.attention_factor() == pytest.approx(factor, rel=1e-15)


def test_a_dynamic_base_follows_the_longest_length_only() -> None:
    rope = RopeSpec(10_000.0, 64, DynamicScaling(4.0, 1024))
    plain = RopeSpec(10_000.0, 64).inverse_frequencies(1)
    assert rope.inverse_frequencies(10) == rope.inverse_frequencies(1024) == plain
    stretched = rope.inverse_frequencies(4096)
    assert stretched[0] == 1.0
    # base times (4 * 4 - 3) ** (64 / 62) makes the slowest pair 13 times as slow, by construction
    assert plain[-1] / stretched[-1] == pytest.approx(13.0, rel=1e-6)


@pytest.mark.parametrize(
    ("scaling", "longest"),
    [(LinearScaling(2.5), 250), (DynamicScaling(2.0, 100), 200), (LLAMA_3_1, 100), (YARN, 131072)],
)
def test_the_longest_length_after_scaling(scaling: RopeScaling, longest: int) -> None:
    assert scaling.max_length_tokens(100) == longest


@given(
    st.sampled_from([None, LinearScaling(3.0), DynamicScaling(8.0, 64), LLAMA_3_1, YARN]),
    st.floats(1.0001, 1e30),
    st.integers(2, 100),
    st.integers(1, 1 << 40),
)
def test_frequencies_are_finite_and_never_grow(
    scaling: RopeScaling | None, theta: float, num_pairs: int, length_tokens: int
) -> None:
    frequencies = RopeSpec(theta, 2 * num_pairs, scaling).inverse_frequencies(length_tokens)
    assert len(frequencies) == num_pairs
    assert all(0.0 <= value <= 1.0 for value in frequencies)


@pytest.mark.parametrize("theta", [1.0, 0.0, -5.0, nan, inf, 1e31])
def test_a_bad_base_is_refused(theta: float) -> None:
    with pytest.raises(ConfigurationError, match="rope theta is"):
        RopeSpec(theta, 8)


@pytest.mark.parametrize("num_dimensions", [0, -2, 3])
def test_bad_dimensions_are_refused(num_dimensions: int) -> None:
    with pytest.raises(ConfigurationError, match="even number above 0"):
        RopeSpec(1e4, num_dimensions)


def test_dynamic_scaling_of_a_single_pair_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="dynamic scaling needs at least 4"):
        RopeSpec(1e4, 2, DynamicScaling(2.0, 64))


@pytest.mark.parametrize("factor", [0.5, nan, inf, 1e7])
def test_a_bad_factor_is_refused(factor: float) -> None:
    for make in (
        LinearScaling,
        lambda factor: DynamicScaling(factor, 8),
        lambda factor: Llama3Scaling(factor, 1.0, 4.0, 8),
        lambda factor: YarnScaling(factor, 8),
    ):
        with pytest.raises(ConfigurationError, match="rope factor is"):
            make(factor)


def test_values_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"high_freq_factor is 1\.0; it must be above"):
        Llama3Scaling(8.0, 1.0, 1.0, 8192)
    with pytest.raises(ConfigurationError, match=r"beta_fast is 1\.0; it must be above"):
        YarnScaling(8.0, 64, beta_fast=1.0, beta_slow=2.0)
    with pytest.raises(ConfigurationError, match="original_length_tokens is 0"):
        YarnScaling(8.0, 0)
    with pytest.raises(ConfigurationError, match="attention_factor is nan"):
        YarnScaling(8.0, 64, explicit_attention_factor=nan)
