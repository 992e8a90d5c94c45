from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulator.fake_driver import LAYOUTS, make_request
from weft.contracts.errors import ConfigurationError, InvalidRequest
from weft.contracts.prompts import HashPrompt, LengthPrompt, MediaItem, Sharing, TokenPrompt
from weft.contracts.requests import Request
from weft.simulator.fake_model import (
    FakeModelSpec,
    choose_token,
    digest,
    ends,
    likeliest_candidates,
    media_content,
    mix,
    prompt_token,
    state_entry,
    state_salt,
    token_logprobs,
)

SPEC = FakeModelSpec(LAYOUTS["paged"])
WORDS = st.integers(0, 2**64 - 1)


def test_numbers_are_the_same_in_every_process() -> None:
    assert mix(1, 2, 3) == 16239038894714499693
    assert digest("weft") == digest(b"weft") == 13672223051628230036


@given(st.lists(WORDS, min_size=1, max_size=4), st.integers(0, 3), WORDS)
def test_mix_depends_on_every_value(values: list[int], index: int, other: int) -> None:
    changed = list(values)
    changed[index % len(values)] = other
    assert (mix(*values) == mix(*changed)) == (values == changed)
    assert 0 <= mix(*values) < 2**64


def test_mix_depends_on_order_and_length() -> None:
    assert len({mix(1, 2), mix(2, 1), mix(1, 2, 0), mix(0, 1, 2), mix(3)}) == 5


@pytest.mark.parametrize(("field", "value"), [("vocab_size", 1), ("stop_bias", 1.5), ("stop_bias", -0.1)])
def test_impossible_specifications_are_refused(field: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=field):
        FakeModelSpec(LAYOUTS["paged"], **{field: value})  # type: ignore[arg-type]


def _tokens(request: Request) -> list[int]:
    return [prompt_token(SPEC, request, position) for position in range(request.prompt.num_tokens)]


def test_prompt_tokens_follow_the_content() -> None:
    assert _tokens(Request("a", TokenPrompt((5, 1000, 7)))) == [5, 1000, 7]
    lengths = [_tokens(Request(name, LengthPrompt(20))) for name in ("a", "b", "a")]
    assert lengths[0] == lengths[2] != lengths[1]
    hashes = [
        _tokens(Request(name, HashPrompt(10, pair, 8))) for name, pair in (("a", (1, 2)), ("b", (1, 3)))
    ]
    assert hashes[0][:8] == hashes[1][:8]
    assert hashes[0][8:] != hashes[1][8:]
    assert all(0 <= token < SPEC.vocab_size for token in lengths[0] + hashes[0])


def test_a_kind_of_prompt_that_is_not_known_is_refused() -> None:
    @dataclass
    class Riddle:
        num_tokens: int = 1
        sharing: Sharing = Sharing.NOTHING
        media: tuple[MediaItem, ...] = ()

        def content_key(self, block: int, block_tokens: int, output: Sequence[int] = ()) -> bytes:
            return b""

    with pytest.raises(InvalidRequest, match="Riddle"):
        prompt_token(SPEC, Request("a", Riddle()), 0)


def _text(
    request: Request, sample_index: int = 0, spec: FakeModelSpec = SPEC, start: int = 10
) -> tuple[int, ...]:
    return tuple(choose_token(spec, request, sample_index, start + i, [i]) for i in range(20))


def test_the_next_token_depends_on_position_tenant_views_and_noise() -> None:
    warm = make_request(temperature=1.0, max_tokens=50)
    variants = [
        _text(make_request(max_tokens=50)),
        _text(make_request(max_tokens=50, tenant="other")),
        _text(make_request(max_tokens=50), start=11),
        _text(warm),
        _text(warm, sample_index=1),
        _text(make_request("other", temperature=1.0, max_tokens=50)),
        _text(make_request(temperature=1.0, max_tokens=50, seed=-1)),
        tuple(choose_token(SPEC, make_request(), 0, 10 + i, [i, i]) for i in range(20)),
    ]
    assert len(set(variants)) == len(variants)


def test_without_temperature_name_seed_and_sample_do_not_matter() -> None:
    assert _text(make_request("a", seed=1), sample_index=2) == _text(make_request("b"))
    assert _text(make_request("a", seed=1, temperature=1.0)) == _text(
        make_request("b", seed=1, temperature=1.0)
    )


