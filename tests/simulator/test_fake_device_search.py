"""Searches: rows that report candidates and go on with chosen tokens."""

import pytest

from tests.simulator.fake_driver import LAYOUTS, Driver, make_request
from weft.contracts.steps import StepEntry
from weft.simulator.fake_model import FakeModelSpec
from weft.simulator.fake_reference import PlainSequence, reference_beams


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("stops", [(), (0, 1)])
def test_a_beam_search_by_candidates_and_chosen_tokens(layout: str, stops: tuple[int, ...]) -> None:
    """Every round starts all beams anew, so only candidates and chosen tokens are at work."""
    spec = FakeModelSpec(LAYOUTS[layout], vocab_size=12)
    driver = Driver(spec, num_blocks=1500)
    request = make_request(beam_width=2, max_tokens=5, stop_token_ids=stops, min_tokens=2)
    live: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    finished: list[tuple[float, tuple[int, ...]]] = []
    row = 0
    while live and len(finished) < 2:
        ranked = []
        for penalty, tokens in live:
            driver.step(StepEntry(row, 0, 10, False), added=(driver.admission(row, request),))
            for position, token in enumerate(tokens, 10):
                driver.step(StepEntry(row, position, 1, False, chosen=(token,)))
            again = driver.admission(row + 1, request, output=tokens)
            entry = StepEntry(row + 1, 0, 10 + len(tokens), True, num_candidates=4)
            result = driver.step(entry, added=(again,))
            assert row + 1 not in result.finished
            ranked += [(penalty - logprob, (*tokens, token)) for token, logprob in result.candidates[row + 1]]
            row += 2
        ranked.sort()
        length = len(ranked[0][1])
        finished += [beam for beam in ranked[:2] if length == 5 or beam[1][-1] in stops]
        live = [beam for beam in ranked if length < 5 and beam[1][-1] not in stops][:2]
    assert min(finished)[1] == reference_beams(spec, request)


def test_a_chosen_token_takes_the_place_of_one_that_was_emitted() -> None:
    driver = Driver("mixed")
    request = make_request()
    emitted = driver.prefill(driver.admission(0, request)).tokens[0]
    result = driver.step(StepEntry(0, 10, 1, True, stands=True, chosen=((emitted + 1) % 97,)))
    rest = driver.decode(0, result)
    plain = PlainSequence(driver.spec, request)
    plain.feed_prompt()
    plain.feed((emitted + 1) % 97)
    for token in rest:
        assert token == plain.next_token()
        plain.feed(token)


def test_candidates_continue_on_the_row_that_asked() -> None:
    driver = Driver("mixed")
    request = make_request(beam_width=2)
    driver.prefill(driver.admission(0, request), num_candidates=3)
    chosen: list[int] = []
    for position in range(10, 14):
        chosen.append(90 + position)
        result = driver.step(StepEntry(0, position, 1, True, num_candidates=3, chosen=(chosen[-1],)))
    plain = PlainSequence(driver.spec, request)
    plain.feed_prompt()
    for token in chosen:
        plain.feed(token)
    assert result.candidates[0][0].token == plain.next_token()
