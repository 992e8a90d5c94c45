from itertools import product

import pytest

from tests.simulator.fake_driver import LAYOUTS, make_request
from weft.contracts.prompts import LengthPrompt, MediaItem
from weft.contracts.requests import Request, SamplingParams
from weft.simulator.fake_model import FakeModelSpec, likeliest_candidates
from weft.simulator.fake_reference import PlainSequence, reference_beams, reference_output

SPECS = [FakeModelSpec(layout) for layout in LAYOUTS.values()]
every_variant = pytest.mark.parametrize("spec", SPECS, ids=list(LAYOUTS))


@every_variant
def test_the_text_of_a_request_is_a_function_of_all_it_names(spec: FakeModelSpec) -> None:
    long = tuple(range(30))
    cat, dog = MediaItem(b"cat", 1, 3), MediaItem(b"dog", 1, 3)
    requests = [
        make_request(),
        make_request(prompt=(99, *range(1, 10))),
        make_request(prompt=long),
        make_request(prompt=(99, *long[1:])),
        make_request(tenant="other"),
        make_request(adapter="a"),
        make_request(media=(cat,)),
        make_request(media=(dog,)),
        make_request(temperature=1.0),
        Request("r", LengthPrompt(10), SamplingParams(max_tokens=12, temperature=0.0)),
    ]
    texts = [reference_output(spec, request) for request in requests]
    texts += [reference_output(spec, requests[0], weights_version=1)]
    texts += [reference_output(spec, requests[-2], sample_index=1)]
    texts += [reference_output(FakeModelSpec(spec.layout, fingerprint="fake-2"), requests[0])]
    assert len(set(texts)) == len(texts)
    assert all(len(text) == 12 for text in texts)


def test_a_window_forgets_only_through_what_it_saw() -> None:
    """Entries depend on what was visible when they were written, so a window still carries the past on."""
    spec = FakeModelSpec(LAYOUTS["only windows"])
    texts = [reference_output(spec, make_request(prompt=(first, *range(40)))) for first in range(5)]
    assert len(set(texts)) == 5


def test_an_output_ends_with_its_first_stop_token_after_the_minimum() -> None:
    spec = FakeModelSpec(LAYOUTS["paged"], vocab_size=8)
    lengths = []
    for first in range(40):
        request = make_request(prompt=(first, 1, 2), stop_token_ids=(0, 1), min_tokens=2, max_tokens=9)
        text = reference_output(spec, request)
        stops = [index for index, token in enumerate(text) if token in (0, 1)]
        assert stops == [len(text) - 1] or (not stops and len(text) == 9)
        assert all(index >= 2 for index in stops)
        lengths.append(len(text))
    assert min(lengths) == 3
    assert max(lengths) == 9


def _score(spec: FakeModelSpec, request: Request, tokens: tuple[int, ...]) -> float:
    sequence, score = PlainSequence(spec, request), 0.0
    sequence.feed_prompt()
    for token in tokens:
        position = sequence.num_computed
        views = sequence.views(position - 1)
        found = dict(likeliest_candidates(spec, request, position, views, spec.vocab_size))
        score += found[token]
        sequence.feed(token)
    return score


@pytest.mark.parametrize("stops", [(), (0,)])
def test_a_beam_as_wide_as_the_tree_finds_the_likeliest_output(stops: tuple[int, ...]) -> None:
    spec = FakeModelSpec(LAYOUTS["mixed"], vocab_size=3)
    for first in range(6):
        request = make_request(prompt=(first, 5), max_tokens=3, beam_width=27, stop_token_ids=stops)
        whole = [tokens for tokens in product(range(3), repeat=3) if not set(tokens[:2]) & set(stops)]
        ended = (
            [tokens for length in (1, 2) for tokens in product((1, 2), repeat=length - 1)] if stops else []
        )
        outputs = whole + [(*tokens, 0) for tokens in ended]
        best = min(outputs, key=lambda tokens: (-_score(spec, request, tokens), tokens))
        assert reference_beams(spec, request) == best


def test_a_beam_of_one_is_the_greedy_output() -> None:
    spec = FakeModelSpec(LAYOUTS["paged"], vocab_size=8)
    for first in range(20):
        request = make_request(
            prompt=(first,), stop_token_ids=(0, 1), min_tokens=2, max_tokens=9, beam_width=1
        )
        assert reference_beams(spec, request) == reference_output(spec, request)


def test_a_wider_beam_finds_likelier_outputs_on_the_whole() -> None:
    spec = FakeModelSpec(LAYOUTS["paged"])
    narrow = [make_request(prompt=(first,), max_tokens=6, beam_width=1) for first in range(8)]
    wide = [make_request(prompt=(first,), max_tokens=6, beam_width=4) for first in range(8)]
    gains = [
        _score(spec, request, reference_beams(spec, request))
        - _score(spec, request, reference_beams(spec, other))
        for request, other in zip(wide, narrow, strict=True)
    ]
    assert sum(gains) > 0


def test_a_likelier_output_is_not_waited_for() -> None:
    """In the first round of this search two stop tokens are among the best two proposals."""
    spec = FakeModelSpec(LAYOUTS["paged"], vocab_size=5)
    request = make_request(prompt=(634,), max_tokens=6, beam_width=2, stop_token_ids=(1, 2))
    assert reference_beams(spec, request) == (2,)
    assert _score(spec, request, (0, 0, 2)) > _score(spec, request, (2,))


def test_enough_hypotheses_end_a_beam_search_early() -> None:
    spec = FakeModelSpec(LAYOUTS["paged"], vocab_size=97, stop_bias=1.0)
    request = make_request(max_tokens=12, beam_width=2, stop_token_ids=(3,), min_tokens=2)
    assert len(reference_beams(spec, request)) == 3
