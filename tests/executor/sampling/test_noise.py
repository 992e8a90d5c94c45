"""The noise is the documented function, is Gumbel, and is independent wherever its key or token differs."""

import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from tests.executor.sampling import reference
from weft.contracts.requests import SamplingParams
from weft.executor.sampling.noise import gumbel_noise, position_key, seed_of, stream_of

EULER = 0.5772156649015329
SPLITMIX64_FROM_1234567 = (
    6457827717110365317,
    3203168211198807973,
    9817491932198370423,
    4593380528125082431,
    16408922859458223821,
)
"""The first outputs of SplitMix64 with state 1234567, as in Rosetta Code's task "Pseudo-random numbers/Splitmix64"."""

VARYING = ("seed", "sample", "position")


def keys(varying: str, count: int, start: int = 0) -> Tensor:
    """Keys that differ in one part only, by consecutive numbers."""
    parts = [{"seed": 7, "sample": 0, "position": 20} | {varying: start + i} for i in range(count)]
    return torch.tensor([position_key(stream_of(p["seed"], p["sample"]), p["position"]) for p in parts])


def chi_square(counts: Sequence[float], expected: Sequence[float]) -> float:
    return sum((count - mean) ** 2 / mean for count, mean in zip(counts, expected, strict=True))


def is_plausible(statistic: float, freedom: int) -> bool:
    """Within four standard deviations of a chi-square distribution."""
    return abs(statistic - freedom) < 4 * math.sqrt(2 * freedom)


def test_bits_are_those_of_splitmix64() -> None:
    noise = gumbel_noise(torch.tensor([1234567]), torch.arange(1, 6))[0].tolist()
    assert noise == pytest.approx(
        [reference.gumbel_of_bits(bits) for bits in SPLITMIX64_FROM_1234567], rel=1e-5
    )


@pytest.mark.parametrize("seed", [0, -1, 2**63 - 1, -(2**63)])
def test_noise_is_the_documented_function(seed: int) -> None:
    tokens = [0, 1, 5, 31_999, 2**31 - 1]
    key = position_key(stream_of(seed, 3), 4711)
    noise = gumbel_noise(torch.tensor([key]), torch.tensor(tokens))[0].tolist()
    assert noise == pytest.approx([reference.gumbel(seed, 3, 4711, token) for token in tokens], abs=1e-5)


def test_noise_does_not_depend_on_what_else_is_asked() -> None:
    all_keys, tokens_V = keys("seed", 40), torch.arange(1001)
    noise_RV = gumbel_noise(all_keys, tokens_V)
    tokens_RK = torch.stack(
        [torch.randperm(1001, generator=torch.Generator().manual_seed(i))[:77] for i in range(9)]
    )
    assert torch.equal(gumbel_noise(all_keys[5:14], tokens_RK), noise_RV[5:14].gather(-1, tokens_RK))
    assert torch.equal(gumbel_noise(all_keys.flip(0), tokens_V.flip(0)), noise_RV.flip(0, 1))


@pytest.mark.parametrize("varying", VARYING)
def test_noise_has_the_gumbel_distribution(varying: str) -> None:
    noise = gumbel_noise(keys(varying, 500), torch.arange(400)).flatten().double()
    count = noise.numel()
    assert noise.isfinite().all()
    assert abs(noise.mean().item() - EULER) < 4 * math.pi / math.sqrt(6 * count)
    assert noise.var().item() == pytest.approx(math.pi**2 / 6, rel=0.02)
    uniform = (-(-noise).exp()).exp().sort().values
    distance = (uniform - torch.arange(1, count + 1) / count).abs().max().item()
    assert distance < 1.95 / math.sqrt(count)  # Kolmogorov and Smirnov, one in a thousand


def test_the_high_end_is_resolved() -> None:
    noise = gumbel_noise(keys("position", 32), torch.arange(1 << 16)).flatten()
    highest = noise.topk(2000).values
    expected = noise.numel() * -math.expm1(-math.exp(-10.0))
    assert abs((noise > 10).sum().item() - expected) < 4 * math.sqrt(expected)
    assert (
        len(dict.fromkeys(highest.tolist())) > 1990
    )  # a uniform on a grid of 2^-24 would repeat itself a hundred times
    assert noise.min().item() > -2.9


def test_the_ends_are_finite() -> None:
    """Keys whose bits at token 0 are all zeros, and all ones: uniforms that float32 rounds to 0 and to 1."""
    all_ones = -6086893701949170222
    assert (reference.mix(0), reference.mix(all_ones)) == (0, 2**63 - 1)
    highest, lowest = gumbel_noise(torch.tensor([0, all_ones]), torch.tensor([0]))[:, 0].tolist()
    assert highest == pytest.approx(63 * math.log(2), rel=1e-6)
    assert lowest == pytest.approx(-math.log(24 * math.log(2)), rel=1e-6)


@pytest.mark.parametrize("varying", VARYING)
def test_draws_follow_the_softmax(varying: str) -> None:
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0, 0.5, -3.0, 1.5, 0.0])
    tokens = (logits + gumbel_noise(keys(varying, 40_000), torch.arange(8))).argmax(-1)
    counts = tokens.bincount(minlength=8).tolist()
    assert is_plausible(chi_square(counts, (logits.softmax(-1) * 40_000).tolist()), 7)


@pytest.mark.parametrize("varying", VARYING)
@pytest.mark.parametrize("lag", [1, 2, 64])
def test_draws_of_neighbouring_keys_are_independent(varying: str, lag: int) -> None:
    tokens = gumbel_noise(keys(varying, 20_000 + lag), torch.arange(5)).argmax(-1)
    pairs = tokens[:-lag] * 5 + tokens[lag:]
    assert is_plausible(chi_square(pairs.bincount(minlength=25).tolist(), [800.0] * 25), 24)


@pytest.mark.parametrize("varying", VARYING)
def test_neighbouring_tokens_and_keys_are_not_correlated(varying: str) -> None:
    noise = gumbel_noise(keys(varying, 513), torch.arange(513)).double() - EULER
    limit = 4.5 * math.pi**2 / 6 / 512
    for lag in (1, 2, 3, 4, 8, 16, 128, 256):
        assert abs((noise[:512, :-lag] * noise[:512, lag:]).sum().item()) / 512**2 < limit
    assert abs((noise[:-1] * noise[1:]).mean().item()) < limit
    assert abs((noise[:-1, :-1] * noise[1:, 1:]).mean().item()) < limit


def test_seed_and_sample_do_not_stand_in_for_each_other() -> None:
    made = [stream_of(seed, sample) for seed in range(-20, 20) for sample in range(40)]
    assert len(dict.fromkeys(made)) == len(made)


def test_a_request_without_seed_is_named_by_its_id() -> None:
    """The numbers are pinned down: a replay in another process must find the same noise."""
    named = [reference.request(SamplingParams(), request_id=name) for name in ("a", "b")]
    assert [seed_of(each) for each in named] == [3405396810240292928, 8453121595177857668]
    assert seed_of(reference.request(SamplingParams(top_k=2), request_id="a")) == 3405396810240292928
    assert seed_of(reference.request(SamplingParams(seed=-5))) == -5
