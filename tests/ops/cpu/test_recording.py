"""Steps done again without the model: the same bits, for other tokens and fewer, and only where nothing is left out."""

import gc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.executor.tiny_serving import CONFIG, OPTIONS, tiny_serving
from tests.model_specs.expert_configs import TINY_EXPERTS
from tests.ops.cpu.layers import numbers
from weft.executor.loading import Serving, make_serving
from weft.model_specs.families import spec_from_config
from weft.models.decoder import Decoder
from weft.ops.backend import AttentionPlan, Decoded, GroupTables, PagedBatch, Span
from weft.ops.cpu.attention import CpuPlan
from weft.ops.cpu.cpu_ops import CpuOps
from weft.ops.cpu.library import kernels
from weft.ops.cpu.recording import Arena, Recording, Slab
from weft.weights.random_weights import RandomWeights
from weft.weights.source import WeightSource


def recording_of(made: Serving) -> Recording | None:
    """Of its model."""
    ops = made.executor.runner.ops
    assert isinstance(ops, CpuOps)
    (known,) = ops._steps._recordings.values()
    return known


def serving() -> Serving:
    return tiny_serving(backend="cpu", quantization="int8", dtype="bfloat16", num_threads=2)


def tied() -> Serving:
    """A model whose head is its table of embeddings, too, in one copy."""

    def weights(dtype: torch.dtype, device: torch.device) -> WeightSource:
        return RandomWeights(0, dtype, device, std=0.35)

    options = replace(OPTIONS, backend="cpu", dtype="bfloat16", num_threads=2)
    return make_serving(spec_from_config({**CONFIG, "tie_word_embeddings": True}, "a test"), weights, options)


def batch(made: Serving, *ranges: tuple[int, int]) -> PagedBatch:
    """Each sequence in ten blocks of its own."""
    spans, first = [], 0
    for start, end in ranges:
        spans.append(Span(first, start, end - start))
        first += end - start
    tables = torch.arange(10 * len(ranges)).view(len(ranges), 10)
    return PagedBatch(spans, [GroupTables(tables, None)], made.executor.runner.pools.layers, 4)


def hidden(made: Serving, seed: int, *ranges: tuple[int, int], recorded: bool) -> Tensor:
    """Of random tokens at these positions."""
    runner = made.executor.runner
    positions_T = torch.cat([torch.arange(start, end) for start, end in ranges])
    tokens_T = torch.randint(0, 61, positions_T.shape, generator=torch.Generator().manual_seed(seed))
    plan = runner.ops.plan_attention(batch(made, *ranges))
    if recorded:
        return runner.ops.step(runner.model, tokens_T, positions_T, plan).clone()
    return runner.model.forward(tokens_T, positions_T, plan)


def mixture() -> Serving:
    """A model whose second layer has experts."""

    def weights(dtype: torch.dtype, device: torch.device) -> WeightSource:
        return RandomWeights(0, dtype, device, std=0.35)

    config = TINY_EXPERTS | {"model_type": "qwen3_moe", "vocab_size": 61, "mlp_only_layers": [0]}
    options = replace(OPTIONS, backend="cpu", quantization="int8", dtype="bfloat16", num_threads=2)
    return make_serving(spec_from_config(config, "a test"), weights, options)


def decoded(made: Serving, seed: int, *ranges: tuple[int, int], chooses: bool) -> tuple[Decoded, Decoded]:
    """One more token of each sequence: recorded, and what the model itself and torch say."""
    runner = made.executor.runner
    positions_T = torch.cat([torch.arange(start, end) for start, end in ranges])
    tokens_T = torch.randint(0, 61, positions_T.shape, generator=torch.Generator().manual_seed(seed))
    plan = runner.ops.plan_attention(batch(made, *ranges))
    found = runner.ops.decode(runner.model, tokens_T, positions_T, plan, chooses=chooses)
    hidden_TD = runner.model.forward(tokens_T, positions_T, plan)
    scores_TV = runner.model.logits(hidden_TD)
    likeliest = np.argmax(scores_TV.numpy(), -1).tolist()
    return found, Decoded(hidden_TD, scores_TV, likeliest if chooses else None)


STEPS = [((0, 6), (0, 1)), ((6, 7), (1, 7)), ((7, 12), (7, 9)), ((12, 13),), ((13, 14),)]
"""The first three are of seven rows, the last two of one, which are done as the first of seven."""


