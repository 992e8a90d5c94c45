"""Equal keys mean equal state: whatever decides its bits, or who may see it, is part of a block's key."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.small_engine import BLOCK_TOKENS, ask
from weft.contracts.prompts import HashPrompt, LengthPrompt, MediaItem, Prompt, TokenPrompt
from weft.contracts.requests import Request
from weft.engine.prefix_keys import PrefixKeys
from weft.engine.sequence import Sequence, TickClock
from weft.workloads.conversation_prompt import TranscriptPrompt

TOKENS = tuple(range(8))


def sequence_of(request: Request, *output: int, number: int = 0, family: int | None = None) -> Sequence:
    sequence = Sequence(number, request, 0, 0.0, TickClock())
    sequence.family = number if family is None else family
    sequence.output.extend(output)
    return sequence


def keys_of(
    request: Request, *output: int, number: int = 0, fingerprint: str = "f", version: int = 0
) -> list[bytes]:
    """Keys of all full blocks of a sequence."""
    keys = PrefixKeys(fingerprint, BLOCK_TOKENS)
    keys.weights_version = version
    sequence = sequence_of(request, *output, number=number)
    return keys.extend(sequence, (request.prompt.num_tokens + len(output)) // BLOCK_TOKENS)


@given(
    first=st.lists(st.integers(0, 2), max_size=12).map(tuple),
    second=st.lists(st.integers(0, 2), max_size=12).map(tuple),
)
def test_two_texts_share_as_many_keys_as_they_share_leading_blocks(
    first: tuple[int, ...], second: tuple[int, ...]
) -> None:
    one, other = (keys_of(ask("a", (5, *text))) for text in (first, second))
    for block in range(min(len(one), len(other))):
        end = (block + 1) * BLOCK_TOKENS - 1
        assert (one[block] == other[block]) == (first[:end] == second[:end])


@given(prompt=st.integers(1, 12), total=st.integers(4, 12))
def test_prompt_and_output_have_the_keys_of_a_longer_prompt(prompt: int, total: int) -> None:
    """So the next turn of a conversation finds what the last one computed."""
    text = tuple(range(100, 100 + total))
    cut = min(prompt, total)
    assert keys_of(ask("a", text[:cut]), *text[cut:]) == keys_of(ask("b", text))


@pytest.mark.parametrize(
    "other",
    [
        ask("a", TOKENS, tenant="other"),
        ask("a", TOKENS, adapter="poet"),
        ask("a", TOKENS, salt="default"),
        ask("a", TOKENS, salt=""),
        ask("a", TOKENS, media=(MediaItem(b"cat", 0, 2),)),
    ],
    ids=["tenant", "adapter", "salt named like the tenant", "empty salt", "media"],
)
def test_state_is_not_shared_across(other: Request) -> None:
    mine, theirs = keys_of(ask("a", TOKENS)), keys_of(other)
    assert [one == another for one, another in zip(mine, theirs, strict=True)] == [False, False]


def test_weights_and_numerics_enter_every_key() -> None:
    request = ask("a", TOKENS)
    chains = [keys_of(request), keys_of(request, version=1), keys_of(request, fingerprint="g")]
    assert len(dict.fromkeys(key for chain in chains for key in chain)) == 6


def test_adapters_salts_and_tenants_are_told_apart_by_name() -> None:
    requests = [
        ask("a", TOKENS, adapter="x"),
        ask("a", TOKENS, adapter="y"),
        ask("a", TOKENS, salt="x"),
        ask("a", TOKENS, salt="y"),
        ask("a", TOKENS, tenant="x"),
    ]
    assert len(dict.fromkeys(keys_of(request)[0] for request in requests)) == 5


def test_a_salt_lets_tenants_share_on_purpose() -> None:
    one, other = (ask("a", TOKENS, tenant=tenant, salt="both") for tenant in ("x", "y"))
    assert keys_of(one) == keys_of(other)


@pytest.mark.parametrize("priority", [0, 3])
def test_what_does_not_touch_the_state_does_not_touch_the_keys(priority: int) -> None:
    other = replace(ask("other", TOKENS, 99, temperature=0.7, seed=3, priority=priority), session="s")
    assert keys_of(other) == keys_of(ask("a", TOKENS))


@pytest.mark.parametrize("prompt", [LengthPrompt(8), LengthPrompt(9)])
def test_private_prompts_share_nothing_with_anybody(prompt: Prompt) -> None:
    request = ask("a", prompt)
    assert not set(keys_of(request, number=1)) & set(keys_of(request, number=2))


def test_private_samples_of_one_request_share_its_prompt_and_not_their_outputs() -> None:
    keys = PrefixKeys("f", BLOCK_TOKENS)
    request = ask("a", LengthPrompt(6))
    one, other = (keys.extend(sequence_of(request, *range(6), number=n, family=3), 3) for n in (3, 4))
    assert [a == b for a, b in zip(one, other, strict=True)] == [True, False, False]


def test_private_keys_know_the_weights() -> None:
    request = ask("a", LengthPrompt(8))
    assert not set(keys_of(request)) & set(keys_of(request, version=1))


def test_of_a_trace_with_hashes_the_prompt_is_shared_and_the_output_is_not() -> None:
    request = ask("a", HashPrompt(8, (7,), hash_tokens=8))
    one, other = (keys_of(request, 1, 2, 3, 4, number=number) for number in (1, 2))
    assert [a == b for a, b in zip(one, other, strict=True)] == [True, True, False]


def test_the_keys_of_a_transcript_go_on_through_the_first_output_and_no_other() -> None:
    text = tuple(range(14))
    asked, later = ask("a", TranscriptPrompt(text, 6)), ask("b", TranscriptPrompt(text, 14))
    first, second = sequence_of(asked, *(0,) * 6, number=1), sequence_of(asked, *(0,) * 6, number=2)
    second.sample_index = 1
    keys = PrefixKeys("f", BLOCK_TOKENS)
    found = keys.extend(sequence_of(later, number=3), 3)
    assert keys.extend(first, 3) == found
    assert [a == b for a, b in zip(keys.extend(second, 3), found, strict=True)] == [True, False, False]


def test_a_block_that_mixes_hashed_prompt_and_output_is_nobody_elses() -> None:
    request = ask("a", HashPrompt(6, (7,), hash_tokens=8))
    one, other = (keys_of(request, 1, 2, number=number) for number in (1, 2))
    assert [a == b for a, b in zip(one, other, strict=True)] == [True, False]


def test_keys_once_made_are_kept() -> None:
    keys = PrefixKeys("f", BLOCK_TOKENS)
    sequence = sequence_of(ask("a", TOKENS))
    (first,) = list(keys.extend(sequence, 1))
    keys.weights_version = 1
    assert keys.extend(sequence, 2)[0] == first
    assert keys.extend(sequence, 1) is sequence.keys


def test_an_encoder_output_is_known_by_content_and_by_all_that_decides_its_bits() -> None:
    keys, newer = PrefixKeys("f", BLOCK_TOKENS), PrefixKeys("f", BLOCK_TOKENS)
    newer.weights_version = 1
    request = ask("a", TOKENS)
    found = [
        keys.media_key(request, b"cat"),
        keys.media_key(request, b"dog"),
        keys.media_key(ask("a", TOKENS, tenant="other"), b"cat"),
        newer.media_key(request, b"cat"),
    ]
    assert len(dict.fromkeys(found)) == 4
    assert keys.media_key(ask("b", TOKENS[:3]), b"cat") == found[0]
    assert found[0] not in keys_of(ask("a", TokenPrompt(TOKENS)))
