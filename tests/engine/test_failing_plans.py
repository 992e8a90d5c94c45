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
