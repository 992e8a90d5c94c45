"""Recorded steps, one by one, as the cost model has them."""

from weft.measurement.validation.recorded_run import RecordedRun, RecordedStep
from weft.simulator.deployment import Deployment


def predict_steps(run: RecordedRun, deployment: Deployment) -> list[float]:
    """Seconds of each step, the host's part included."""
    return [step_seconds(step, deployment) for step in run.steps]


def step_seconds(step: RecordedStep, deployment: Deployment) -> float:
    """What is recorded of a step are sums: its prompts are taken to be equally long and without context of their own
    where other sequences decode, and its decodes to see equally much."""
    decodes, prefills = step.decode_sequences, step.prefill_sequences
    context_tokens = step.context_tokens - step.prefill_tokens
    visible = [
        min(context_tokens, decodes * window) if window is not None else context_tokens
        for window in deployment.windows_tokens
    ]
    return deployment.costs.seconds(
        step.prefill_tokens + decodes,
        decodes + prefills,
        decodes,
        visible if decodes else [0] * len(visible),
        _chunks(step, 0 if decodes else context_tokens),
    )


def _chunks(step: RecordedStep, context_tokens: int) -> list[tuple[int, int]]:
    """Prompts of nearly equal length, with equal shares of the context before them."""
    number = step.prefill_sequences
    if not number:
        return []
    each, more = divmod(step.prefill_tokens, number)
    return [(each + (index < more), context_tokens // number) for index in range(number)]
