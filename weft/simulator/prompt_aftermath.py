"""What a simulated executor remembers of prompts: steps soon after one take longer."""

from weft.costs.serving_costs import ServingCosts
from weft.simulator.step_work import StepWork


class PromptAftermath:
    """Follows the steps of one executor, in their order."""

    def __init__(self, costs: ServingCosts) -> None:
        self._costs, self._settling_steps = costs, costs.settling_steps
        self._prompt_tokens, self._steps_after = 0, costs.settling_steps

    def begin(self, work: StepWork) -> float:
        """By how many seconds this step is longer because of prompts before it; it may have some of its own."""
        if not self._settling_steps or not work.num_tokens:
            return 0.0
        prompt_tokens = 0
        for num_tokens, _ in work.chunks:
            prompt_tokens += num_tokens if num_tokens > 1 else 0
        if prompt_tokens:
            self._prompt_tokens, self._steps_after = prompt_tokens, 0
            return 0.0
        self._steps_after += 1
        return self._seconds(self._steps_after - 1, work.num_tokens)

    def add_to(self, planned_s: list[float], num_decodes: int) -> None:
        """To what the next steps take, which do nothing but decode; none of them has begun."""
        for index in range(min(len(planned_s), self._settling_steps - self._steps_after)):
            planned_s[index] += self._seconds(self._steps_after + index, num_decodes)

    def skip(self, num_steps: int) -> None:
        """So many that only decode have begun."""
        self._steps_after += num_steps

    def _seconds(self, steps_after: int, num_decodes: int) -> float:
        if steps_after >= self._settling_steps:
            return 0.0
        return self._costs.settling_seconds(steps_after, self._prompt_tokens, num_decodes)