@pytest.mark.parametrize("make", [serving, mixture, tied])
def test_steps_done_again_give_the_same_bits(make: Callable[[], Serving]) -> None:
    """Tokens of a mixture go to other experts each time."""
    made, other = make(), make()
    with torch.no_grad():
        for seed, ranges in enumerate(STEPS):
            found = hidden(made, seed, *ranges, recorded=True)
            assert torch.equal(found, hidden(other, seed, *ranges, recorded=False))
    known = recording_of(made)
    assert known is not None
    assert len(known.result_TD) == 7
    made.close()
    other.close()


@pytest.mark.parametrize("make", [serving, mixture, tied])
def test_scores_and_choices_done_again_are_the_same(make: Callable[[], Serving]) -> None:
    """Of two and of one row, with and without a choice, and beside steps that want hidden states alone."""
    made = make()
    with torch.no_grad():
        hidden(made, 0, (0, 1), (0, 1), recorded=True)
        for position in range(1, 9):
            ranges = [(position, position + 1)] * (1 + position % 2)
            found, wanted = decoded(made, position, *ranges, chooses=position % 3 != 0)
            assert torch.equal(found.hidden_TD, wanted.hidden_TD)
            assert torch.equal(found.scores_TV, wanted.scores_TV)
            assert found.likeliest == wanted.likeliest
            hidden(made, position, (position, position + 1), recorded=True)
    known = recording_of(made)
    assert known is not None
    assert known.choice is not None
    assert len(known.choice.scores_TV) == 2
    made.close()


@pytest.mark.parametrize("make", [serving, mixture, tied])
def test_steps_of_fewer_rows_are_done_as_part_of_one_of_more(make: Callable[[], Serving]) -> None:
    """Of sequences that decode and prompts alike, whatever came first."""
    made, other = make(), make()
    with torch.no_grad():
        for seed, ranges in enumerate(
            [((0, 3),), ((0, 9), (0, 4)), ((9, 10),), ((4, 9), (10, 16)), ((0, 13),)]
        ):
            found = hidden(made, seed, *ranges, recorded=True)
            assert torch.equal(found, hidden(other, seed, *ranges, recorded=False))
    known = recording_of(made)
    assert known is not None
    assert len(known.result_TD) == 13
    made.close()
    other.close()


def test_recordings_take_turns_with_memory() -> None:
    made = serving()
    with torch.no_grad():
        for rows in (1, 2, 5, 26):
            decoded(made, rows, *[(0, 1)] * rows, chooses=True)
    ops = made.executor.runner.ops
    assert isinstance(ops, CpuOps)
    assert [len(slab._chunks) for slab in (ops._steps._slab, ops._steps._scores_slab)] == [1, 1]
    made.close()


def test_what_follows_the_layers_spares_their_result_although_others_were_recorded_since() -> None:
    made = serving()
    with torch.no_grad():
        hidden(made, 0, *[(0, 1)] * 9, recorded=True)
        hidden(made, 0, (0, 1), recorded=True)
        for _ in range(2):
            found, wanted = decoded(made, 1, *[(0, 1)] * 9, chooses=True)
            assert torch.equal(found.hidden_TD, wanted.hidden_TD)
            assert torch.equal(found.scores_TV, wanted.scores_TV)
    made.close()


def test_memory_grows_and_what_was_taken_stays() -> None:
    slab = Slab()
    few, many = Arena(slab), Arena(slab)
    small, large = few.take((4, 8), torch.float32), many.take((1 << 10, 1 << 10), torch.float32)
    small.fill_(1.0)
    large.fill_(2.0)
    assert many.take((2,), torch.int64).shape == (2,)
    assert small.eq(1.0).all()
    assert large.eq(2.0).all()
    assert Arena(slab).take((4,), torch.float32).data_ptr() == small.data_ptr()


def test_another_cache_needs_another_recording() -> None:
    made, other = serving(), serving()
    ops, model = made.executor.runner.ops, made.executor.runner.model
    tokens_T, positions_T = torch.arange(3), torch.arange(3)
    with torch.no_grad():
        for each in (made, other, made):
            plan = ops.plan_attention(batch(each, (0, 3)))
            found = ops.step(model, tokens_T, positions_T, plan).clone()
            assert torch.equal(found, model.forward(tokens_T, positions_T, plan))
    made_keys, other_keys = (each.executor.runner.pools.layers[0].keys_SGE for each in (made, other))
    assert torch.equal(made_keys[:3], other_keys[:3])
    assert made_keys[:3].any()
    made.close()
    other.close()


