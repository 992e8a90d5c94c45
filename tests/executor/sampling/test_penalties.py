"""Penalties and bans: single logits change as the docstring says, all others keep their bits."""

from collections.abc import Sequence
from math import inf

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import RepetitionPenaltyLogitsProcessor

from tests.executor.sampling import reference
from weft.contracts.errors import InvariantViolation
from weft.contracts.requests import SamplingParams
from weft.executor.sampling.edits import ban
from weft.executor.sampling.penalties import TokenHistory, has_penalties, penalise

CPU = torch.device("cpu")
VOCAB_SIZE = 11
TOKENS = st.lists(st.integers(0, VOCAB_SIZE - 1), max_size=12)
PARAMS = st.builds(
    SamplingParams,
    repetition_penalty=st.sampled_from([0.5, 1.0, 1.3, 3.0]),
    presence_penalty=st.sampled_from([-2.0, 0.0, 0.7]),
    frequency_penalty=st.sampled_from([-0.3, 0.0, 2.0]),
)


def history(params: SamplingParams, prompt: Sequence[int], output: Sequence[int]) -> TokenHistory:
    made = TokenHistory(params, prompt, CPU)
    made.replace(0, output)
    return made


def snapshot(made: TokenHistory) -> dict[int, tuple[float, bool]]:
    """What is known of each token that matters."""
    rows = zip(made.tokens.tolist(), made.counts.tolist(), made.repeated.tolist(), strict=True)
    return {token: (count, repeated) for token, count, repeated in rows if repeated}


@given(st.lists(st.tuples(PARAMS, TOKENS, TOKENS), min_size=1, max_size=5), st.integers(0, 1000))
def test_penalties_are_those_of_the_docstring(
    rows: list[tuple[SamplingParams, list[int], list[int]]], seed: int
) -> None:
    logits_RV = torch.randn(len(rows) + 1, VOCAB_SIZE, generator=torch.Generator().manual_seed(seed)) * 4
    changed_RV = logits_RV.clone()
    penalise(changed_RV, [(i + 1, history(*row)) for i, row in enumerate(rows)])
    assert torch.equal(changed_RV[0], logits_RV[0])
    for (params, prompt, output), logits, changed in zip(rows, logits_RV[1:], changed_RV[1:], strict=True):
        expected = reference.adjusted(logits.tolist(), params, prompt, output)
        assert changed.tolist() == pytest.approx(expected, rel=1e-5, abs=1e-5)


@given(TOKENS, st.lists(st.tuples(st.integers(0, 12), TOKENS), max_size=6))
def test_a_history_changed_bit_by_bit_is_a_history_made_at_once(
    prompt: list[int], changes: list[tuple[int, list[int]]]
) -> None:
    params = SamplingParams(repetition_penalty=2.0)
    changed, output = history(params, prompt, ()), list[int]()
    for index, tokens in changes:
        index = min(index, len(output))
        output[index:] = tokens
        changed.replace(index, tokens)
    assert snapshot(changed) == snapshot(history(params, prompt, output))
    assert len(dict.fromkeys(changed.tokens.tolist())) == len(changed.tokens)


def test_a_gap_in_the_output_is_a_defect() -> None:
    with pytest.raises(InvariantViolation, match="sampled_output_without_gap"):
        history(SamplingParams(), (), (1, 2)).replace(3, (4,))


def test_transformers_repetition_penalty() -> None:
    logits_RV = torch.randn(6, 50, generator=torch.Generator().manual_seed(5)) * 3
    texts = torch.randint(0, 50, (6, 30), generator=torch.Generator().manual_seed(6))
    expected_RV = RepetitionPenaltyLogitsProcessor(1.7)(texts, logits_RV.clone())
    params = SamplingParams(repetition_penalty=1.7)
    histories = [history(params, text[:10], text[10:]) for text in texts.tolist()]
    penalise(logits_RV, list(enumerate(histories)))
    assert torch.equal(logits_RV, expected_RV)


@pytest.mark.parametrize("penalty", [1e-300, 1e300])
def test_an_extreme_penalty_leaves_finite_logits(penalty: float) -> None:
    logits_RV = torch.tensor([[-3.0, 0.0, 5.0, 1.0]])
    penalise(logits_RV, [(0, history(SamplingParams(repetition_penalty=penalty), (0, 1), (2,)))])
    assert logits_RV.isfinite().all()


@pytest.mark.parametrize(
    ("params", "has"),
    [
        (SamplingParams(), False),
        (SamplingParams(repetition_penalty=1.1), True),
        (SamplingParams(presence_penalty=-1.0), True),
        (SamplingParams(frequency_penalty=0.1), True),
    ],
)
def test_who_needs_a_history(params: SamplingParams, has: bool) -> None:
    assert has_penalties(params) == has


def test_a_ban_leaves_one_token_where_it_would_leave_none() -> None:
    logits_RV = torch.tensor([[1.0, 3.0, 2.0], [1.0, 3.0, 3.0], [-inf, 4.0, -inf]])
    everything = torch.tensor([0, 1, 2])
    ban(logits_RV, [(0, torch.tensor([1])), (1, everything), (2, torch.tensor([1]))])
    assert logits_RV.tolist() == [[1.0, -inf, 2.0], [-inf, 3.0, -inf], [-inf, 4.0, -inf]]
