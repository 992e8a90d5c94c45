"""Every way to break the contract of steps has a name, and the device says it: rows and positions."""

import pytest

from tests.simulator.fake_driver import Driver, make_request
from tests.simulator.fake_violations import expect, standing
from weft.contracts.prompts import MediaItem
from weft.contracts.record import replaced
from weft.contracts.steps import Draft, EncodeEntry, StepEntry, TableChange

PICTURES = (MediaItem(b"cat", 1, 5), MediaItem(b"dog", 7, 2))


def test_a_row_is_taken_once() -> None:
    driver, _ = standing()
    again = driver.admission(0, make_request("b"))
    expect("row_in_use", driver, added=(again,))
    driver, _ = standing()
    driver.step(StepEntry(0, 0, 10, False), removed=(0,), added=(again,))
    expect("row_in_use", driver, added=(driver.admission(-1, make_request("c")),))


def test_rows_must_be_known() -> None:
    change, encode = TableChange(5, 0, 0, (1,)), EncodeEntry(5, 0, 0, (1,))
    for parts in ({"removed": (5,)}, {"paused": (5,)}, {"tables": (change,)}):
        expect("row_unknown", standing()[0], **parts)
    expect("row_unknown", standing()[0], StepEntry(5, 0, 1, True))
    driver = Driver("encoder")
    driver.admission(5, make_request(media=PICTURES))
    expect("row_unknown", driver, encodes=(encode,))
    driver, _ = standing()
    driver.step(removed=(0,))
    expect("row_unknown", driver, removed=(0,))


def test_a_row_stands_or_is_mentioned() -> None:
    driver, _ = standing()
    expect("row_stands", driver, StepEntry(0, 10, 1, True))
    driver, _ = standing()
    driver.step(paused=(0,))
    expect("row_stands", driver, paused=(0,))


def test_a_row_has_one_entry_per_step() -> None:
    driver = Driver("mixed")
    admission = driver.admission(0, make_request())
    expect("row_repeated", driver, StepEntry(0, 0, 4, False), StepEntry(0, 4, 4, False), added=(admission,))


@pytest.mark.parametrize("start", [3, 5])
def test_an_entry_starts_where_the_row_has_got_to(start: int) -> None:
    driver = Driver("mixed")
    driver.step(StepEntry(0, 0, 4, False), added=(driver.admission(0, make_request()),))
    expect("position_gap", driver, StepEntry(0, start, 2, False))


def test_positions_make_sense() -> None:
    driver = Driver("mixed")
    admission = driver.admission(0, make_request())
    expect("position_gap", driver, StepEntry(0, 0, 0, False), added=(admission,))
    for computed in (-1, 11):
        expect("position_gap", Driver("mixed"), added=(replaced(admission, num_computed=computed),))


def test_after_a_draft_a_row_has_got_as_far_as_was_accepted() -> None:
    for start, refused in ((11, True), (12, False), (13, True)):
        driver = Driver("paged")
        text = driver.generate(make_request(), row=1)
        driver.prefill(driver.admission(0, make_request()))
        draft = Draft((text[1], (text[2] + 1) % 97), (-1, 0))
        driver.step(StepEntry(0, 10, 1, True, draft=draft))
        if refused:
            expect("position_gap", driver, StepEntry(0, start, 1, True))
        else:
            assert driver.step(StepEntry(0, start, 1, True)).tokens[0] == text[3]


def test_tokens_must_be_known() -> None:
    driver = Driver("mixed")
    admission = driver.admission(0, make_request(beam_width=2))
    driver.prefill(admission, num_candidates=2)
    expect("token_unknown", driver, StepEntry(0, 10, 1, True))
    expect("token_unknown", Driver("mixed"), StepEntry(0, 0, 11, True), added=(admission,))
    driver = Driver("mixed")
    driver.step(StepEntry(0, 0, 4, False), added=(admission,))
    expect("token_unknown", driver, StepEntry(0, 4, 2, False, chosen=(1, 2)))


