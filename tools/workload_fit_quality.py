"""How well a generated load agrees with the trace that it was fitted to."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from statistics import fmean, pstdev, pvariance
from typing import Any, NamedTuple

from weft.contracts.prompts import HashPrompt, Prompt
from weft.workloads.conversation_prompt import ConversationPrompt
from weft.workloads.limits import Limited
from weft.workloads.sessions import Turn, Workload

BLOCK_TOKENS = 512


class Requests(NamedTuple):
    """Times in order, and all requests' lengths in order of session; the share of blocks seen before."""

    times_s: list[float]
    prompts: list[int]
    outputs: list[int]
    reuse_share: float

    @classmethod
    def of(cls, workload: Workload, most_requests: int | None = None) -> "Requests":
        """All requests of a workload, or the first ones."""
        taken = list(islice(_timed_turns(workload), most_requests))
        seen: dict[bytes, None] = {}
        reused = sum(_reused_blocks(turn.prompt, seen) for _, turn in taken)
        prompts = [turn.prompt.num_tokens for _, turn in taken]
        blocks = sum(-(-tokens // BLOCK_TOKENS) for tokens in prompts)
        outputs = [turn.output_tokens for _, turn in taken]
        return cls(sorted(time_s for time_s, _ in taken), prompts, outputs, reused / blocks)


def _timed_turns(workload: Workload) -> Iterator[tuple[float, Turn]]:
    """All turns in order of session, at the time at which they would be asked if answers took no time."""
    for session in workload.sessions():
        time_s = session.arrival_s
        for turn in session.turns:
            time_s += turn.delay_s
            yield time_s, turn


def _reused_blocks(prompt: Prompt, seen: dict[bytes, None]) -> int:
    """Blocks that an endless cache would have, from the beginning of the prompt; then all are in it."""
    if not isinstance(prompt, HashPrompt | ConversationPrompt):
        return 0
    whole = (
        -(-prompt.num_tokens // BLOCK_TOKENS)
        if isinstance(prompt, HashPrompt)
        else prompt.num_tokens // BLOCK_TOKENS
    )
    keys = [prompt.content_key(block, BLOCK_TOKENS) for block in range(whole)]
    known = next((index for index, key in enumerate(keys) if key not in seen), len(keys))
    seen.update(dict.fromkeys(keys))
    return known


def generated_requests(workload: Workload, number: int) -> Requests:
    """As many requests of a generator as the trace has; times up to where sessions stop arriving."""
    requests = Requests.of(workload, number)
    last_s = max(session.arrival_s for session in Limited(workload, number).sessions())
    return requests._replace(times_s=[time_s for time_s in requests.times_s if time_s <= last_s])


def compare(trace: Requests, generated: Requests, timed: bool) -> dict[str, Any]:
    """Figures of both (trace first), and the Kolmogorov-Smirnov distances of the lengths."""
    figures: dict[str, Any] = {
        "requests": len(trace.prompts),
        "ks_prompt": _rounded(ks_distance(trace.prompts, generated.prompts)),
        "ks_output": _rounded(ks_distance(trace.outputs, generated.outputs)),
        "mean_prompt": _both(fmean(trace.prompts), fmean(generated.prompts)),
        "mean_output": _both(fmean(trace.outputs), fmean(generated.outputs)),
        "rank_correlation": _both(
            *(rank_correlation(one.prompts, one.outputs) for one in (trace, generated))
        ),
    }
    if timed:
        figures["gap_cv"] = _both(*(gap_cv(one.times_s) for one in (trace, generated)))
        for window_s in (1, 10, 60):
            both = (dispersion(one.times_s, window_s) for one in (trace, generated))
            figures[f"dispersion_{window_s}s"] = _both(*both)
    if trace.reuse_share:
        figures["reuse_share"] = _both(trace.reuse_share, generated.reuse_share)
    return figures


def _both(trace: float, generated: float) -> list[float]:
    return [_rounded(trace), _rounded(generated)]


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def ks_distance(one: Sequence[float], other: Sequence[float]) -> float:
    """The largest difference between the two empirical distribution functions."""
    a, b = sorted(one), sorted(other)
    return max(abs(bisect_right(a, x) / len(a) - bisect_right(b, x) / len(b)) for x in {*a, *b})


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's, with the average rank for equal values."""
    a, b = _ranks(one), _ranks(other)
    middle = (len(a) - 1) / 2
    covariance = fmean((x - middle) * (y - middle) for x, y in zip(a, b, strict=True))
    return covariance / (pstdev(a) * pstdev(b))


def _ranks(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    first = {value: index for index, value in reversed(list(enumerate(ordered)))}
    last = {value: index for index, value in enumerate(ordered)}
    return [(first[value] + last[value]) / 2 for value in values]


def gap_cv(times_s: Sequence[float]) -> float:
    """Coefficient of variation of the gaps between arrivals."""
    gaps = [later - earlier for earlier, later in pairwise(sorted(times_s))]
    return pstdev(gaps) / fmean(gaps)


def dispersion(times_s: Sequence[float], window_s: float) -> float:
    """Variance over mean of the counts per window; 1 for a Poisson process."""
    counts = [0] * int(max(times_s) // window_s)
    for time_s in times_s:
        if time_s < len(counts) * window_s:
            counts[int(time_s // window_s)] += 1
    return pvariance(counts) / fmean(counts)
