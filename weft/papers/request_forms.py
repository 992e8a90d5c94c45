"""Closed forms of how long a request takes, by its tokens, with parameters from a few timed requests."""

from collections.abc import Callable, Sequence
from statistics import fmean
from typing import NamedTuple

from weft.papers.regressors import fit_linear

Form = Callable[[int, int], float]
"""(prompt tokens, output tokens) to seconds."""

LEAST_PENALTY = 1e-12
"""As good as none; it keeps the equations regular."""


class Timed(NamedTuple):
    """A request and how long it took, from its arrival to its last token."""

    prompt_tokens: int
    output_tokens: int
    seconds: float


def idealized_form(timed: Sequence[Timed]) -> Form:
    """T(p, o) = prompt(p) + (o - 1) s (Narayanan et al., NeurIPS 2023, and HELM's efficiency metrics).

    s: the slope over outputs, of all prompts together. prompt(p): what is left of those of as many tokens; in between,
    the next longer prompt's share, beyond the longest its multiple. At least two outputs of one prompt are wanted.
    """
    by_prompt: dict[int, list[Timed]] = {}
    for each in timed:
        by_prompt.setdefault(each.prompt_tokens, []).append(each)
    slope_s = _common_slope(list(by_prompt.values()))
    prompt_s = {
        tokens: fmean(each.seconds - slope_s * (each.output_tokens - 1) for each in same)
        for tokens, same in sorted(by_prompt.items())
    }

    def seconds(prompt_tokens: int, output_tokens: int) -> float:
        nearest = next((tokens for tokens in prompt_s if tokens >= prompt_tokens), max(prompt_s))
        return prompt_s[nearest] * prompt_tokens / nearest + slope_s * (output_tokens - 1)

    return seconds


def _common_slope(groups: Sequence[Sequence[Timed]]) -> float:
    """Least squares over outputs, each prompt with an intercept of its own."""
    moments = [(each, _mean(group)) for group in groups for each in group]
    above = sum((each.output_tokens - mean[0]) * (each.seconds - mean[1]) for each, mean in moments)
    return above / sum((each.output_tokens - mean[0]) ** 2 for each, mean in moments)


def _mean(group: Sequence[Timed]) -> tuple[float, float]:
    return fmean(each.output_tokens for each in group), fmean(each.seconds for each in group)


def token_price_form(timed: Sequence[Timed]) -> Form:
    """A constant and a price per token, the same for prompts and outputs; least squares of relative errors."""
    rows = [(float(each.prompt_tokens + each.output_tokens),) for each in timed]
    price = fit_linear(LEAST_PENALTY, rows, [each.seconds for each in timed])
    return lambda prompt_tokens, output_tokens: price((float(prompt_tokens + output_tokens),))


def output_price_form(timed: Sequence[Timed]) -> Form:
    """A constant and a price per output token; prompts cost nothing."""
    price = fit_linear(
        LEAST_PENALTY, [(float(each.output_tokens),) for each in timed], [each.seconds for each in timed]
    )
    return lambda _prompt_tokens, output_tokens: price((float(output_tokens),))


def mean_error(form: Form, timed: Sequence[Timed]) -> float:
    """Over requests, of their times; as shares of these, without their sign."""
    return fmean(abs(form(each.prompt_tokens, each.output_tokens) / each.seconds - 1.0) for each in timed)
