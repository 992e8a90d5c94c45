"""A request's timeline in plain lines."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from weft.contracts.events import Status
from weft.observation.timeline import ComputedStep, RequestTimeline, Span, TokenTime


class _Line(NamedTuple):
    """Something said of a moment (`to_s` is `from_s`), of a time, or of the time to the log's end (None)."""

    from_s: float
    to_s: float | None
    text: str


def explain(story: RequestTimeline) -> str:
    """One line for each thing that happened, in order of time, in seconds since the request's arrival.

    Where the arrival is not in the log, times count from the beginning of what is known of the request.
    """
    lines = sorted(_lines(story), key=lambda line: line.from_s)
    title = f"request {story.request_id!r}"
    if story.arrival is None:
        title += ": the log begins after its arrival; what came before is missing"
    origin_s = story.arrival.time_s if story.arrival else min((line.from_s for line in lines), default=0.0)
    texts = [title, *(f"{_time(line, origin_s)} {line.text}" for line in lines)]
    # Reasons may quote what a client sent: it must not add lines or steer a terminal.
    return "\n".join(
        "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
        for text in texts
    )


def _time(line: _Line, origin_s: float) -> str:
    begin = f"{line.from_s - origin_s:.3f}"
    if line.to_s is None:
        return f"{begin} s to the end of the log:"
    return f"{begin} s" if line.to_s == line.from_s else f"{begin}–{line.to_s - origin_s:.3f} s"


def _lines(story: RequestTimeline) -> Iterator[_Line]:
    has_several = len(dict.fromkeys(span.sequence_number for span in story.spans)) > 1
    if story.arrival is not None:
        limits = (
            f"{story.arrival.prompt_tokens} prompt tokens, at most {story.arrival.max_tokens} output tokens"
        )
        yield _moment(story.arrival.time_s, f"arrived: {limits}, tenant {story.arrival.tenant!r}")
    yield from _span_lines(story, has_several)
    for lookup in story.prefix_lookups:
        found = f"{lookup.hit_tokens} of {lookup.queried_tokens} tokens found"
        yield _moment(lookup.time_s, f"{_who(lookup.sequence_number, has_several)}prefix cache: {found}")
    for moved in story.transfers:
        outcome = "" if moved.error is None else f", failed: {moved.error}"
        what = f"{moved.kind.value} of {_count(moved.num_blocks, 'block')}{outcome}"
        yield _Line(moved.from_s, moved.to_s, _who(moved.sequence_number, has_several) + what)
    yield from _end_lines(story, has_several)


def _end_lines(story: RequestTimeline, has_several: bool) -> Iterator[_Line]:
    if story.first_token is not None:
        yield _moment(story.first_token.time_s, "first token")
    if story.drafts:
        accepted = sum(draft.num_accepted for draft in story.drafts)
        drafted = sum(draft.num_drafted for draft in story.drafts)
        yield _moment(story.drafts[-1].time_s, f"drafts: {accepted} of {drafted} drafted tokens were right")
    if has_several or story.end is None:
        for last in story.ends:
            text = f"{last.after.value}: {last.reason}"
            yield _moment(last.time_s, _who(last.sequence_number, has_several) + text)
    if story.end is not None:
        output = _count(story.end.output_tokens, "output token")
        yield _moment(story.end.time_s, f"{story.end.status.value}: {story.end.reason} ({output})")


def _span_lines(story: RequestTimeline, has_several: bool) -> Iterator[_Line]:
    steps = Counter(_home(step, story.spans) for step in story.steps)
    tokens = Counter(_home(token, story.spans) for token in story.token_times)
    for index, span in enumerate(story.spans):
        who = _who(span.sequence_number, has_several) + span.status.value
        done = f" ({_count(steps[index], 'step')}, {_count(tokens[index], 'token')})" if steps[index] else ""
        if not span.waits or span.waits[0].from_s > span.from_s:
            end_s = span.waits[0].from_s if span.waits else span.to_s
            yield _Line(span.from_s, end_s, f"{who}: {span.reason}{done}")
            done = ""
        for wait in span.waits:
            yield _Line(wait.from_s, wait.to_s, f"{who}: {wait.reason}{done}")
            done = ""


def _home(event: ComputedStep | TokenTime, spans: Iterable[Span]) -> int | None:
    """Index of the span that an event counts in: the running one, where several meet at its time."""
    around = [
        (span.status is not Status.RUNNING, index)
        for index, span in enumerate(spans)
        if span.sequence_number == event.sequence_number
        and span.from_s <= event.time_s
        and (span.to_s is None or event.time_s <= span.to_s)
    ]
    return min(around)[1] if around else None


def _moment(time_s: float, text: str) -> _Line:
    return _Line(time_s, time_s, text)


def _who(sequence_number: int, has_several: bool) -> str:
    return f"sequence {sequence_number} " if has_several else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
