"""Prompts first, whole; decoding waits."""

from weft.contracts.policies import BudgetPolicy, EngineView, StepBudget


class PrefillFirst(BudgetPolicy):
    """New prompts are computed as soon as there is room for them, in steps of their own (iteration-level
    batching as in vLLM before chunked prefill: Kwon et al., SOSP 2023, section 4.5)."""

    def decide(self, view: EngineView, now_s: float) -> StepBudget:
        return StepBudget(view.max_step_tokens, admit=True, chunk=False, mix=False)
