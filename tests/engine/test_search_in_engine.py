"""Several outputs of one prompt, and beam search, on the engine's `fork` and `prune`."""

import pytest

from tests.engine.small_engine import SmallEngine, ask
from weft.contracts.events import PrefixLookup, Status
from weft.contracts.prompts import MediaItem
from weft.contracts.requests import Request
from weft.engine.forks import FORKED_BARE, FORKED_SHARING
from weft.engine.replica import Output
from weft.engine.scheduler import HELD_GAVE_WAY
from weft.simulator.fake_reference import reference_beams

LAYOUTS = ["paged", "windowed", "recurrent", "mixed", "everything"]


def expect_beams(engine: SmallEngine, *requests: Request) -> None:
    for request in requests:
        assert engine.ends[request.request_id].status is Status.FINISHED
        assert engine.text(request) == reference_beams(engine.spec, request)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("depth", [1, 2])
def test_samples_of_a_prompt_say_what_each_would_say_alone(layout: str, depth: int) -> None:
    media = (MediaItem(b"cat", 1, 3),) if layout == "everything" else ()
    engine = SmallEngine(layout, depth=depth)
    request = ask("a", 10, 6, n=3, temperature=1.0, media=media)
    engine.submit(request, ask("b", 7, 5))
    engine.run()
    engine.expect(request, ask("b", 7, 5))
    assert len(dict.fromkeys(engine.text(request, sample) for sample in range(3))) == 3


@pytest.mark.parametrize("sampling", [{"n": 3}, {"beam_width": 3}], ids=["samples", "beams"])
def test_what_an_encoder_made_is_shared_by_all_who_still_read_it(sampling: dict[str, int]) -> None:
    """The prompt ends in the middle of an item, so its last token is computed by each for itself."""
    engine = SmallEngine("encoder")
    parameters = {"n": 1, "beam_width": 1, **sampling}
    num_samples, beam_width = parameters["n"], parameters["beam_width"]
    request = ask("a", 10, 6, media=(MediaItem(b"cat", 4, 6),), n=num_samples, beam_width=beam_width)
    engine.submit(request)
    while engine.step() is not None:
        engine.check()
    if num_samples > 1:
        engine.expect(request)
    else:
        expect_beams(engine, request)
    assert sum(len(step.encodes) for step in engine.steps) == 1


def test_the_prompt_of_several_samples_is_computed_once() -> None:
    engine, request = SmallEngine(), ask("a", 30, 2, n=4, temperature=1.0)
    engine.submit(request)
    engine.run()
    engine.expect(request)
    work = [[entry.num_units for entry in step.entries] for step in engine.steps]
    assert work == [[29], [1, 1, 1, 1], []]
    assert [event.queried_tokens for event in engine.events(PrefixLookup)] == [29]


def test_more_samples_than_rows_take_turns() -> None:
    bare = FORKED_BARE.hits
    engine, request = SmallEngine(max_running=2), ask("a", 9, 4, n=5, temperature=1.0)
    engine.submit(request)
    engine.run()
    engine.expect(request)
    assert FORKED_BARE.hits == bare + 3


def test_a_fork_that_finds_room_in_some_groups_of_state_only_takes_none() -> None:
    """Here the paged group comes first and is shared, and then there is no block for the recurrent state."""
    bare = FORKED_BARE.hits
    sizes = {"full": 64, "encoder": 8, "state": 2, "window": 64}
    engine, request = SmallEngine("everything", sizes), ask("a", 9, 4, n=3, temperature=1.0)
    engine.submit(request)
    while engine.step() is not None:
        engine.check()
    engine.expect(request)
    assert FORKED_BARE.hits > bare


def test_samples_of_a_prompt_of_one_token_need_no_fork() -> None:
    shared = FORKED_SHARING.hits
    engine, request = SmallEngine(), ask("a", 1, 4, n=3, temperature=1.0)
    engine.submit(request)
    engine.run()
    engine.expect(request)
    assert FORKED_SHARING.hits == shared


