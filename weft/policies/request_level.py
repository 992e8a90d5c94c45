"""Batches of whole requests: nobody joins until everybody has finished."""

from weft.contracts.policies import BudgetPolicy, EngineView, StepBudget


class RequestLevel(BudgetPolicy):
    """The baseline that iteration-level scheduling replaced (Yu et al., Orca, OSDI 2022, section 3.1).

    A batch is open while none of its requests has output; then it runs to the end of the longest.
    """

    def decide(self, view: EngineView, now_s: float) -> StepBudget:
        is_open = view.num_standing == 0 and all(s.num_output_tokens == 0 for s in view.running)
        return StepBudget(view.max_step_tokens, admit=is_open, chunk=False, mix=False)
