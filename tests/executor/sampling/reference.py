"""The sampler once more, in plain Python and double precision, written from the docstring of SamplingParams."""

import math
from collections.abc import Sequence

from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams

MASK = 2**64 - 1


def request(
    params: SamplingParams, prompt: Sequence[int] = (1, 2, 3), request_id: str = "request"
) -> Request:
    return Request(request_id, TokenPrompt(tuple(prompt)), params)


def adjusted(
    logits: Sequence[float], params: SamplingParams, prompt: Sequence[int], output: Sequence[int]
) -> list[float]:
    """Logits after bias and penalties."""
    values = [float(logit) + params.logit_bias.get(token, 0.0) for token, logit in enumerate(logits)]
    for token, value in enumerate(values):
        if token in prompt or token in output:
            penalty = params.repetition_penalty
            values[token] = value / penalty if value > 0 else value * penalty
        if token in output:
            values[token] -= params.presence_penalty + params.frequency_penalty * output.count(token)
    return values


def without_early_ends(values: Sequence[float], params: SamplingParams, num_outputs: int) -> list[float]:
    if num_outputs >= params.min_tokens:
        return list(values)
    kept = [-math.inf if token in params.stop_token_ids else value for token, value in enumerate(values)]
    if max(kept) > -math.inf:
        return kept
    best = values.index(max(values))
    return [value if token == best else -math.inf for token, value in enumerate(values)]


def kept_tokens(values: Sequence[float], params: SamplingParams, slack: float = 0.0) -> list[int]:
    """Tokens that the filters leave, likeliest first; a `slack` above 0 moves every real threshold to keep more."""
    weights = [math.exp((value - max(values)) / params.temperature) for value in values]
    tokens = sorted(range(len(values)), key=lambda token: (-values[token], token))
    tokens = tokens[: params.top_k or None]
    total = math.fsum(weights[token] for token in tokens)
    if params.top_p < 1.0:
        nucleus: list[int] = []
        for token in tokens:
            if nucleus and math.fsum(weights[each] for each in nucleus) / total >= params.top_p + slack:
                break
            nucleus.append(token)
        tokens = nucleus
    return [token for token in tokens if weights[token] >= params.min_p * (1.0 - slack)]


def mix(value: int) -> int:
    value &= MASK
    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & MASK
    value = (value ^ value >> 27) * 0x94D049BB133111EB & MASK
    return value ^ value >> 31


def gumbel_of_bits(bits: int) -> float:
    uniform = (bits % 2**63 | 1) / 2**63
    return -math.log(-math.log1p(-min(uniform, 1 - 2**-24)))


def gumbel(seed: int, sample_index: int, position: int, token: int) -> float:
    golden = 0x9E3779B97F4A7C15
    stream = mix(mix(seed + golden) + sample_index + golden)
    key = mix(stream + position + golden)
    return gumbel_of_bits(mix(key + token * golden))


def scores(
    values: Sequence[float], params: SamplingParams, seed: int, sample: int, position: int
) -> list[float]:
    """What the chosen token is the argmax of, for each token."""
    if params.temperature == 0.0:
        return list(values)
    return [
        (value - max(values)) / params.temperature + gumbel(seed, sample, position, token)
        for token, value in enumerate(values)
    ]
