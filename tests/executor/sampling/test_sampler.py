"""A row's token is what its request says, at the time and with the history that it has."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf, nan

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tests.executor.sampling import reference
from tests.executor.sampling.reference import request
from weft.contracts.constraints import Constraint
from weft.contracts.errors import InvalidRequest, InvariantViolation
from weft.contracts.prompts import LengthPrompt, MediaItem, TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.executor.sampling import NOT_FINITE, Sampler, check_vocabulary
from weft.executor.sampling.sampler import Sampled
from weft.ops.backend import LOST

CPU = torch.device("cpu")
PROMPT = (1, 2, 3)
GREEDY = SamplingParams(temperature=0.0)
PARAMS = st.builds(
    SamplingParams,
    temperature=st.sampled_from([0.0, 0.7, 1.0, 2.0]),
    top_k=st.sampled_from([0, 1, 3, 20]),
    top_p=st.sampled_from([0.3, 0.9, 1.0]),
    min_p=st.sampled_from([0.0, 0.1]),
    repetition_penalty=st.sampled_from([1.0, 1.4]),
    presence_penalty=st.sampled_from([0.0, 0.6]),
    frequency_penalty=st.sampled_from([0.0, -0.4]),
    logit_bias=st.dictionaries(st.integers(0, 9), st.sampled_from([-3.0, 2.5]), max_size=2),
    min_tokens=st.integers(0, 3),
    stop_token_ids=st.lists(st.integers(0, 12), max_size=4).map(tuple),
    seed=st.integers(-(2**63), 2**63 - 1),
)


def sampler(request: Request, output: Sequence[int] = (), vocab_size: int = 10) -> Sampler:
    made = Sampler(vocab_size, 4, CPU)
    made.admit(2, request, 0, output)
    return made


def one(made: Sampler, logits: Sequence[float] | Tensor, num_outputs: int = 0) -> int:
    logits_RV = torch.as_tensor(logits)[None]
    return made.sample(logits_RV, (2,), (len(PROMPT) + num_outputs,)).tokens[0]


@given(PARAMS, st.lists(st.integers(0, 9), max_size=6), st.integers(0, 5), st.data())
def test_tokens_are_those_of_the_docstring(
    params: SamplingParams, output: list[int], sample_index: int, data: st.DataObject
) -> None:
    logits = data.draw(st.lists(st.integers(-12, 12).map(lambda step: step / 4), min_size=10, max_size=10))
    made = Sampler(10, 4, CPU)
    made.admit(2, request(params, PROMPT), sample_index, output)
    token = one(made, logits, len(output))
    values = reference.adjusted(logits, params, PROMPT, output)
    values = reference.without_early_ends(values, params, len(output))
    position, seed = len(PROMPT) + len(output), params.seed or 0
    scores = reference.scores(values, params, seed, sample_index, position)
    if params.temperature == 0.0:
        assert scores[token] >= max(scores) - 1e-5
        return
    least, most = (reference.kept_tokens(values, params, slack) for slack in (-1e-5, 1e-5))
    assert any(values[token] >= values[each] - 1e-5 for each in most)
    assert scores[token] >= max(scores[each] for each in least) - 1e-4


def test_greedy_takes_the_smallest_of_equals() -> None:
    logits = torch.zeros(32_000)
    logits[[700, 31_999, 701]] = 2.0
    assert one(sampler(request(GREEDY), vocab_size=32_000), logits) == 700
    assert one(sampler(request(SamplingParams(top_k=1)), vocab_size=32_000), logits) == 700


def test_a_step_without_emitting_rows() -> None:
    assert sampler(request(GREEDY)).sample(torch.zeros(0, 10), (), ()) == Sampled([], {})


def test_logits_are_left_as_they_came() -> None:
    params = SamplingParams(
        logit_bias={4: 3.0}, repetition_penalty=2.0, min_tokens=2, stop_token_ids=(5,), top_p=0.5
    )
    logits_RV = torch.randn(1, 10, generator=torch.Generator().manual_seed(0))
    before_RV = logits_RV.clone()
    sampler(request(params)).sample(logits_RV, (2,), (3,))
    assert torch.equal(logits_RV, before_RV)


def test_output_counts_as_it_is_emitted_and_chosen() -> None:
    """With a logit of 3 and a frequency penalty of 1 a token falls behind one with 1.5 at its second emission."""
    logits = [3.0, 1.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    made = sampler(request(SamplingParams(temperature=0.0, frequency_penalty=1.0)))
    assert [one(made, logits, step) for step in range(4)] == [0, 0, 1, 0]
    made.choose(2, 1, (1, 1))  # output 0, 1, 1
    assert one(made, logits, 3) == 0
    made.choose(2, 0, (0, 0))
    assert one(made, logits, 2) == 1


def test_a_sequence_that_comes_back_goes_on_as_before() -> None:
    params = SamplingParams(frequency_penalty=0.5, repetition_penalty=1.2, top_p=0.9, seed=4)
    logits_SV = torch.randn(30, 10, generator=torch.Generator().manual_seed(1)) * 2
    made = sampler(request(params))
    whole = [one(made, logits, step) for step, logits in enumerate(logits_SV)]
    made.remove(2)
    again = sampler(request(params), whole[:17])
    assert [one(again, logits_SV[step], step) for step in range(17, 30)] == whole[17:]


def test_choosing_is_free_without_penalties() -> None:
    made = sampler(request(GREEDY))
    made.choose(2, 40, (1, 2))
    assert one(made, [0.0] * 9 + [1.0], 42) == 9


def test_stop_tokens_wait_for_min_tokens() -> None:
    logits = [0.0, 5.0, 4.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    held_back = SamplingParams(
        temperature=0.0, min_tokens=2, stop_token_ids=(1, 1, 99, 2), logit_bias={1: 9.0}
    )
    made = sampler(request(held_back))
    assert [one(made, logits, step) for step in range(3)] == [3, 3, 1]


@pytest.mark.parametrize("params", [GREEDY, SamplingParams(), SamplingParams(top_p=0.9)], ids=["0", "1", "p"])
def test_a_model_of_stop_tokens_still_says_something(params: SamplingParams) -> None:
    hopeless = SamplingParams(
        temperature=params.temperature, top_p=params.top_p, min_tokens=2, stop_token_ids=tuple(range(10))
    )
    logits = torch.arange(10.0).roll(3)
    assert one(sampler(request(hopeless)), logits) == 2


def test_seeds_samples_and_positions_give_different_texts() -> None:
    def text(seed: int | None, sample_index: int, request_id: str = "a") -> tuple[int, ...]:
        made = Sampler(50, 4, CPU)
        made.admit(2, request(SamplingParams(seed=seed), PROMPT, request_id), sample_index, ())
        return tuple(one(made, torch.zeros(50), step) for step in range(20))

    texts = [text(1, 0), text(1, 1), text(2, 0), text(None, 0), text(None, 0, "b")]
    assert len(dict.fromkeys(texts)) == 5
    assert text(1, 1) == texts[1]
    assert len(dict.fromkeys(texts[0])) > 10


def test_placeholders_of_media_are_not_repeated_words() -> None:
    prompt = TokenPrompt((5, 9, 9, 2_000), (MediaItem(b"cat", 1, 2),))
    penalised = Request("image", prompt, SamplingParams(temperature=0.0, repetition_penalty=3.0))
    made = sampler(penalised)
    logits_RV = torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 2.5]])
    assert made.sample(logits_RV, (2,), (4,)).tokens == [9]


def test_a_bias_outside_the_vocabulary_is_named() -> None:
    beyond = request(SamplingParams(logit_bias={3: 1.0, 10: 1.0}))
    check_vocabulary(beyond, 11)
    for refuse in (lambda: check_vocabulary(beyond, 10), lambda: sampler(beyond)):
        with pytest.raises(InvalidRequest, match=r"token 10; .* 0 to 9"):
            refuse()


def test_a_repetition_penalty_needs_the_words() -> None:
    lengths_only = Request("trace", LengthPrompt(7), SamplingParams(repetition_penalty=1.1))
    with pytest.raises(InvalidRequest, match="prompt of tokens"):
        sampler(lengths_only)
    counted = Request("trace", LengthPrompt(3), SamplingParams(temperature=0.0, presence_penalty=1.1))
    assert one(sampler(counted), [1.0] + [0.0] * 9) == 0


def test_defects_of_the_caller_are_told() -> None:
    made = sampler(request(SamplingParams(min_tokens=1, stop_token_ids=(1,))))
    with pytest.raises(InvariantViolation, match="sampled_after_prompt"):
        made.sample(torch.zeros(1, 10), (2,), (2,))
    made.remove(2)
    with pytest.raises(InvariantViolation, match="sampled_row_is_held"):
        made.sample(torch.zeros(1, 10), (2,), (3,))


@pytest.mark.parametrize(
    "params",
    [GREEDY, SamplingParams(), SamplingParams(top_p=0.9), SamplingParams(top_k=1), SamplingParams(min_p=0.1)],
    ids=["greedy", "drawn", "nucleus", "first", "likely"],
)
@pytest.mark.parametrize(
    "broken", [[0.0, nan, 9.0, 1.0], [0.0, 1.0, inf, nan], [nan] * 4, [inf] * 4, [-inf] * 4]
)
def test_logits_that_are_no_numbers_fail_their_own_row(params: SamplingParams, broken: list[float]) -> None:
    sound = [0.0, 1.0, 2.0, 1.5]
    made = Sampler(4, 4, CPU)
    for row in (0, 1, 3):
        made.admit(row, request(replace(params, logprobs=2, frequency_penalty=0.5)), 0, ())
    logits_RV = torch.tensor([sound, broken, sound])
    alone = made.sample(logits_RV[[0, 2]], (0, 3), (3, 3))
    together = made.sample(logits_RV, (0, 1, 3), (3, 3, 3))
    assert together.failed == {1: NOT_FINITE}
    assert [together.tokens[0], together.tokens[2]] == alone.tokens
    assert 0 <= together.tokens[1] < 4
    assert not alone.failed


def test_rows_that_take_the_likeliest_need_no_logits() -> None:
    made = Sampler(4, 4, CPU)
    for row in (1, 3):
        made.admit(row, request(GREEDY, PROMPT), 0, ())
    logits_RV = torch.tensor([[0.0, 2.0, 2.0, 1.0], [nan, 0.0, 1.0, 2.0]])
    assert made.takes_likeliest
    assert made.take([1, LOST], (1, 3)) == made.sample(logits_RV, (1, 3), (3, 3))
    assert made.take([1, 2], (1, 3)) == Sampled([1, 2], {})


@pytest.mark.parametrize(
    "wish",
    [
        SamplingParams(),
        replace(GREEDY, logprobs=0),
        replace(GREEDY, logit_bias={1: 1.0}),
        replace(GREEDY, presence_penalty=0.5),
        replace(GREEDY, repetition_penalty=1.1),
        replace(GREEDY, min_tokens=2, stop_token_ids=(1,)),
        replace(GREEDY, constraint=Constraint("regex", "a")),
    ],
    ids=["drawn", "logprobs", "bias", "presence", "repetition", "min_tokens", "constraint"],
)
def test_one_row_that_wants_more_needs_all_logits(wish: SamplingParams) -> None:
    """Until it leaves, or another takes its row."""
    made, found = Sampler(4, 4, CPU), list[bool]()
    made.admit(0, request(GREEDY, PROMPT), 0, ())
    for asked in (wish, None, wish, GREEDY):
        if asked is None:
            made.remove(1)
        else:
            made.admit(1, request(asked, PROMPT), 0, ())
        found.append(made.takes_likeliest)
    assert found == [False, True, False, True]
    made.close()
