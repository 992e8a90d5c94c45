"""What fails while a step is planned makes room for those that wait."""

from tests.engine.small_engine import SmallEngine, ask
from weft.contracts.events import Status
from weft.contracts.policies import DraftPolicy, SequenceView
from weft.contracts.steps import Draft
from weft.observation.faults import FailNth, armed


class NoDrafts(DraftPolicy):
    """Has no guess."""

    def observe(self, event: object) -> None:
        """Nothing is remembered."""

    def decide(self, sequence: SequenceView, tokens: object, now_s: float) -> Draft | None:
        return None


def test_who_waits_runs_where_all_that_was_planned_failed() -> None:
    """Prompts had been planned before those that decode, whose failure then left the step empty, and room."""
    engine = SmallEngine(num_blocks=6, budget="prefill_first", draft=NoDrafts)
    engine.submit(ask("fails", 16, 8))
    waits = ask("waits", 16, 8, n=2)
    engine.step()
    engine.submit(waits)
    with armed(FailNth("policy.draft", 1)):
        engine.run()
    assert engine.ends["fails"].status is Status.FAILED
    engine.expect(waits)


def test_a_request_fails_with_one_of_its_outputs_although_the_others_end_in_the_same_step() -> None:
    """It was said to be finished, because the last of them had."""
    calls = range(1, 12)
    for call in calls:
        engine, request = SmallEngine(), ask("several", 6, 4, n=3, temperature=1.0)
        engine.submit(request)
        with armed(FailNth("pool.publish", call)) as plan:
            engine.run()
        is_hit = bool(plan.injected)
        assert engine.ends["several"].status is (Status.FAILED if is_hit else Status.FINISHED)
    assert not is_hit
