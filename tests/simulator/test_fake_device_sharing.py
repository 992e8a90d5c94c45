"""State that sequences share, hand on, copy or give up."""

import pytest

from tests.simulator.fake_driver import BLOCK_TOKENS, Driver, make_request
from weft.contracts.prompts import MediaItem
from weft.contracts.record import replaced
from weft.contracts.steps import HOLE, BlockCopy, StepEntry, TableChange
from weft.simulator.fake_reference import reference_output

PICTURES = (MediaItem(b"cat", 1, 5), MediaItem(b"dog", 7, 2))


@pytest.mark.parametrize("layout", ["paged", "windowed", "only windows"])
def test_blocks_of_a_prefix_are_shared(layout: str) -> None:
    driver = Driver(layout)
    first = make_request("a", prompt=tuple(range(10)))
    second = make_request("b", prompt=(*range(8), 50, 51, 52), tenant="other")
    lender = driver.admission(0, first)
    start = driver.prefill(lender, stands=True)
    own = driver.tables(second)
    tables = tuple(lent[:2] + fresh[2:] for lent, fresh in zip(lender.tables, own, strict=True))
    borrower = driver.admission(1, second, tables, computed=8)
    result = driver.step(StepEntry(1, 8, 3, True, True), added=(borrower,))
    texts = [[start.tokens[0]], [result.tokens[1]]]
    for _ in range(11):
        result = driver.step(advances=True)
        texts[0].append(result.tokens[0])
        texts[1].append(result.tokens[1])
    assert tuple(texts[0]) == reference_output(driver.spec, first)
    assert tuple(texts[1]) == reference_output(driver.spec, second)


def test_a_prefix_computed_in_the_same_step_can_be_shared() -> None:
    driver = Driver("windowed")
    request = make_request()
    lender = driver.admission(0, request)
    tables = tuple(
        lent[:2] + own[2:] for lent, own in zip(lender.tables, driver.tables(request), strict=True)
    )
    borrower = driver.admission(1, request, tables, computed=8)
    result = driver.step(StepEntry(0, 0, 10, True), StepEntry(1, 8, 2, True), added=(lender, borrower))
    assert result.tokens[0] == result.tokens[1] == reference_output(driver.spec, request)[0]


def test_blocks_that_left_the_window_can_be_given_up() -> None:
    driver = Driver("only windows")
    request = make_request(prompt=tuple(range(20)), max_tokens=20)
    admission = driver.admission(0, request)
    result = driver.prefill(admission, chunk=4, stands=True)
    text = [result.tokens[0]]
    while not driver.has_ended(0, result):
        computed = 19 + len(text)
        changes = []
        for group, window in ((0, 6), (1, 1)):
            gone = max(0, computed + 1 - window) // BLOCK_TOKENS
            changes.append(TableChange(0, group, 0, (HOLE,) * gone + admission.tables[group][gone:]))
        result = driver.step(advances=True, tables=tuple(changes))
        text.append(result.tokens[0])
    assert tuple(text) == reference_output(driver.spec, request)


def test_a_table_can_grow_step_by_step() -> None:
    driver = Driver("windowed")
    request = make_request()
    held = driver.tables(request)
    admission = driver.admission(0, request, tuple(table[:3] for table in held))
    result = driver.prefill(admission, stands=True)
    text = [result.tokens[0]]
    for computed in range(10, 21):
        index = computed // BLOCK_TOKENS
        grows = computed % BLOCK_TOKENS == 0
        changes = [TableChange(0, group, index, (held[group][index],)) for group in (0, 1)] if grows else []
        text.append(driver.step(advances=True, tables=tuple(changes)).tokens[0])
    assert tuple(text) == reference_output(driver.spec, request)


def test_a_snapshot_of_recurrent_state_starts_another_sequence() -> None:
    driver = Driver("mixed")
    first, second = make_request("a"), make_request("b", prompt=(*range(8), 60))
    lender = driver.admission(0, first)
    (snapshot,) = driver.take(0, 1)
    driver.step(StepEntry(0, 0, 8, False), added=(lender,))
    copy_out = BlockCopy(0, lender.tables[0][0], snapshot)
    result = driver.step(StepEntry(0, 8, 2, True, True), copies=(copy_out,))
    assert driver.decode(0, result) == reference_output(driver.spec, first)
    own = driver.tables(second)
    tables = (own[0], *(lent[:2] + fresh[2:] for lent, fresh in zip(lender.tables[1:], own[1:], strict=True)))
    borrower = driver.admission(1, second, tables, computed=8)
    copy_in = BlockCopy(0, snapshot, own[0][0])
    parts = {"added": (borrower,), "copies": (copy_in,), "removed": (0,)}
    result = driver.step(StepEntry(1, 8, 1, True, True), **parts)
    assert driver.decode(1, result) == reference_output(driver.spec, second)


def test_a_shared_block_is_copied_before_it_is_written() -> None:
    driver = Driver("paged")
    request = make_request(temperature=1.0, n=2)
    parent = driver.admission(0, request)
    driver.prefill(parent, emits=False)
    (copy,) = driver.take(0, 1)
    # The last prompt token is computed anew by each sample, in a block of its own.
    driver.step(removed=(0,))
    child_table = (*parent.tables[0][:2], copy, *driver.take(0, 5))
    samples = (
        driver.admission(1, request, parent.tables, computed=9),
        driver.admission(2, request, (child_table,), computed=9, sample_index=1),
    )
    copies = (BlockCopy(0, parent.tables[0][2], copy),)
    entries = [StepEntry(row, 9, 1, True, True) for row in (1, 2)]
    result = driver.step(*entries, added=samples, copies=copies)
    texts = [[result.tokens[1]], [result.tokens[2]]]
    for _ in range(11):
        result = driver.step(advances=True)
        texts[0].append(result.tokens[1])
        texts[1].append(result.tokens[2])
    for index in range(2):
        assert tuple(texts[index]) == reference_output(driver.spec, request, index)


def test_media_items_are_encoded_when_due_and_given_up_after_use() -> None:
    driver = Driver("encoder")
    request = make_request(media=PICTURES)
    admission = driver.admission(0, request)
    cat, dog = driver.encodes(admission)
    hidden = replaced(admission, tables=((HOLE, HOLE, HOLE), admission.tables[1]))
    first = TableChange(0, 0, 0, (*cat.blocks, HOLE))
    driver.step(StepEntry(0, 0, 7, False), added=(hidden,), tables=(first,), encodes=(cat,))
    # The second picture takes a block of the first, which is no longer needed.
    reused = dog._replace(blocks=cat.blocks[:1])
    second = TableChange(0, 0, 0, (HOLE, HOLE, cat.blocks[0]))
    result = driver.step(StepEntry(0, 7, 3, True, True), tables=(second,), encodes=(reused,))
    assert driver.decode(0, result) == reference_output(driver.spec, request)


def test_an_encoder_output_is_shared_by_content() -> None:
    driver = Driver("encoder")
    first = make_request("a", media=PICTURES[:1])
    second = make_request("b", prompt=(9, 8, *range(7)), media=(MediaItem(b"cat", 2, 5),))
    lender = driver.admission(0, first)
    driver.prefill(lender)
    own = driver.tables(second)
    borrower = driver.admission(1, second, (lender.tables[0], own[1]))
    result = driver.step(StepEntry(1, 0, 9, True, True), added=(borrower,))
    assert driver.decode(1, result) == reference_output(driver.spec, second)
