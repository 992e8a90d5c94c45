"""What a client and its server saw of one request, as stages."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from weft.measurement.latency_stages import MODEL, Part, Span, Stage, divide


class Mark(StrEnum):
    """What is watched beside stages, because some of these lie between."""

    PROMPT = "prompt"
    """A conversation becomes tokens, in a thread."""
    SUBMIT = "submit"
    """A request is given to the engine."""
    LAUNCH = "launch"
    """A step is given to the executor."""
    RETURN = "return"
    """Its result is back on the event loop."""
    MODEL = "model"
    """`PREFILL` or `DECODE`: only the trace as a whole tells which."""


class Trace(NamedTuple):
    """One request that was alone. `first_s`: when the client had the first event of a stream, which comes with the
    first token; None for an answer in one piece. `spans`: of the server, by `Stage` and `Mark`."""

    sent_s: float
    first_s: float | None
    ended_s: float
    spans: Sequence[Span]


class Breakdown(NamedTuple):
    """`first`: until the first token came; `after`: from then on. An answer in one piece is all `first`."""

    first: Part
    after: Part | None


def break_down(trace: Trace) -> Breakdown:
    """Raises ValueError where no step of the model was seen."""
    early, late = _staged(trace)
    if trace.first_s is None:
        return Breakdown(divide([*early, *late], trace.sent_s, trace.ended_s), None)
    # Steps of later tokens begin while the first is on its way, but it does not wait for them.
    first = divide(early, trace.sent_s, trace.first_s)
    return Breakdown(first, divide([*early, *late], trace.first_s, trace.ended_s))


def _staged(trace: Trace) -> tuple[list[Span], list[Span]]:
    """What led to the first token, with all that the event loop did; what the model's thread did for later ones."""
    prompt_ends_s = _prompt_ends_s(trace.spans)
    early, late = [*_ways(trace)], list[Span]()
    for span in trace.spans:
        is_late = span.begin_s >= prompt_ends_s and span.name in (Mark.MODEL, Stage.BATCH, Stage.SAMPLE)
        if span.name == Mark.MODEL:
            span = span._replace(name=MODEL[is_late])
        if span.name in tuple(Stage):
            (late if is_late else early).append(span)
    steps = list(_steps(trace.spans))
    num_early = sum(span.end_s <= prompt_ends_s for span in _named(trace.spans, Stage.BATCH))
    return early + steps[:num_early], late + steps[num_early:]


def _prompt_ends_s(spans: Sequence[Span]) -> float:
    """The end of the step that gave the first token: the first one in which a token was sampled."""
    samples, steps = _named(spans, Stage.SAMPLE), _named(spans, Stage.BATCH)
    ends_s = [step.end_s for step in steps if samples and step.end_s >= samples[0].end_s]
    if not ends_s:
        raise ValueError("no step of the model was seen")
    return ends_s[0]


def _steps(spans: Sequence[Span]) -> Iterator[Span]:
    """Each step from where it is given away until it is back; what is not the model's thread in it is waiting."""
    for launch, back in zip(_named(spans, Mark.LAUNCH), _named(spans, Mark.RETURN), strict=False):
        yield Span(Stage.HAND_OVER, launch.begin_s, back.begin_s)


def _ways(trace: Trace) -> Iterator[Span]:
    """What lies between what was watched; where one end was not seen, that stage is part of the rest."""
    reads, checks, prompts, submits, launches = (
        _named(trace.spans, name)
        for name in (Stage.READ, Stage.VALIDATE, Mark.PROMPT, Mark.SUBMIT, Mark.LAUNCH)
    )
    for read in reads[:1]:
        yield Span(Stage.CONNECT, trace.sent_s, read.begin_s)
        yield from (Span(Stage.READ, read.begin_s, check.begin_s) for check in checks[:1])
    for prompt in prompts[:1]:
        yield Span(Stage.HAND_OVER, prompt.begin_s, prompt.end_s)
        yield from (Span(Stage.ADMIT, prompt.end_s, submit.end_s) for submit in submits[:1])
    for submit in submits[:1]:
        yield from (Span(Stage.QUEUE, submit.end_s, launch.begin_s) for launch in launches[:1])
    writes = _named(trace.spans, Stage.WRITE)
    for arrived_s in (trace.first_s, trace.ended_s):
        written_s = [write.end_s for write in writes if arrived_s is not None and write.begin_s < arrived_s]
        if arrived_s is not None and written_s:
            yield Span(Stage.DELIVER, written_s[-1], arrived_s)


def _named(spans: Sequence[Span], name: str) -> list[Span]:
    """In the order in which they began."""
    return sorted((span for span in spans if span.name == name), key=lambda span: span.begin_s)
