"""The best of several outputs: the protocol's `best_of`."""

from collections.abc import Sequence
from dataclasses import replace
from math import inf

from weft.llm.results import CompletionOutput


def best_outputs(outputs: Sequence[CompletionOutput], drawn: int, kept: int) -> list[CompletionOutput]:
    """Of each prompt's `drawn` outputs those `kept` with the highest mean log-probability of their tokens, best first.

    `outputs`: prompt by prompt, with log-probabilities. They are numbered anew.
    """
    found: list[CompletionOutput] = []
    for first in range(0, len(outputs), drawn):
        ranked = sorted(outputs[first : first + drawn], key=_mean_logprob, reverse=True)
        found += ranked[:kept]
    return [replace(output, index=index) for index, output in enumerate(found)]


def _mean_logprob(output: CompletionOutput) -> float:
    if not output.logprobs:
        return -inf
    return sum(each.logprob for each in output.logprobs) / len(output.logprobs)
