"""Every way to break the contract of steps has a name, and the device says it: tables and blocks."""

import pytest

from tests.simulator.fake_driver import Driver, make_request
from tests.simulator.fake_violations import expect, standing
from weft.contracts.errors import ConfigurationError, InvariantViolation
from weft.contracts.prompts import MediaItem
from weft.contracts.record import replaced
from weft.contracts.steps import HOLE, BlockCopy, Draft, EncodeEntry, Step, StepEntry, TableChange
from weft.simulator.fake_device import FakeDevice

PICTURES = (MediaItem(b"cat", 1, 5), MediaItem(b"dog", 7, 2))


@pytest.mark.parametrize("held", [(), (0, 1), (0, HOLE, 1), (0, 1, HOLE)])
def test_written_and_visible_blocks_must_be_held(held: tuple[int, ...]) -> None:
    driver = Driver("paged")
    admission = driver.admission(0, make_request(), (held,))
    expect("table_too_short", driver, StepEntry(0, 0, 10, True), added=(admission,))


def test_blocks_inside_the_window_must_be_held() -> None:
    driver, admission = standing("only windows")
    kept = TableChange(0, 0, 0, (HOLE, *admission.tables[0][1:]))
    driver.step(advances=True, tables=(kept,))
    lost = TableChange(0, 0, 0, (HOLE, HOLE, *admission.tables[0][2:]))
    expect("table_too_short", driver, advances=True, tables=(lost,))


def test_a_standing_row_needs_its_next_block() -> None:
    driver, _ = standing()
    driver.step(advances=True, tables=(TableChange(0, 1, 3, ()),))
    driver.step(advances=True)
    expect("table_too_short", driver, advances=True)


def test_tables_fit_the_layout() -> None:
    driver = Driver("mixed")
    admission = driver.admission(0, make_request())
    expect("table_too_short", driver, added=(replaced(admission, tables=admission.tables[:2]),))
    for state in ((), (HOLE,), (3, 4)):
        driver = Driver("mixed")
        changed = replaced(admission, tables=(state, *admission.tables[1:]))
        expect("table_too_short", driver, StepEntry(0, 0, 10, True), added=(changed,))


def test_a_draft_needs_slots() -> None:
    driver = Driver("paged")
    driver.prefill(driver.admission(0, make_request(), ((0, 1, 2),)))
    draft = Draft((1, 2), (-1, 0))
    expect("table_too_short", driver, StepEntry(0, 10, 1, True, draft=draft))


def test_a_table_changes_without_gaps() -> None:
    for first in (-1, 9):
        driver, _ = standing("paged")
        expect("table_gap", driver, tables=(TableChange(0, 0, first, (1,)),))


def test_a_change_of_table_names_a_group() -> None:
    for group in (-1, 3):
        driver, _ = standing()
        expect("block_unknown", driver, tables=(TableChange(0, group, 0, (1,)),))


@pytest.mark.parametrize("block", [-2, 96])
def test_blocks_must_exist(block: int) -> None:
    driver = Driver("paged")
    admission = driver.admission(0, make_request(), ((0, block, 2),))
    expect("block_unknown", driver, StepEntry(0, 0, 10, True), added=(admission,))
    expect("block_unknown", Driver("paged"), copies=(BlockCopy(0, 1, block),))
    expect("block_unknown", Driver("paged"), copies=(BlockCopy(0, block, 1),))
    expect("block_unknown", Driver("paged"), copies=(BlockCopy(1, 0, 1),))


@pytest.mark.parametrize("layout", ["paged", "recurrent"])
def test_no_slot_has_two_writers(layout: str) -> None:
    driver, admission = standing(layout)
    text = driver.step(advances=True).tokens[0]
    known = (text, text)
    thief = driver.admission(1, make_request(), admission.tables, known, computed=11)
    expect("write_shared", driver, StepEntry(1, 11, 1, True), advances=True, added=(thief,))


def test_a_table_does_not_name_a_block_twice() -> None:
    driver = Driver("paged")
    admission = driver.admission(0, make_request(), ((0, 1, 0),))
    expect("write_shared", driver, StepEntry(0, 0, 10, True), added=(admission,))


def test_two_copies_have_two_targets() -> None:
    copies = (BlockCopy(0, 1, 3), BlockCopy(0, 2, 3))
    expect("write_shared", Driver("paged"), copies=copies)


def test_draft_states_do_not_overlap_the_live_one() -> None:
    driver = Driver("recurrent")
    admission = driver.admission(0, make_request())
    driver.prefill(admission)
    draft = Draft((1,), (-1,), admission.tables)
    expect("write_shared", driver, StepEntry(0, 10, 1, True, draft=draft))


def test_media_must_be_encoded() -> None:
    driver = Driver("encoder")
    admission = driver.admission(0, make_request(media=PICTURES))
    for table in ((), (0, HOLE, 2), (0, 1)):
        changed = replaced(admission, tables=(table, admission.tables[1]))
        expect("encoder_missing", Driver("encoder"), StepEntry(0, 0, 8, False), added=(changed,))


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("encoder_missing", EncodeEntry(0, 1, 0, (0, 1))),
        ("encoder_missing", EncodeEntry(0, 0, 2, (0, 1))),
        ("encoder_missing", EncodeEntry(0, 0, -1, (0, 1))),
        ("table_too_short", EncodeEntry(0, 0, 0, (0,))),
        ("write_shared", EncodeEntry(0, 0, 0, (0, 0))),
    ],
)
def test_an_encoding_names_an_item_and_its_blocks(name: str, entry: EncodeEntry) -> None:
    driver = Driver("encoder")
    admission = driver.admission(0, make_request(media=PICTURES))
    with pytest.raises(InvariantViolation) as caught:
        driver.device.execute(Step(0, 0, 5, (), (), (admission,), (), (), (entry,), False, ()))
    assert caught.value.name == name


@pytest.mark.parametrize(
    ("layout", "draft"),
    [
        ("paged", Draft((), ())),
        ("paged", Draft((1, 2), (-1,))),
        ("paged", Draft((1, 2), (-1, 1))),
        ("paged", Draft((1, 2), (1, -1))),
        ("paged", Draft((1,), (-2,))),
        ("mixed", Draft((1,), (-1,))),
        ("mixed", Draft((1,), (-1,), ((), (), ()))),
        ("mixed", Draft((1,), (-1,), ((3, 4), (), ()))),
    ],
)
def test_drafts_are_trees_with_room_for_their_states(layout: str, draft: Draft) -> None:
    driver = Driver(layout)
    driver.prefill(driver.admission(0, make_request()))
    expect("draft_malformed", driver, StepEntry(0, 10, 1, True, draft=draft))


def test_block_counts_name_groups_of_the_layout() -> None:
    with pytest.raises(ConfigurationError, match="windwo"):
        FakeDevice(Driver("windowed").spec, {"full": 3, "windwo": 3})


def test_a_group_left_out_has_no_blocks() -> None:
    device = FakeDevice(Driver("paged").spec, {})
    with pytest.raises(InvariantViolation) as caught:
        device.execute(Step(0, 0, 0, (), (), (), (), (BlockCopy(0, 0, 0),), (), False, ()))
    assert caught.value.name == "block_unknown"