def test_a_salt_tells_adapters_weights_and_fingerprints_apart() -> None:
    other = FakeModelSpec(LAYOUTS["paged"], fingerprint="fake-2")
    salts = [
        state_salt(SPEC, make_request(), 0),
        state_salt(SPEC, make_request(), 1),
        state_salt(SPEC, make_request(adapter="a"), 0),
        state_salt(SPEC, make_request(adapter=""), 0),
        state_salt(other, make_request(), 0),
    ]
    assert len(set(salts)) == len(salts)
    assert state_salt(SPEC, make_request(tenant="other", temperature=1.0), 0) == salts[0]


def test_an_entry_depends_on_all_that_it_stands_for() -> None:
    changed = [
        state_entry(*(value + (index == place) for index, value in enumerate(range(5)))) for place in range(6)
    ]
    assert len(set(changed)) == 6


def test_media_content_depends_on_content_offset_and_weights() -> None:
    item, other = MediaItem(b"cat", 2, 5), MediaItem(b"dog", 2, 5)
    for spec in (SPEC, FakeModelSpec(LAYOUTS["encoder"])):
        contents = [(item, 0, 0), (item, 1, 0), (other, 0, 0), (item, 0, 1)]
        assert len({media_content(spec, *content) for content in contents}) == len(contents)
        assert media_content(spec, item, 3, 0) == media_content(spec, MediaItem(b"cat", 9, 5), 3, 0)


@given(WORDS, st.integers(2, 60), st.integers(0, 12))
def test_no_stop_token_is_drawn_too_early(view: int, vocab_size: int, output_index: int) -> None:
    spec = FakeModelSpec(LAYOUTS["paged"], vocab_size, stop_bias=1.0)
    request = make_request(stop_token_ids=(0, 1000), min_tokens=6)
    token = choose_token(spec, request, 0, 10 + output_index, [view])
    assert (token == 0) == (output_index >= 6)
    proposed = [
        each.token for each in likeliest_candidates(spec, request, 10 + output_index, [view], vocab_size)
    ]
    assert (0 in proposed) == (output_index >= 6)


def test_a_vocabulary_of_stop_tokens_only_still_yields_one() -> None:
    request = make_request(stop_token_ids=(0, 1), min_tokens=6)
    assert choose_token(FakeModelSpec(LAYOUTS["paged"], 2), request, 0, 10, [1]) in (0, 1)


def test_stop_bias_is_a_chance() -> None:
    spec = FakeModelSpec(LAYOUTS["paged"], 10_000, stop_bias=0.25)
    request = make_request(stop_token_ids=(3, 4))
    drawn = [choose_token(spec, request, 0, 10, [i]) for i in range(2000)]
    assert 400 < sum(token in (3, 4) for token in drawn) < 600
    assert 3 in drawn
    assert 4 in drawn


@given(WORDS, st.integers(2, 130), st.integers(1, 140))
def test_candidates_are_distinct_and_strictly_ordered(view: int, vocab_size: int, count: int) -> None:
    spec = FakeModelSpec(LAYOUTS["paged"], vocab_size)
    found = likeliest_candidates(spec, make_request(), 10, [view], count)
    assert len({candidate.token for candidate in found}) == len(found) == min(count, vocab_size)
    assert all(0 <= candidate.token < vocab_size for candidate in found)
    logprobs = [candidate.logprob for candidate in found]
    assert all(later < earlier for earlier, later in zip([0.0, *logprobs], logprobs, strict=False))
    assert found[0].token == choose_token(spec, make_request(), 0, 10, [view])
    assert found == likeliest_candidates(spec, make_request(), 10, [view], 200)[:count]


@given(WORDS, st.integers(2, 60), st.integers(0, 12), st.integers(0, 59))
def test_log_probabilities_are_those_of_the_candidates(
    view: int, vocab_size: int, count: int, token: int
) -> None:
    spec, request = FakeModelSpec(LAYOUTS["paged"], vocab_size), make_request(temperature=1.0, logprobs=count)
    ranked = likeliest_candidates(spec, request, 10, [view], vocab_size)
    told = token_logprobs(spec, request, token % vocab_size, 10, [view])
    assert told.token == token % vocab_size
    assert told.logprob == dict(ranked)[told.token]
    assert told.likeliest == ranked[:count]


def test_an_output_ends_with_a_stop_token_or_at_its_limit() -> None:
    request = make_request(stop_token_ids=(3,), min_tokens=2, max_tokens=5)
    assert [ends(request, 3, count) for count in range(1, 7)] == [False, False, True, True, True, True]
    assert [ends(request, 4, count) for count in range(1, 7)] == [False] * 4 + [True] * 2
