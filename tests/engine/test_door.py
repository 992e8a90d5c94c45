"""Who is let in, and what those hear who are not."""

import re
from typing import Any

import pytest

from tests.engine.small_engine import SmallEngine, ask
from weft.contracts.errors import InvalidRequest, RequestRejected
from weft.contracts.events import RequestArrived, RequestEnded, Status, Transition
from weft.contracts.prompts import MediaItem


def refusal(engine: SmallEngine, *args: Any, **more: Any) -> RequestRejected:
    with pytest.raises(RequestRejected) as caught:
        engine.submit(ask(*args, **more))
    return caught.value


def test_what_could_never_fit_is_refused_with_both_numbers_and_what_to_do() -> None:
    engine = SmallEngine(num_blocks=4)
    error = refusal(engine, "a", 10, 8)
    assert error.reason == (
        "prompt and output of up to 18 tokens need 5 blocks of state 'full', and there are 4 of 4 tokens; "
        "shorten the prompt or lower max_tokens"
    )
    assert error.retry_after_s is None
    fits = ask("b", 10, 6)
    engine.submit(fits)
    engine.run()
    engine.expect(fits)


@pytest.mark.parametrize(
    ("layout", "num_blocks", "group", "needed"),
    [
        ("windowed", {"full": 64, "window": 3}, "window", 4),
        ("encoder", {"encoder": 2, "full": 64}, "encoder", 3),
    ],
)
def test_every_group_of_state_must_have_room(
    layout: str, num_blocks: dict[str, int], group: str, needed: int
) -> None:
    engine = SmallEngine(layout, num_blocks)
    media = (MediaItem(b"cat", 0, 9),) if layout == "encoder" else ()
    error = refusal(engine, "a", 10, 5, media=media)
    assert f"need {needed} blocks of state {group!r}, and there are {needed - 1}" in error.reason


def test_media_need_a_model_that_can_see() -> None:
    error = refusal(SmallEngine(), "a", media=(MediaItem(b"cat", 0, 2),))
    assert error.reason == "it carries media and the model has no encoder; send text only"


@pytest.mark.parametrize(("num_tokens", "fits"), [(9, True), (10, False)])
def test_a_media_item_must_leave_room_for_a_token_in_its_step(num_tokens: int, fits: bool) -> None:
    engine = SmallEngine("encoder", max_step_tokens=10)
    request = ask("a", 12, media=(MediaItem(b"cat", 1, num_tokens),))
    if fits:
        engine.submit(request)
        engine.run()
        engine.expect(request)
        return
    reason = (
        "encoding a media item takes 10 tokens and does not fit a step of max_step_tokens (10); send it smaller, "
        "or raise max_step_tokens"
    )
    with pytest.raises(RequestRejected, match=re.escape(reason)):
        engine.submit(request)


def test_a_rejection_is_recorded_like_any_other_end() -> None:
    engine = SmallEngine(num_blocks=1)
    reason = refusal(engine, "a", 8, 4).reason
    assert engine.events(RequestArrived, Transition, RequestEnded) == [
        RequestArrived(0.0, "a", "default", 8, 4),
        Transition(0.0, "a", 0, None, Status.REJECTED, reason),
        RequestEnded(0.0, "a", Status.REJECTED, reason, 0),
    ]
    assert engine.engine.live_requests() == []
    engine.check()


def full_queue(**config: Any) -> SmallEngine:
    """One runs, one waits, and no more than 40 tokens of work may."""
    engine = SmallEngine(max_running=1, max_queued_tokens=40, **config)
    engine.submit(ask("running", 8, 4))
    engine.plan()
    engine.submit(ask("waiting", 10, 10))
    return engine


def test_too_much_waiting_work_is_refused_by_what_it_amounts_to() -> None:
    engine = full_queue()
    error = refusal(engine, "late", 11, 10)
    assert error.reason == "about 20 tokens of work wait already, and 40 may; try again later"
    engine.submit(ask("small", 6, 5))
    engine.finish()
    engine.run()
    assert list(engine.ends) == ["late", "running", "waiting", "small"]


def test_a_short_newcomer_sees_what_those_before_it_may_emit() -> None:
    engine = full_queue()
    assert "about 20 tokens" in refusal(engine, "late", 20, 1).reason


def test_an_empty_queue_takes_any_request_that_fits_the_device() -> None:
    engine, large = SmallEngine(max_queued_tokens=1), ask("large", 100, 50)
    engine.submit(large)
    engine.run()
    engine.expect(large)


def test_several_outputs_count_as_so_much_work() -> None:
    engine = full_queue()
    engine.submit(ask("fits", 10, 3))
    assert "try again later" in refusal(engine, "samples", 10, 3, n=3).reason
    assert "try again later" in refusal(engine, "beams", 10, 3, beam_width=3).reason


def test_a_refusal_tells_when_to_come_back_once_speed_is_known() -> None:
    """One step of 8 tokens took a second, and 4 tokens too many wait."""
    engine = full_queue()
    assert refusal(engine, "early", 14, 10).retry_after_s is None
    engine.finish()
    assert refusal(engine, "late", 14, 10).retry_after_s == pytest.approx(4 / 8)


def test_the_speed_is_a_running_mean_that_follows_slowly() -> None:
    """After a step of 8 tokens in a second, one of a single token moves the mean by a twentieth of the way."""
    engine = full_queue()
    engine.finish()
    engine.plan()
    engine.finish()
    speed = 8 + 0.05 * (1 - 8)
    assert refusal(engine, "late", 14, 10).retry_after_s == pytest.approx(4 / speed)


def test_outputs_are_expected_to_be_as_long_as_those_seen() -> None:
    """Two hundred allowed tokens count as the two that requests have had so far."""
    engine = SmallEngine(max_running=1, max_queued_tokens=40)
    engine.submit(ask("seen", 8, 2))
    engine.run()
    engine.submit(ask("running", 8, 200), ask("waiting", 8, 200), ask("another", 8, 200))
    assert "about 30 tokens of work" in refusal(engine, "late", 30, 200).reason


def test_the_expected_length_is_a_running_mean_that_follows_slowly() -> None:
    """Two tokens at first, then ten: 2.4 are expected of the one that waits, beside its 8 of prompt."""
    engine = SmallEngine(max_queued_tokens=40)
    for name, output in (("a", 2), ("b", 10)):
        engine.submit(ask(name, 8, output))
        engine.run()
    engine.submit(ask("waiting", 8, 200))
    assert "about 10 tokens of work" in refusal(engine, "late", 35, 200).reason


def test_an_id_names_one_live_request_at_a_time() -> None:
    engine = SmallEngine()
    engine.submit(ask("a"))
    with pytest.raises(InvalidRequest, match="request id 'a' is in use; give each request its own"):
        engine.submit(ask("a", 3))
    assert len(engine.events(RequestArrived)) == 1
    engine.run()
    engine.expect(ask("a"))


def test_a_rejected_request_may_come_back_under_its_id() -> None:
    """`retry_after_s` says when *the same request* would be let in."""
    engine = full_queue()
    late = ask("late", 11, 10)
    with pytest.raises(RequestRejected):
        engine.submit(late)
    engine.finish()
    engine.run()
    engine.submit(late)
    engine.run()
    engine.expect(late)