class Plus:
    """A model with something that no operation of the backend does."""

    def __init__(self, ops: CpuOps, added: Tensor) -> None:
        self._ops, self._added = ops, added

    def forward(self, tokens_T: Tensor, positions_T: Tensor, plan: AttentionPlan) -> Tensor:
        del positions_T, plan
        return self._ops.embed(self._added, tokens_T) + self._added[0]

    def logits(self, hidden_TD: Tensor) -> Tensor:
        return hidden_TD.float()


def test_a_model_that_asks_torch_for_more_is_not_recorded() -> None:
    ops, made = CpuOps(1), serving()
    model = Plus(ops, numbers(9, 4))
    plan = ops.plan_attention(batch(made, (0, 2)))
    for tokens in ([3, 4], [5, 6]):
        found = ops.step(model, torch.tensor(tokens), torch.tensor([0, 1]), plan)
        assert torch.equal(found, model.forward(torch.tensor(tokens), torch.tensor([0, 1]), plan))
    assert ops._steps._recordings[model] is None
    del model
    gc.collect()
    assert not ops._steps._recordings
    made.close()


class Halved:
    """A model that halves its scores by torch."""

    def __init__(self, model: Decoder) -> None:
        self._model = model

    def forward(self, tokens_T: Tensor, positions_T: Tensor, plan: AttentionPlan) -> Tensor:
        return self._model.forward(tokens_T, positions_T, plan)

    def logits(self, hidden_TD: Tensor) -> Tensor:
        return self._model.logits(hidden_TD) / 2


def test_a_model_that_asks_torch_for_more_scores_is_not_recorded() -> None:
    made = serving()
    ops, halved = made.executor.runner.ops, Halved(made.executor.runner.model)
    assert isinstance(ops, CpuOps)
    with torch.no_grad():
        for seed in range(3):
            plan = ops.plan_attention(batch(made, (0, 1)))
            tokens_T, positions_T = torch.tensor([seed]), torch.tensor([0])
            found = ops.decode(halved, tokens_T, positions_T, plan, chooses=True)
            scores_TV = halved.logits(halved.forward(tokens_T, positions_T, plan))
            assert torch.equal(found.scores_TV, scores_TV)
            assert found.likeliest == scores_TV.argmax(-1).tolist()
    assert ops._steps._recordings[halved] is None
    made.close()


def test_memory_is_given_out_again_when_no_view_is_left() -> None:
    arena = Arena(Slab())
    first = arena.take((3, 8), torch.float32)
    place, view = first.data_ptr(), first[1:].view(-1)
    del first
    assert arena.take((24,), torch.float32).data_ptr() != place
    view.fill_(1.0)
    del view
    assert place in [arena.take((48,), torch.bfloat16).data_ptr() for _ in range(2)]


def test_a_plan_of_another_step_is_refused() -> None:
    made = serving()
    ops, model = made.executor.runner.ops, made.executor.runner.model
    with torch.no_grad():
        hidden(made, 0, (0, 3), recorded=True)
        plan = ops.plan_attention(batch(made, (0, 2)))
        with pytest.raises(ValueError, match="of another step"):
            ops.step(model, torch.arange(3), torch.arange(3), plan)
    made.close()


def test_more_rows_than_were_recorded_are_refused() -> None:
    made = serving()
    with torch.no_grad():
        hidden(made, 0, (0, 3), recorded=True)
        known, ops = recording_of(made), made.executor.runner.ops
        assert known is not None
        plan = ops.plan_attention(batch(made, (0, 4)))
        assert isinstance(plan, CpuPlan)
        with pytest.raises(ValueError, match="more rows than were recorded"):
            known.replay(torch.arange(4), torch.arange(4), plan.handle, known.num_forward)
    made.close()


def test_an_operation_without_a_row_for_each_of_the_steps_is_noticed() -> None:
    ops = CpuOps(1)
    program = kernels().Program(0, 0, 3)
    assert program.by_rows
    ops._operations.record(program)
    ops.rms_norm(numbers(3, 4), torch.ones(4), 1e-5)
    assert program.by_rows
    program.expect(2)
    ops.rms_norm(numbers(3, 4), torch.ones(4), 1e-5)
    assert not program.by_rows
    assert len(program) == 2
    program.cut(1)
    assert len(program) == 1
    ops._operations.record(None)
