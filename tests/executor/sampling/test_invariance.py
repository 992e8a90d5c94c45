"""Promise 1: a row's outcome has the same bits whatever the other rows of the call are."""

from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
from torch import Tensor

from tests.executor.sampling.reference import request
from weft.contracts.requests import SamplingParams
from weft.contracts.steps import Candidate, TokenLogprobs
from weft.executor.sampling import Sampler
from weft.executor.sampling.filters import keep, make_filters, scale
from weft.executor.sampling.noise import gumbel_noise

CPU = torch.device("cpu")
NUM_ROWS = 40
ONE_THREAD, TWO_THREADS = 1, 2
MIX = (
    SamplingParams(temperature=0.0),
    SamplingParams(temperature=0.0, logprobs=2),
    SamplingParams(temperature=0.0, logit_bias={3: 0.5}, logprobs=0),
    SamplingParams(temperature=0.8, logprobs=20),
    SamplingParams(temperature=0.8, min_p=0.02),
    SamplingParams(temperature=1.3, top_p=0.9, logprobs=5),
    SamplingParams(temperature=1.3, top_k=30, repetition_penalty=1.2, logprobs=1),
    SamplingParams(top_k=4, top_p=0.7, frequency_penalty=0.3),
    SamplingParams(min_tokens=9, stop_token_ids=(1, 4), presence_penalty=0.5, logprobs=3),
)
OUTPUT = (2, 3, 3)

Outcome = tuple[int, TokenLogprobs | None, tuple[Candidate, ...]]


@pytest.fixture
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """The bit-stable backend samples with one thread; the operations used here keep the promise with more."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def logits(vocab_size: int) -> Tensor:
    return torch.randn(NUM_ROWS, vocab_size, generator=torch.Generator().manual_seed(vocab_size)) * 3


def outcomes(logits_RV: Tensor, rows: Sequence[int]) -> list[Outcome]:
    """Of each row in one call of a fresh sampler; row i always has the same request, history and logits."""
    made = Sampler(logits_RV.shape[-1], NUM_ROWS, CPU)
    for row in rows:
        made.admit(row, request(MIX[row % len(MIX)], request_id=f"request {row}"), row % 2, OUTPUT)
    positions = [6] * len(rows)
    beams = [made.likeliest(logits_RV[row], row, 6, 3) for row in rows]
    tokens, logprobs, *_ = made.sample(logits_RV[list(rows)], rows, positions)
    reports = [logprobs.get(row) for row in rows]
    return list(zip(tokens, reports, beams, strict=True))


@pytest.mark.parametrize(
    ("threads", "vocab_size"),
    [*((ONE_THREAD, size) for size in (5, 31, 97, 1000, 1023, 5001)), (TWO_THREADS, 2001)],
    indirect=["threads"],
)
@pytest.mark.usefixtures("threads")
def test_other_rows_change_nothing(vocab_size: int) -> None:
    logits_RV = logits(vocab_size)
    alone = [outcomes(logits_RV, (row,))[0] for row in range(NUM_ROWS)]
    generator = torch.Generator().manual_seed(9)
    for size in (2, 3, 17, 39, NUM_ROWS):
        rows: list[int] = torch.randperm(NUM_ROWS, generator=generator)[:size].tolist()
        assert outcomes(logits_RV, rows) == [alone[row] for row in rows]


def noise(x_RV: Tensor) -> Tensor:
    return gumbel_noise((x_RV[:, 0] * 1e6).long(), torch.arange(x_RV.shape[-1]))


def scaled(x_RV: Tensor) -> Tensor:
    temperatures = 0.1 + x_RV[:, 0].abs()
    params = [SamplingParams(temperature=value) for value in temperatures.tolist()]
    return scale(x_RV, make_filters(params, x_RV.shape[-1], CPU))


def nucleus(x_RV: Tensor) -> Tensor:
    """What is kept at a top-p that depends on the row, per token."""
    params = [SamplingParams(top_p=value) for value in (x_RV[:, 0].sigmoid() * 0.9 + 0.05).tolist()]
    filters = make_filters(params, x_RV.shape[-1], CPU)
    kept_RV = torch.zeros_like(x_RV)
    for kept in keep(scale(x_RV, filters), filters):
        kept_RV[kept.rows_D[:, None], kept.tokens_DW] = kept.scaled_DW
    return kept_RV


STAGES: dict[str, Callable[[Tensor], Tensor]] = {
    "noise": noise,
    "scaled": scaled,
    "nucleus": nucleus,
    "log_softmax": lambda x_RV: x_RV.log_softmax(-1),
    "cumsum": lambda x_RV: x_RV.double().exp_().cumsum(-1),
    "mass": lambda x_RV: x_RV.exp().sum(-1, dtype=torch.float64),
}


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    ("threads", "vocab_size"),
    [*((ONE_THREAD, size) for size in (5, 31, 1000, 1023, 32_001)), (TWO_THREADS, 5001)],
    indirect=["threads"],
)
@pytest.mark.usefixtures("threads")
def test_every_stage_keeps_its_bits(stage: str, vocab_size: int) -> None:
    """Rows alone, in batches that start anywhere, and in memory that no vector register is aligned to."""
    compute, x_RV = STAGES[stage], logits(vocab_size)
    alone = torch.cat([compute(x_RV[row : row + 1].clone()) for row in range(NUM_ROWS)])
    for rows in (slice(0, 2), slice(1, 4), slice(7, 38), slice(0, NUM_ROWS)):
        batch_RV = x_RV[rows]
        shifted_RV = torch.empty(batch_RV.numel() + 1)[1:].view_as(batch_RV).copy_(batch_RV)
        assert torch.equal(compute(batch_RV.clone()), alone[rows])
        assert torch.equal(compute(shifted_RV), alone[rows])


@pytest.mark.parametrize(
    "params", [SamplingParams(temperature=0.0), SamplingParams(), SamplingParams(top_k=50)]
)
def test_a_stage_that_changes_nothing_changes_no_token(params: SamplingParams) -> None:
    """A bias of zero sends a row through the slow path."""
    made, logits_RV = Sampler(1000, NUM_ROWS, CPU), logits(1000)
    rows, positions = range(NUM_ROWS), range(3, NUM_ROWS + 3)
    plain = SamplingParams(temperature=params.temperature, top_k=params.top_k, seed=1)
    slow = SamplingParams(temperature=params.temperature, top_k=params.top_k, seed=1, logit_bias={0: 0.0})
    texts = []
    for each in (plain, slow):
        for row in rows:
            made.admit(row, request(each), 0, ())
        texts.append(made.sample(logits_RV, rows, positions).tokens)
    assert texts[0] == texts[1]
