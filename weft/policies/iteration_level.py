"""Requests join and leave between steps; prompts are computed whole, beside those that decode."""

from weft.contracts.policies import BudgetPolicy, EngineView, StepBudget


class IterationLevel(BudgetPolicy):
    """Iteration-level scheduling with selective batching (Yu et al., Orca, OSDI 2022, section 3)."""

    def decide(self, view: EngineView, now_s: float) -> StepBudget:
        return StepBudget(view.max_step_tokens - view.num_standing, admit=True, chunk=False, mix=True)
