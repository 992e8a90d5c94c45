"""Attention of the compiled kernels: what the formula says, and the same bits in any company, on any number of threads
and any level of instructions."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.ops.batches import Text
from tests.ops.cpu.paged import Chunk, Heads, Memory, Steps, attend, expected, texts_of, through_int8, whole
from weft.contracts.errors import ConfigurationError
from weft.ops.backend import PackedBatch
from weft.ops.cpu.cpu_ops import CpuOps
from weft.ops.cpu.library import LEVEL_VARIABLE, levels

SIZES = [
    Heads(1, 1, 1),
    Heads(2, 2, 4),
    Heads(6, 2, 8),
    Heads(4, 1, 24),
    Heads(4, 2, 64),
    Heads(3, 3, 100),
    Heads(8, 1, 256),
]
CACHES = [torch.float32, torch.bfloat16, torch.int8]
SMALL = Heads(6, 2, 24)
windows = st.none() | st.sampled_from([1, 5, 64, 100])


def make_backends() -> dict[tuple[str, int], CpuOps]:
    """Of every level and some numbers of threads."""
    found: dict[tuple[str, int], CpuOps] = {}
    with pytest.MonkeyPatch.context() as patch:
        for level in levels():
            patch.setenv(LEVEL_VARIABLE, level)
            found |= {(level, threads): CpuOps(threads) for threads in (1, 2, 4)}
    return found


BACKENDS = make_backends()
BEST, PLAIN = BACKENDS[levels()[0], 2], BACKENDS["portable", 1]


def activations(cache: torch.dtype) -> torch.dtype:
    """That go with a cache; of int8 either may."""
    return torch.float32 if cache is torch.int8 else cache


@st.composite
def any_steps(draw: st.DrawFn) -> tuple[list[int], Steps]:
    """Lengths of some texts, and steps that take them on by chunks of any size, several texts at once."""
    lengths = draw(st.lists(st.integers(1, 150), min_size=1, max_size=3))
    done, steps = [0] * len(lengths), list[list[Chunk]]()
    while done != lengths:
        chunks: list[Chunk] = []
        for text in draw(st.permutations([i for i, length in enumerate(lengths) if done[i] < length])):
            if draw(st.booleans()) and chunks:
                continue
            left = lengths[text] - done[text]
            size = draw(st.just(left) | st.integers(1, left))
            chunks.append(Chunk(text, done[text], done[text] + size))
            done[text] += size
        steps.append(chunks)
    return lengths, steps


@pytest.mark.parametrize("cache", CACHES, ids=str)
@pytest.mark.parametrize("heads", SIZES, ids=str)
def test_it_is_what_the_formula_says(heads: Heads, cache: torch.dtype) -> None:
    texts = texts_of(heads, [70, 1, 131], activations(cache))
    for window_tokens in (None, 33):
        found = attend(BEST, texts, whole(texts), window_tokens=window_tokens, cache=cache)
        for text, part in zip(texts, found, strict=True):
            kept = text
            if cache is torch.int8:
                kept = Text(*map(through_int8, text))
            rounding = 2.0**-8 if cache is torch.bfloat16 else 1e-5
            torch.testing.assert_close(part.double(), expected(kept, window_tokens), rtol=rounding, atol=2e-6)


@pytest.mark.parametrize("cache", CACHES, ids=str)
@given(world=any_steps(), window_tokens=windows, block_tokens=st.sampled_from([1, 4, 16, 48]), data=st.data())
def test_the_same_bits_in_any_company(
    cache: torch.dtype,
    world: tuple[list[int], Steps],
    window_tokens: int | None,
    block_tokens: int,
    data: st.DataObject,
) -> None:
    lengths, steps = world
    texts = texts_of(SMALL, lengths, activations(cache), seed=len(steps))
    ops = BACKENDS[data.draw(st.sampled_from(list(BACKENDS)))]
    found = attend(
        ops,
        texts,
        steps,
        window_tokens=window_tokens,
        block_tokens=block_tokens,
        cache=cache,
        seed=len(lengths),
    )
    for text, part in zip(texts, found, strict=True):
        (alone,) = attend(PLAIN, [text], whole([text]), window_tokens=window_tokens, cache=cache)
        assert torch.equal(part, alone)


@pytest.mark.parametrize("cache", CACHES, ids=str)
@pytest.mark.parametrize("window_tokens", [None, 700])
def test_long_contexts_are_split_over_threads_to_the_same_bits(
    cache: torch.dtype, window_tokens: int | None
) -> None:
    texts = texts_of(Heads(2, 1, 16), [1700, 40, 513], activations(cache))
    steps = [
        [Chunk(0, 0, 1699), Chunk(1, 0, 3), Chunk(2, 0, 512)],
        [Chunk(0, 1699, 1700), Chunk(1, 3, 40), Chunk(2, 512, 513)],
    ]
    first, *others = (
        attend(BACKENDS[levels()[0], threads], texts, steps, window_tokens=window_tokens, cache=cache)
        for threads in (1, 2, 4)
    )
    for other in others:
        assert all(map(torch.equal, first, other))
    last = attend(PLAIN, texts, steps, window_tokens=window_tokens, cache=cache)
    assert all(map(torch.equal, first, last))
    if cache is torch.float32:
        wanted = expected(texts[0], window_tokens)[-1]
        torch.testing.assert_close(first[0][-1].double(), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("cache", CACHES, ids=str)
@pytest.mark.parametrize("bad", [torch.inf, -torch.inf, torch.nan])
@pytest.mark.parametrize("part", ["k_TGE", "v_TGE"])
def test_what_is_not_finite_spoils_nobody_before_it(
    level: str, cache: torch.dtype, bad: float, part: str
) -> None:
    ops = BACKENDS[level, 2]
    texts = texts_of(SMALL, [80, 9], activations(cache))
    good = attend(ops, texts, whole(texts), cache=cache)
    getattr(texts[0], part)[50, 1, 3] = bad
    spoiled = attend(ops, texts, whole(texts), cache=cache)
    assert torch.equal(spoiled[1], good[1])
    assert torch.equal(spoiled[0][:50], good[0][:50])
    half = spoiled[0].shape[1] // 2
    assert torch.equal(spoiled[0][:, :half], good[0][:, :half])  # heads of the other group
    if part == "v_TGE" or math.isnan(bad):  # a score may be minus infinity
        assert not spoiled[0][50:, half:].isfinite().all(1).any()


def test_extreme_scores() -> None:
    """From scores that all but one key lose by far, to queries of denormal numbers, to which all keys are alike."""
    (text,) = texts_of(SMALL, [90])
    for scale in (1e18, 1e4, 1e-20, 1e-44, 0.0):
        scaled = text._replace(q_THE=text.q_THE * scale)
        (found,) = attend(BEST, [scaled], whole([scaled]))
        # A rounding of a score of 10^4 is a share of its weight.
        rounding = 1e-2 if scale == 1e4 else 1e-5
        torch.testing.assert_close(found.double(), expected(scaled), rtol=rounding, atol=rounding)


def test_rows_that_do_not_follow_each_other() -> None:
    """As a product leaves them: queries, keys and values of a row side by side."""
    (text,) = texts_of(SMALL, [40])
    (wanted,) = attend(BEST, [text], whole([text]))
    packed = torch.cat([part.flatten(1) for part in text], 1)
    sizes = [part[0].numel() for part in text]
    q_THE, k_TGE, v_TGE = (part.view(40, -1, SMALL.size) for part in packed.split_with_sizes(sizes, 1))
    plan = BEST.plan_attention(Memory([text], 4, torch.float32, 0).batch([Chunk(0, 0, 40)], None))
    assert torch.equal(BEST.attention(q_THE, k_TGE, v_TGE, 0, plan), wanted)


def test_blocks_that_are_not_there_are_refused() -> None:
    (text,) = texts_of(SMALL, [40])
    for wrong in (-1, 10_000):
        memory = Memory([text], 4, torch.float32, 0)
        memory.tables[0][3] = wrong
        with pytest.raises(ValueError, match="a block is not there"):
            BEST.plan_attention(memory.batch([Chunk(0, 0, 40)], None))
    memory.tables[0] = memory.tables[0][:3]
    with pytest.raises(ValueError, match="a table is too short"):
        BEST.plan_attention(memory.batch([Chunk(0, 0, 40)], None))


def test_what_it_does_not_do_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="train with backend 'torch'"):
        BEST.plan_attention(PackedBatch([3], [None]))
    (text,) = texts_of(SMALL, [4], torch.bfloat16)
    with pytest.raises(ConfigurationError, match="needs them alike"):
        attend(BEST, [text], whole([text]), cache=torch.float32)
