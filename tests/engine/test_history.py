"""One small history, event by event and step by step, as it was when somebody last looked at it.

Whatever changes these files changes what the engine does. To write them anew, from the repository's root:

    python -m tests.engine.test_history

and say in the commit which behaviour has changed.
"""

from pathlib import Path

from tests.engine.small_engine import SmallEngine, ask, words
from weft.contracts.events import PrefixLookup, RequestEnded, Status
from weft.contracts.record import replaced
from weft.contracts.steps import Step
from weft.observation.jsonl import read_events, to_json_line

GOLDEN = Path(__file__).parent / "golden"
EVENTS, STEPS = GOLDEN / "history.jsonl", GOLDEN / "steps.txt"

PREFIX = words("prefix", 8)
FIRST, LAST = ask("first", (*PREFIX, 1, 2), 16), ask("last", 10, 14)
SHARES, LEAVES = ask("shares", (*PREFIX, 3), 3), ask("leaves", 3, 9)


def history() -> SmallEngine:
    """Two steps in flight and nine blocks of four tokens. The first two requests arrive together; the third finds
    the first one's prompt cached; the fourth gives way while its first step is under way, and is cancelled; then
    blocks run out again, and the second gives way until the first has finished."""
    engine = SmallEngine(num_blocks=9, depth=2, max_step_tokens=16)
    engine.submit(FIRST, LAST)
    for moment in range(1, 6):
        while engine.plan() is not None:
            pass
        engine.finish()
        if moment == 2:
            engine.submit(SHARES, LEAVES)
        if moment == 5:
            engine.cancel("leaves")
    engine.run()
    return engine


def event_lines(engine: SmallEngine) -> list[str]:
    return [to_json_line(event) for event in engine.log.events()]


def step_line(step: Step) -> str:
    """A step with its requests by name."""
    added = [replaced(admission, request=admission.request.request_id) for admission in step.added]
    return repr(replaced(step, added=tuple(added)))


def step_lines(engine: SmallEngine) -> list[str]:
    return [step_line(step) for step in engine.steps]


def text(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def test_the_history_has_what_it_is_for() -> None:
    engine = history()
    engine.expect(FIRST, LAST, SHARES)
    assert engine.ends["leaves"].status is Status.CANCELLED
    assert (Status.PREEMPTED, "recompute") in engine.moves("last")
    found = {event.request_id: event.hit_tokens for event in engine.events(PrefixLookup)}
    assert found["shares"] == 8
    assert engine.moves("leaves")[1] == (Status.RUNNING, "admitted")
    assert len(engine.events(RequestEnded)) == 4


def test_every_event_is_as_it_was() -> None:
    assert text(event_lines(history())) == EVENTS.read_bytes()


def test_every_step_is_as_it_was() -> None:
    assert text(step_lines(history())) == STEPS.read_bytes()


def test_the_events_read_back_are_those_recorded() -> None:
    assert list(read_events(EVENTS)) == history().log.events()


def main() -> None:
    """Write the golden files anew."""
    engine = history()
    GOLDEN.mkdir(exist_ok=True)
    EVENTS.write_bytes(text(event_lines(engine)))
    STEPS.write_bytes(text(step_lines(engine)))
    print(f"wrote {EVENTS} and {STEPS}; say in the commit which behaviour has changed")


if __name__ == "__main__":
    main()
