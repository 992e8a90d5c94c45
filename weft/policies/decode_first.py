"""Decoding first, prompts in chunks in what is left of the budget."""

from weft.contracts.policies import BudgetPolicy, EngineView, StepBudget


class DecodeFirst(BudgetPolicy):
    """No decode ever waits for a prompt (stall-free batching with chunked prefill: Agrawal et al.,
    Sarathi-Serve, OSDI 2024, section 4)."""

    def decide(self, view: EngineView, now_s: float) -> StepBudget:
        return StepBudget(view.max_step_tokens - view.num_standing, admit=True, chunk=True, mix=True)
