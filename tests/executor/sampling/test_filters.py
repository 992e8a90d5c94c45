"""The kept tokens: against the docstring in plain Python, and against the processors of transformers."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers import (
    LogitsProcessor,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from tests.executor.sampling.reference import kept_tokens
from weft.contracts.requests import SamplingParams
from weft.executor.sampling.filters import WINDOWS, drop_unlikely, is_filtered, keep, make_filters, scale

CPU = torch.device("cpu")
COARSE_LOGITS = st.lists(st.integers(-20, 20).map(lambda step: step / 4), min_size=1, max_size=40)
PARAMS = st.builds(
    SamplingParams,
    temperature=st.sampled_from([0.1, 0.3, 0.7, 1.0, 1.9, 1e300]),
    top_k=st.integers(0, 45),
    top_p=st.sampled_from([1e-9, 0.1, 0.5, 0.9, 0.999, 1.0]),
    min_p=st.sampled_from([0.0, 1e-4, 0.05, 0.5, 1.0]),
)


def kept_sets(
    logits_RV: Tensor, params: Sequence[SamplingParams], windows: Sequence[int] = WINDOWS
) -> list[list[int]]:
    """Per row the tokens that stay, in order of rank."""
    filters = make_filters(params, logits_RV.shape[-1], CPU)
    found: dict[int, list[int]] = {}
    for kept in keep(scale(logits_RV, filters), filters, windows):
        for row, scaled, tokens in zip(*(part.tolist() for part in kept), strict=True):
            assert row not in found
            found[row] = [token for token, value in zip(tokens, scaled, strict=True) if value > -torch.inf]
    return [found[row] for row in range(len(params))]


@given(COARSE_LOGITS, PARAMS)
def test_kept_tokens_are_those_of_the_docstring(logits: list[float], params: SamplingParams) -> None:
    (found,) = kept_sets(torch.tensor([logits]), [params])
    least, most = kept_tokens(logits, params, -1e-5), kept_tokens(logits, params, 1e-5)
    assert found[0] == logits.index(max(logits))
    assert found == most[: len(found)]
    assert len(least) <= len(found)


@given(COARSE_LOGITS, PARAMS)
def test_min_p_alone_needs_no_order(logits: list[float], params: SamplingParams) -> None:
    only = SamplingParams(temperature=params.temperature, min_p=params.min_p)
    filters = make_filters([only], len(logits), CPU)
    kept_RV = drop_unlikely(scale(torch.tensor([logits]), filters), filters) > -torch.inf
    assert not is_filtered(only, len(logits))
    assert kept_RV[0].nonzero()[:, 0].tolist() == sorted(kept_sets(torch.tensor([logits]), [only])[0])


def test_exact_cases() -> None:
    quarters = torch.zeros(1, 4)
    assert kept_sets(quarters, [SamplingParams(top_p=0.5)]) == [[0, 1]]
    assert kept_sets(quarters, [SamplingParams(top_p=0.51)]) == [[0, 1, 2]]
    assert kept_sets(quarters, [SamplingParams(top_k=3)]) == [[0, 1, 2]]
    assert kept_sets(quarters, [SamplingParams(top_k=2, top_p=0.5)]) == [[0]]  # half of what top-k left
    assert kept_sets(quarters, [SamplingParams(top_p=1e-9)]) == [[0]]
    assert kept_sets(quarters, [SamplingParams(min_p=1.0)]) == [[0, 1, 2, 3]]


@pytest.mark.parametrize("temperature", [1e-300, 1e-45, 1e300])
def test_no_temperature_is_too_extreme(temperature: float) -> None:
    """float32 knows none of these; almost zero leaves the likeliest, almost infinite makes all alike."""
    logits_RV = torch.tensor([[1.0, 5.0, -torch.inf, 5.0, 4.0]])
    params = SamplingParams(temperature=temperature, min_p=0.9)
    expected = [1, 3] if temperature < 1 else [1, 3, 4, 0]
    assert kept_sets(logits_RV, [params]) == [expected]


@pytest.mark.parametrize(
    ("params", "filtered"),
    [
        (SamplingParams(), False),
        (SamplingParams(min_p=0.3), False),
        (SamplingParams(top_k=100), False),
        (SamplingParams(top_k=99), True),
        (SamplingParams(top_p=0.99), True),
    ],
)
def test_only_top_k_and_top_p_need_an_order(params: SamplingParams, filtered: bool) -> None:
    assert is_filtered(params, 100) == filtered


@pytest.mark.parametrize("spread", [0.01, 1.0, 8.0])
def test_windows_change_nothing(spread: float) -> None:
    logits_RV = torch.randn(60, 501, generator=torch.Generator().manual_seed(1)) * spread
    logits_RV[:, ::3] = logits_RV[:, 1::3]  # ties across the edges of windows
    params = [
        SamplingParams(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
        for temperature in (0.5, 1.0)
        for top_k in (0, 3, 4, 50, 501)
        for top_p in (0.3, 0.95, 1.0)
        for min_p in (0.0, 0.2)
    ]
    whole = kept_sets(logits_RV, params, ())
    assert kept_sets(logits_RV, params, (4, 50, 64)) == whole
    assert kept_sets(logits_RV, params) == whole


def hugging_face(params: SamplingParams) -> list[LogitsProcessor]:
    """The processors in the order in which transformers applies them."""
    found: list[LogitsProcessor] = [TemperatureLogitsWarper(params.temperature)]
    if params.top_k:
        found.append(TopKLogitsWarper(params.top_k))
    if params.top_p < 1.0:
        found.append(TopPLogitsWarper(params.top_p))
    if params.min_p:
        found.append(MinPLogitsWarper(params.min_p))
    return found


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
        for temperature in (0.6, 1.3)
        for top_k in (0, 1, 40)
        for top_p in (0.2, 0.9, 1.0)
        for min_p in (0.0, 0.1)
    ],
    ids=lambda params: f"{params.temperature}-{params.top_k}-{params.top_p}-{params.min_p}",
)
def test_transformers_keeps_the_same_tokens(params: SamplingParams) -> None:
    """Values without ties, as transformers keeps all that tie with the k-th; no input ids are looked at."""
    logits_RV = torch.randn(50, 300, generator=torch.Generator().manual_seed(2)) * 3
    scores_RV = logits_RV
    for processor in hugging_face(params):
        scores_RV = processor(torch.zeros(50, 0, dtype=torch.int64), scores_RV)
    expected = [(row > -torch.inf).nonzero()[:, 0].tolist() for row in scores_RV]
    assert [sorted(row) for row in kept_sets(logits_RV, [params] * 50)] == expected
