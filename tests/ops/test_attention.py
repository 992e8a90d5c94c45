"""Attention on blocks: right by a plain formula, and of the reference backend the same bits in any company."""

import math
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.ops.batches import Cache, Text, make_text, rows_of
from weft.ops.backend import Ops, PackedBatch
from weft.ops.reference_ops import ReferenceOps
from weft.ops.torch_ops import TorchOps

HEADS, KV_HEADS, HEAD_DIM = 6, 2, 8


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def plain(text: Text, window_tokens: int | None) -> Tensor:
    """Every position's attention in float64, one position and head at a time: [T, H * E]."""
    q, k, v = (x.double() for x in text)
    out = torch.zeros_like(q)
    for position in range(len(q)):
        low = 0 if window_tokens is None else max(0, position - window_tokens + 1)
        for head in range(HEADS):
            group = head // (HEADS // KV_HEADS)
            scores = k[low : position + 1, group] @ q[position, head] / math.sqrt(HEAD_DIM)
            out[position, head] = torch.softmax(scores, 0) @ v[low : position + 1, group]
    return out.flatten(1).float()


def attend(
    ops: Ops, texts: list[Text], ranges: list[tuple[int, int]], window_tokens: int | None, seed: int
) -> list[Tensor]:
    """One step over ranges of texts whose earlier positions are cached, per text."""
    cache = Cache(sum(len(text.q_THE) for text in texts) + len(texts), KV_HEADS, HEAD_DIM, seed)
    tables = [cache.table(end) for _, end in ranges]
    for text, table, (start, _) in zip(texts, tables, ranges, strict=True):
        cache.fill(table, text, start)
    # What nobody may look at must not matter, but for torch's kernels it must be a number.
    if isinstance(ops, TorchOps) and not isinstance(ops, ReferenceOps):
        cache.layer.keys_SGE.nan_to_num_(7.0)
        cache.layer.values_SGE.nan_to_num_(7.0)
    if window_tokens is not None:
        for table, (start, _) in zip(tables, ranges, strict=True):
            gone = max(0, start - window_tokens + 1) // 4
            table[:gone] = [-1] * gone
    plan = ops.plan_attention(cache.batch(tables, ranges, window_tokens))
    out = ops.attention(*rows_of(texts, ranges), 0, plan)
    return list(torch.split(out, [end - start for start, end in ranges]))


ranges_of_three = st.lists(
    st.tuples(st.integers(0, 150), st.integers(1, 60)).map(lambda pair: (pair[0], pair[0] + pair[1]))
    | st.integers(0, 150).map(lambda start: (start, start + 1)),
    min_size=1,
    max_size=4,
)
windows = st.none() | st.sampled_from([1, 5, 64, 100])


@pytest.mark.parametrize("ops", [TorchOps(1), ReferenceOps(1)], ids=["torch", "reference"])
@settings(max_examples=20, deadline=None)
@given(ranges=ranges_of_three, window_tokens=windows, seed=st.integers(0, 99))
def test_it_is_what_the_formula_says(
    ops: Ops, ranges: list[tuple[int, int]], window_tokens: int | None, seed: int
) -> None:
    texts = [make_text(end, HEADS, KV_HEADS, HEAD_DIM, seed + i) for i, (_, end) in enumerate(ranges)]
    found = attend(ops, texts, ranges, window_tokens, seed)
    for text, (start, end), part in zip(texts, ranges, found, strict=True):
        torch.testing.assert_close(part, plain(text, window_tokens)[start:end], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 3])
@settings(max_examples=25, deadline=None)
@given(ranges=ranges_of_three, window_tokens=windows, seed=st.integers(0, 99))
def test_the_reference_gives_each_position_the_same_bits_in_any_company(
    threads: int, ranges: list[tuple[int, int]], window_tokens: int | None, seed: int
) -> None:
    ops = ReferenceOps(threads)
    texts = [make_text(end, HEADS, KV_HEADS, HEAD_DIM, seed + i) for i, (_, end) in enumerate(ranges)]
    together = attend(ops, texts, ranges, window_tokens, seed)
    for text, (start, end), part in zip(texts, ranges, together, strict=True):
        whole = attend(ReferenceOps(1), [text], [(0, end)], window_tokens, seed + 1)[0]
        assert torch.equal(part, whole[start:end])
        alone = attend(ReferenceOps(1), [text], [(end - 1, end)], window_tokens, seed + 2)[0]
        assert torch.equal(part[-1:], alone)
    ops.close()


def test_portions_of_decoding_rows_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weft.ops.paged_attention.GATHER_LIMIT_TOKENS", 100)
    ranges = [(start, start + 1) for start in (3, 90, 41, 7, 64)]
    texts = [make_text(end, HEADS, KV_HEADS, HEAD_DIM, i) for i, (_, end) in enumerate(ranges)]
    found = attend(TorchOps(1), texts, ranges, None, 0)
    for text, (start, end), part in zip(texts, ranges, found, strict=True):
        torch.testing.assert_close(part, plain(text, None)[start:end], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("window_tokens", [None, 5])
def test_a_packed_batch_is_the_same_attention_and_has_gradients(window_tokens: int | None) -> None:
    texts = [make_text(length, HEADS, KV_HEADS, HEAD_DIM, length) for length in (7, 1, 12)]
    packed = rows_of(texts, [(0, len(text.q_THE)) for text in texts])
    packed.q_THE.requires_grad_()
    ops = TorchOps(1)
    plan = ops.plan_attention(PackedBatch([7, 1, 12], [window_tokens]))
    found = ops.attention(*packed, 0, plan)
    wanted = torch.cat([plain(text, window_tokens) for text in texts])
    torch.testing.assert_close(found.detach(), wanted, rtol=1e-4, atol=1e-5)
    (gradient,) = torch.autograd.grad(found.square().sum(), packed.q_THE)
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("window_tokens", [None, 5])
@pytest.mark.parametrize("longest_tokens", [1024, 10], ids=["explicit", "fused"])
def test_a_packed_batch_of_narrow_numbers_is_the_same_attention(
    monkeypatch: pytest.MonkeyPatch, window_tokens: int | None, longest_tokens: int
) -> None:
    monkeypatch.setattr("weft.ops.packed_attention.EXPLICIT_TOKENS", longest_tokens)
    texts = [make_text(length, HEADS, KV_HEADS, HEAD_DIM, length) for length in (7, 1, 12)]
    packed = [x.bfloat16().requires_grad_() for x in rows_of(texts, [(0, len(text.q_THE)) for text in texts])]
    wide = [x.detach().float().requires_grad_() for x in packed]
    ops = TorchOps(1)
    plan = ops.plan_attention(PackedBatch([7, 1, 12], [window_tokens]))
    found, wanted = (ops.attention(q, k, v, 0, plan) for q, k, v in (packed, wide))
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), wanted, rtol=0.03, atol=0.03)
    gradients, expected = (
        torch.autograd.grad(out.sum(), inputs) for out, inputs in ((found, packed), (wanted, wide))
    )
    for gradient, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient.float(), other, rtol=0.05, atol=0.05)
