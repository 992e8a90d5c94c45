"""The stages of one request, and how a stretch of time divides into them."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple


class Stage(StrEnum):
    """In the order in which a request meets them."""

    CONNECT = "connect"
    """From the client's first call until the server reads: connecting, sending, the kernel, the loop's waking up."""
    READ = "read"
    """HTTP, the gate, the route, the body."""
    VALIDATE = "validate"
    """The body against its schema."""
    TEMPLATE = "template"
    """The conversation as one text."""
    TOKENISE = "tokenise"
    """The text as tokens."""
    ADMIT = "admit"
    """From tokens to a request in the engine: parameters, limits, the door."""
    QUEUE = "queue"
    """In the engine, until its first step is handed to the executor."""
    SCHEDULE = "schedule"
    """The engine's own work: planning steps, taking in their results, telling who waits for them."""
    HAND_OVER = "hand over"
    """Another thread is to go on and has not begun: the tokenizer's, the model's, and back to the event loop."""
    BATCH = "batch"
    """A step around the model: tensors from rows, results from tensors."""
    PREFILL = "prefill"
    """The model, in steps up to the first token."""
    DECODE = "decode"
    """The model, in steps after it."""
    SAMPLE = "sample"
    """From logits to tokens, but for what a backend does of it in its steps."""
    TEXT = "text"
    """From tokens to characters; stop strings."""
    JSON = "JSON"
    """Answers and events."""
    WRITE = "write"
    """HTTP around them, and the kernel's `send`."""
    DELIVER = "deliver"
    """From the end of a write until the client has it: the kernel, and the client's waking up."""
    REST = "rest"
    """What no other accounts for: mostly tasks of the event loop that wait for their turn."""


MODEL = (Stage.PREFILL, Stage.DECODE)
WORK = (
    *(Stage.SAMPLE, *MODEL, Stage.BATCH, Stage.TEMPLATE, Stage.TOKENISE),
    *(Stage.TEXT, Stage.JSON, Stage.WRITE, Stage.SCHEDULE, Stage.VALIDATE),
)
WAITING = (Stage.HAND_OVER, Stage.QUEUE, Stage.ADMIT, Stage.READ, Stage.CONNECT, Stage.DELIVER)
PRECEDENCE = (*WORK, *WAITING)
"""Threads work beside each other, and a moment counts for one stage only: for the first of these that is under way.
What is inside comes before what is around it, the model's thread, which all later tokens wait for, before the event
loop, and work before waiting."""
AROUND = (Stage.BATCH,)
"""Has others within it, which do not hide it."""


class Span(NamedTuple):
    """Something that took time; seconds on a clock that all processes of a machine share."""

    name: str
    begin_s: float
    end_s: float


class Part(NamedTuple):
    """A stretch of a request's time. `stages_s` adds up to `whole_s`. `beside_s`: what stages did while another
    counted, at no cost to the client."""

    whole_s: float
    stages_s: Mapping[Stage, float]
    beside_s: Mapping[Stage, float]


def divide(spans: Sequence[Span], begin_s: float, end_s: float) -> Part:
    """The time between two moments, by stages, after which the spans are named."""
    changes = sorted(_changes(spans, begin_s, end_s))
    stages_s, busy_s = dict.fromkeys(Stage, 0.0), dict.fromkeys(WORK, 0.0)
    num_under_way = dict.fromkeys(PRECEDENCE, 0)
    last_s = begin_s
    for time_s, change, stage in [*changes, (end_s, 0, Stage.REST)]:
        under_way = [each for each in PRECEDENCE if num_under_way[each]]
        stages_s[under_way[0] if under_way else Stage.REST] += time_s - last_s
        for each in under_way:
            if each in busy_s:
                busy_s[each] += time_s - last_s
        if change:
            num_under_way[stage] += change
        last_s = time_s
    beside_s = {each: busy_s[each] - stages_s[each] for each in WORK if each not in AROUND}
    return Part(end_s - begin_s, stages_s, beside_s)


def _changes(spans: Sequence[Span], begin_s: float, end_s: float) -> list[tuple[float, int, Stage]]:
    found = []
    for span in spans:
        first_s, last_s = max(span.begin_s, begin_s), min(span.end_s, end_s)
        if first_s < last_s:
            found += [(first_s, 1, Stage(span.name)), (last_s, -1, Stage(span.name))]
    return found
