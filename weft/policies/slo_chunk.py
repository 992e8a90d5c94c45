"""Chunks of prompts as long as those who decode can bear."""

from typing import ClassVar

from weft.contracts.errors import ConfigurationError
from weft.contracts.events import Event, StepRecord
from weft.contracts.policies import BudgetPolicy, EngineView, StepBudget
from weft.policies.step_time import StepTime

LEAST_TOKENS = 16
"""Of prompts in a step, however late those who decode are: prompts must come to an end."""
LEAST_STEPS = 16
"""With prompts seen before anything is bounded."""


class SloChunk(BudgetPolicy):
    """As `decode_first`, but a step takes no longer than the strictest objective per output token among those that run:
    the budget of Agrawal et al., Sarathi-Serve, OSDI 2024, section 4.3, which is profiled there, is learned here from
    steps (see `StepTime`) and follows the requests' own objectives.

    `default_tpot_s`: the objective, in seconds, of requests that name none; 0: they have none.
    """

    observes: ClassVar[tuple[type, ...]] = (StepRecord,)

    def __init__(self, default_tpot_s: float = 0.0) -> None:
        if not default_tpot_s >= 0:
            raise ConfigurationError(f"slo_chunk: default_tpot_s is {default_tpot_s}; it must be 0 or more")
        self._default_tpot_s = default_tpot_s
        self._steps = StepTime()

    def observe(self, event: Event) -> None:
        assert isinstance(event, StepRecord)
        self._steps.observe(event)

    def decide(self, view: EngineView, now_s: float) -> StepBudget:
        most = view.max_step_tokens - view.num_standing
        objective_s = self._strictest_s(view) if view.num_standing else None
        if objective_s is not None and self._steps.num_prompt_steps >= LEAST_STEPS:
            within = self._steps.prompt_tokens_within(objective_s, view.num_standing)
            most = min(most, max(LEAST_TOKENS, int(within)))
        return StepBudget(most, admit=True, chunk=True, mix=True)

    def _strictest_s(self, view: EngineView) -> float | None:
        objectives_s = [
            self._default_tpot_s if (slo := each.request.slo) is None or slo.tpot_s is None else slo.tpot_s
            for each in view.running
        ]
        return min((each for each in objectives_s if each), default=None)
