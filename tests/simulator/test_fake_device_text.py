"""A fake device says what the reference says, however the work is cut, batched, shared or moved."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulator.fake_driver import LAYOUTS, Driver, make_request
from weft.contracts.prompts import HashPrompt, LengthPrompt, MediaItem
from weft.contracts.requests import Request, SamplingParams
from weft.contracts.steps import StepEntry
from weft.simulator.fake_model import FakeModelSpec
from weft.simulator.fake_reference import PlainSequence, reference_output

every_variant = pytest.mark.parametrize("layout", LAYOUTS)
PICTURES = (MediaItem(b"cat", 1, 5), MediaItem(b"dog", 7, 2))
REQUESTS = [
    make_request("plain"),
    make_request("one", prompt=(3,)),
    make_request("pictures", media=PICTURES),
    make_request("warm", temperature=1.0, seed=5),
    make_request("adapted", adapter="a", tenant="other"),
    Request("length", LengthPrompt(13), SamplingParams(max_tokens=9)),
    Request("hashes", HashPrompt(13, (7, 8), 8), SamplingParams(max_tokens=9)),
]


@every_variant
@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: request.request_id)
@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_one_sequence_alone(layout: str, request_: Request, chunk: int) -> None:
    driver = Driver(layout)
    assert driver.generate(request_, chunk=chunk) == reference_output(driver.spec, request_)


@every_variant
def test_a_sample_has_its_own_noise(layout: str) -> None:
    driver = Driver(layout)
    request = make_request(temperature=1.0, n=3)
    texts = [driver.generate(request, sample_index=index) for index in range(3)]
    assert texts == [reference_output(driver.spec, request, index) for index in range(3)]
    assert len(set(texts)) == 3


@given(st.integers(0, 2**32), st.sampled_from(list(LAYOUTS)))
def test_an_output_stops_where_the_reference_stops(seed: int, layout: str) -> None:
    spec = FakeModelSpec(LAYOUTS[layout], stop_bias=0.2)
    request = make_request(temperature=1.0, seed=seed, stop_token_ids=(1, 2), min_tokens=3)
    assert Driver(spec).generate(request) == reference_output(spec, request)


@every_variant
def test_a_row_that_has_ended_may_compute_on_until_it_is_removed(layout: str) -> None:
    driver = Driver(layout)
    text = reference_output(driver.spec, make_request())
    request = make_request(stop_token_ids=(text[3],), max_tokens=4)
    result = driver.prefill(driver.admission(0, request), stands=True)
    finished = [result.finished] + [driver.step(advances=True).finished for _ in range(5)]
    assert finished[:4] == [(), (), (), (0,)]


@every_variant
def test_batched_rows_do_not_disturb_each_other(layout: str) -> None:
    driver = Driver(layout)
    requests = [make_request(f"r{row}", prompt=tuple(range(row, 3 * row + 4))) for row in range(4)]
    admissions = [driver.admission(row, request) for row, request in enumerate(requests)]
    entries = [StepEntry(row, 0, 4, row == 0, row == 0) for row in range(4)]
    texts: list[list[int]] = [[] for _ in requests]
    result = driver.step(*entries, added=tuple(admissions))
    texts[0].append(result.tokens[0])
    rest = [StepEntry(row, 4, 2 * row, True, True) for row in (3, 1, 2)]
    for step_entries in (rest, *([[]] * 11)):
        result = driver.step(*step_entries, advances=True)
        for row, text in enumerate(texts):
            text.append(result.tokens[row])
    for request, text in zip(requests, texts, strict=True):
        assert tuple(text[:12]) == reference_output(driver.spec, request)


@every_variant
def test_standing_rows_rest_in_a_step_that_does_not_advance(layout: str) -> None:
    driver = Driver(layout)
    first, second = make_request("a"), make_request("b", prompt=(4, 5, 6))
    start = driver.prefill(driver.admission(0, first), stands=True)
    driver.prefill(driver.admission(1, second), chunk=1)
    assert driver.decode(0, start) == reference_output(driver.spec, first)


@every_variant
def test_a_paused_row_goes_on_by_entries_and_stands_again(layout: str) -> None:
    driver = Driver(layout)
    request = make_request()
    text = [driver.prefill(driver.admission(0, request), stands=True).tokens[0]]
    text.append(driver.step(advances=True).tokens[0])
    text.append(driver.step(StepEntry(0, 11, 1, True), advances=True, paused=(0,)).tokens[0])
    text += driver.decode(0, driver.step(StepEntry(0, 12, 1, True, stands=True), advances=True))
    assert tuple(text) == reference_output(driver.spec, request)


@every_variant
@pytest.mark.parametrize("known", [1, 5, 11])
def test_a_preempted_sequence_is_recomputed_elsewhere(layout: str, known: int) -> None:
    driver = Driver(layout)
    request = make_request(media=PICTURES)
    text = reference_output(driver.spec, request)
    driver.prefill(driver.admission(0, make_request("other")))
    admission = driver.admission(0, request, output=text[:known])
    parts = {"removed": (0,), "added": (admission,), "encodes": driver.encodes(admission)}
    driver.step(StepEntry(0, 0, 7, False), **parts)
    result = driver.step(StepEntry(0, 7, 3 + known, True, True))
    assert text[:known] + driver.decode(0, result) == text


@every_variant
def test_new_weights_enter_what_is_computed_from_then_on(layout: str) -> None:
    driver = Driver(layout)
    request = make_request()
    result = driver.prefill(driver.admission(0, request), stands=True)
    driver.device.update_weights(1)
    text = driver.decode(0, result)
    plain = PlainSequence(driver.spec, request)
    plain.feed_prompt()
    plain.weights_version = 1
    for token in text:
        assert token == plain.next_token()
        plain.feed(token)
    assert (
        driver.generate(request, row=1) == reference_output(driver.spec, request, weights_version=1) != text
    )
