"""Outputs of a media encoder: made when first needed, shared by content, given back when used."""

import pytest

from tests.engine.small_engine import SmallEngine, ask, words
from weft.contracts.errors import RequestRejected
from weft.contracts.events import Status
from weft.contracts.prompts import MediaItem
from weft.contracts.requests import Request
from weft.contracts.state import EncoderGroup, PagedGroup, StateLayout
from weft.contracts.steps import EncodeEntry, Step

ENCODER = 0
CAT = MediaItem(b"cat", 1, 5)


def encodes(engine: SmallEngine) -> list[EncodeEntry]:
    return [encode for step in engine.steps for encode in step.encodes]


def planned(engine: SmallEngine) -> Step:
    step = engine.plan()
    assert step is not None
    return step


def test_an_item_is_encoded_in_the_step_that_reads_it_and_its_blocks_come_back() -> None:
    engine, request = SmallEngine("encoder"), ask("a", 8, 4, media=(CAT,))
    engine.submit(request)
    step = planned(engine)
    (encode,) = step.encodes
    assert (encode.item, encode.group, len(encode.blocks)) == (0, ENCODER, 2)
    assert step.num_tokens == 8 + 5
    assert engine.pool(ENCODER).num_held == 2
    engine.finish()
    engine.step()
    assert engine.pool(ENCODER).num_held == 0
    engine.run()
    engine.expect(request)
    assert len(encodes(engine)) == 1


def test_an_item_known_by_content_is_not_encoded_again() -> None:
    engine = SmallEngine("encoder")
    first = ask("a", 9, media=(CAT,))
    second = ask("b", 12, media=(MediaItem(b"cat", 4, 5),))
    for request in (first, second):
        engine.submit(request)
        engine.run()
    engine.expect(first, second)
    (encode,) = encodes(engine)
    (admission,) = [admission for step in engine.steps[1:] for admission in step.added]
    assert admission.tables[ENCODER] == encode.blocks


@pytest.mark.parametrize(
    "other",
    [
        ask("b", 9, media=(MediaItem(b"dog", 1, 5),)),
        ask("b", 9, media=(MediaItem(b"cat", 1, 4),)),
        ask("b", 9, media=(CAT,), tenant="other"),
        ask("b", 9, media=(CAT,), adapter="poet"),
    ],
    ids=["content", "size", "tenant", "adapter"],
)
def test_what_differs_is_encoded_for_itself(other: Request) -> None:
    engine = SmallEngine("encoder")
    for request in (ask("a", 9, media=(CAT,)), other):
        engine.submit(request)
        engine.run()
    assert len(encodes(engine)) == 2


def test_a_prompt_whose_prefix_is_cached_beyond_an_item_needs_no_encoder() -> None:
    engine, text = SmallEngine("encoder"), words("text", 9)
    requests = [ask(name, (*text, last), media=(CAT,)) for name, last in (("a", 1), ("b", 2))]
    for request in requests:
        engine.submit(request)
        engine.run()
    engine.expect(*requests)
    assert len(encodes(engine)) == 1
    assert engine.steps[-4].entries[0].start == 8


def test_a_chunk_ends_before_an_item_that_does_not_fit_the_step_with_it() -> None:
    engine = SmallEngine("encoder", max_step_tokens=10)
    request = ask("a", 14, 2, media=(MediaItem(b"cat", 5, 7),))
    engine.submit(request)
    engine.run()
    engine.expect(request)
    chunks = [
        (entry.start, entry.num_units, len(step.encodes)) for step in engine.steps for entry in step.entries
    ]
    assert chunks == [(0, 5, 0), (5, 3, 1), (8, 6, 0)]
    assert max(step.num_tokens for step in engine.steps) == 10


def test_items_of_a_prompt_are_encoded_in_the_steps_that_read_them() -> None:
    engine = SmallEngine("encoder", {"encoder": 4, "full": 64}, max_step_tokens=16)
    request = ask("a", 20, 2, media=(MediaItem(b"cat", 0, 8), MediaItem(b"dog", 10, 8)))
    engine.submit(request)
    engine.run()
    engine.expect(request)
    assert [(step.number, encode.item) for step in engine.steps for encode in step.encodes] == [
        (0, 0),
        (1, 1),
    ]


def test_one_that_lost_its_place_in_the_middle_of_an_item_goes_on_there_from_the_cached_output() -> None:
    engine = SmallEngine("encoder", {"encoder": 8, "full": 7}, max_step_tokens=16)
    first, second = ask("a", 6, 14), ask("b", 16, 2, media=(MediaItem(b"cat", 1, 12),))
    engine.submit(first)
    engine.step()
    engine.submit(second)
    engine.run()
    engine.expect(first, second)
    assert (Status.PREEMPTED, "recompute") in engine.moves("b")
    assert [entry for step in engine.steps for entry in step.entries][-1].start == 8
    assert len(encodes(engine)) == 1


def test_a_step_stays_within_its_budget_where_encoding_evicts_another_item() -> None:
    engine = SmallEngine("encoder", {"encoder": 4, "full": 64}, max_step_tokens=22)
    for name in ("older", "newer"):
        engine.submit(ask(name, 9, 2, media=(MediaItem(name.encode(), 0, 8),)))
        engine.run()
    request = ask("a", 17, 2, media=(MediaItem(b"unseen", 0, 5), MediaItem(b"older", 5, 8)))
    engine.submit(request)
    engine.run()
    engine.expect(request)


def test_of_two_items_in_a_later_chunk_the_first_may_be_new_and_the_second_known() -> None:
    """A change replaces a table *from its index on*, so changes must come in the order of the table."""
    engine = SmallEngine("encoder", max_step_tokens=16)
    first = ask("a", 6, media=(MediaItem(b"dog", 0, 5),))
    second = ask("b", 24, media=(MediaItem(b"cat", 12, 5), MediaItem(b"dog", 18, 5)))
    for request in (first, second):
        engine.submit(request)
        engine.run()
    engine.expect(first, second)


def test_an_item_that_two_encoders_read_must_fit_a_step_with_both() -> None:
    layout = StateLayout((EncoderGroup("eyes", 8), EncoderGroup("ears", 8), PagedGroup("full", 8)), 4)
    fits, too_large = (
        ask(name, 9, media=(MediaItem(b"cat", 1, size),)) for name, size in (("a", 3), ("b", 4))
    )
    engine = SmallEngine(layout, max_step_tokens=8)
    engine.submit(fits)
    engine.run()
    engine.expect(fits)
    with pytest.raises(RequestRejected, match="does not fit a step"):
        engine.submit(too_large)