@pytest.mark.parametrize(
    "entry",
    [
        StepEntry(0, 0, 10, True, stands=True, num_candidates=2),
        StepEntry(0, 0, 10, False, stands=True),
        StepEntry(0, 0, 8, False, stands=True),
    ],
)
def test_a_row_that_stands_knows_one_token_that_is_not_computed(entry: StepEntry) -> None:
    driver = Driver("mixed")
    expect("row_stands", driver, entry, added=(driver.admission(0, make_request()),))


def test_a_token_is_emitted_once() -> None:
    draft = Draft((1,), (-1,))
    for entry in (StepEntry(0, 0, 5, True), StepEntry(0, 0, 5, True, draft=draft)):
        driver = Driver("paged")
        expect("token_known", driver, entry, added=(driver.admission(0, make_request()),))


@pytest.mark.parametrize("offset", [-1, 1])
def test_all_units_are_counted(offset: int) -> None:
    def off(driver: Driver, *entries: StepEntry, **parts: object) -> None:
        counted = driver.make_step(*entries, **parts).num_tokens  # type: ignore[arg-type]
        expect("budget", driver, *entries, num_tokens=counted + offset, **parts)

    off(standing()[0], advances=True)
    driver = Driver("encoder")
    admission = driver.admission(0, make_request(media=PICTURES))
    off(driver, StepEntry(0, 0, 7, False), added=(admission,), encodes=driver.encodes(admission))
    driver = Driver("paged")
    driver.prefill(driver.admission(0, make_request()))
    off(driver, StepEntry(0, 10, 1, True, draft=Draft((1, 2), (-1, 0))))


def test_a_step_keeps_to_the_largest_size() -> None:
    driver = Driver("paged", max_step_tokens=9)
    admission = driver.admission(0, make_request())
    driver.step(StepEntry(0, 0, 9, False), added=(admission,))
    driver = Driver("paged", max_step_tokens=9)
    expect("budget", driver, StepEntry(0, 0, 10, True), added=(admission,))


def test_steps_come_in_order() -> None:
    for number in (0, 2):
        driver = Driver("paged")
        driver.step()
        expect("step_order", driver, number=number)


def test_after_a_lost_step_numbers_may_leave_a_gap() -> None:
    driver = Driver("paged")
    driver.step()
    driver.device.lose(driver.make_step())
    driver.step(number=3)
    expect("step_order", driver, number=5)
    driver.device.lose(driver.make_step())
    expect("step_order", driver, number=3)


def test_a_step_names_the_weights_that_are_loaded() -> None:
    driver, _ = standing()
    driver.device.update_weights(1)
    expect("weights_version", driver, weights_version=0, advances=True)
    driver.step(advances=True)


def test_lost_steps_keep_their_removals_only() -> None:
    driver, _ = standing()
    lost = driver.make_step(removed=(0,), added=(driver.admission(1, make_request("b")),))
    driver.device.lose(lost)
    assert driver.device.num_rows == 0
    driver.standing.clear()
    driver.step(removed=(0, 1))
    expect("row_unknown", driver, removed=(1,))


def test_rows_of_a_lost_step_can_be_taken_again() -> None:
    driver, _ = standing()
    again = driver.admission(0, make_request("b"))
    driver.device.lose(driver.make_step(removed=(0,), added=(again,)))
    driver.standing.clear()
    driver.step(StepEntry(0, 0, 10, True), added=(again,))
    driver.step(removed=(0,))
    assert driver.device.num_rows == 0


def test_a_lost_step_computes_nothing() -> None:
    driver, _ = standing()
    text = driver.step(advances=True).tokens[0]
    driver.device.lose(driver.make_step(advances=True))
    twin, _ = standing()
    assert twin.step(advances=True).tokens[0] == text
    assert twin.step(advances=True).tokens[0] == driver.step(advances=True).tokens[0]