def test_samples_are_streamed_each_by_its_number() -> None:
    engine, request = SmallEngine(), ask("a", 5, 3, n=2, temperature=1.0)
    engine.submit(request, stream=True)
    engine.step()
    engine.step()
    assert sorted((sample, len(text)) for (_, sample), text in engine.texts.items()) == [(0, 1), (1, 1)]
    engine.run()
    engine.expect(request)
    assert engine.ends["a"].output_tokens == 6


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("depth", [1, 2])
def test_a_beam_search_finds_what_the_reference_finds(layout: str, depth: int) -> None:
    engine = SmallEngine(layout, depth=depth)
    searches = [ask("a", 6, 7, beam_width=2), ask("b", 9, 6, beam_width=4)]
    engine.submit(*searches, ask("c", 7, 5))
    engine.run()
    expect_beams(engine, *searches)
    engine.expect(ask("c", 7, 5))


@pytest.mark.parametrize("seed", range(4))
def test_a_beam_search_ends_by_stop_tokens_as_the_reference_does(seed: int) -> None:
    engine = SmallEngine(stop_bias=0.3)
    request = ask(f"a{seed}", 6, 9, beam_width=3, stop_token_ids=(1, 2, 3))
    engine.submit(request)
    engine.run()
    expect_beams(engine, request)


def test_a_beam_search_with_one_token_of_output_takes_the_likeliest() -> None:
    engine, request = SmallEngine(), ask("a", 5, 1, beam_width=3)
    engine.submit(request)
    engine.run()
    expect_beams(engine, request)
    assert engine.text(request) == reference_beams(engine.spec, ask("a", 5, 1, beam_width=2))


def test_beams_share_the_blocks_of_what_they_have_in_common() -> None:
    engine, request = SmallEngine(), ask("a", 20, 8, beam_width=4)
    engine.submit(request)
    most = 0
    while engine.step() is not None:
        most = max(most, engine.pool().num_held)
    expect_beams(engine, request)
    assert most <= 5 + 4 * 3


@pytest.mark.parametrize(("max_running", "num_blocks"), [(2, 64), (8, 12)], ids=["rows", "blocks"])
def test_beams_that_do_not_fit_together_give_way_to_each_other(max_running: int, num_blocks: int) -> None:
    gave_way = HELD_GAVE_WAY.hits
    engine = SmallEngine(num_blocks=num_blocks, max_running=max_running)
    request = ask("a", 14, 8, beam_width=5)
    engine.submit(request)
    engine.run()
    expect_beams(engine, request)
    assert HELD_GAVE_WAY.hits > gave_way


def test_of_a_search_only_the_output_is_told_even_as_a_stream() -> None:
    engine, request = SmallEngine(), ask("a", 5, 4, beam_width=2)
    engine.engine.submit(request, 0.0, stream=True)
    told: list[Output] = []
    while (step := engine.engine.schedule(0.0)) is not None:
        engine.engine.update(engine.device.execute(step), 0.0)
        told += engine.engine.take_outputs()
    text = reference_beams(engine.spec, request)
    assert told == [Output("a", 0, text, Status.FINISHED, "length")]
    assert engine.ends["a"].output_tokens == len(text)


@pytest.mark.parametrize("steps", range(5))
@pytest.mark.parametrize(
    "request_",
    [ask("a", 9, 8, n=3, temperature=1.0), ask("a", 9, 8, beam_width=3)],
    ids=["samples", "beams"],
)
def test_a_search_can_be_cancelled_at_any_moment(steps: int, request_: Request) -> None:
    engine = SmallEngine(depth=2)
    engine.submit(request_, ask("b", 4, 9))
    for _ in range(steps):
        engine.plan()
        engine.plan()
        engine.finish()
    assert engine.cancel("a")
    engine.check()
    engine.run()
    engine.expect(ask("b", 4, 9))
    assert engine.ends["a"].status is Status.CANCELLED
