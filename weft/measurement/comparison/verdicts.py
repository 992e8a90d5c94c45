"""Which policy wins on what, and where it stops."""

from collections.abc import Iterator

from weft.measurement.comparison.comparing import Comparison, Outcome
from weft.measurement.statistics import Interval

TITLES = {
    "goodput_per_s": "goodput",
    "ttft_mean_s": "mean TTFT",
    "ttft_p50_s": "median TTFT",
    "ttft_p99_s": "p99 TTFT",
    "tpot_p50_s": "median TPOT",
    "tpot_p99_s": "p99 TPOT",
    "latency_mean_s": "mean latency",
    "latency_p99_s": "p99 latency",
    "per_token_s": "latency per token",
    "failed": "refused or failed",
    "fairness": "fairness (Jain)",
    "experience": "quality of experience",
    "preemptions": "preemptions per request",
    "cached": "found in cache",
}
JUDGED = tuple(name for name in TITLES if name not in ("preemptions", "cached", "failed"))
"""Preemptions and hits are a means, not an end; a share of refusals has no scale to be better or worse by."""
NEGLIGIBLE = 0.01
"""Differences below this share are not worth a word, however sure they are."""


def verdicts(comparison: Comparison) -> list[str]:
    """A sentence for each contestant but the baseline, and those that say where it stops winning."""
    outcome = comparison.plain
    baseline = outcome.contestants[0].name
    lines = []
    for contestant in outcome.contestants[1:]:
        lines.append(_verdict(outcome, contestant.name, baseline))
        lines += _limits(comparison, contestant.name)
    return lines


def _verdict(outcome: Outcome, name: str, baseline: str) -> str:
    gains = {figure: outcome.gain(name, figure) for figure in JUDGED}
    wins = [_told(figure, gain, "better") for figure, gain in gains.items() if _wins(gain)]
    losses = [_told(figure, gain, "worse") for figure, gain in gains.items() if _loses(gain)]
    if not wins and not losses:
        return f"{name} and {baseline}: no difference of {NEGLIGIBLE:.0%} that the seeds can tell."
    said = [f"wins on {', '.join(wins)}"] if wins else []
    said += [f"loses on {', '.join(losses)}"] if losses else []
    return f"{name} against {baseline}: {'; '.join(said)}."


def _wins(gain: Interval) -> bool:
    return gain.low > 0.0 and gain.mean >= NEGLIGIBLE


def _loses(gain: Interval) -> bool:
    return gain.high < 0.0 and gain.mean <= -NEGLIGIBLE


def _told(figure: str, gain: Interval, word: str) -> str:
    low, high = sorted((abs(gain.low), abs(gain.high)))
    return f"{TITLES[figure]} ({abs(gain.mean):.0%} {word}, {low:.0%} to {high:.0%})"


def _limits(comparison: Comparison, name: str) -> Iterator[str]:
    """Of each figure that it wins plainly: the variations under which it wins no more."""
    for figure in JUDGED:
        if not _wins(comparison.plain.gain(name, figure)):
            continue
        lost = [
            f"{axis} x{value:g} ({outcome.gain(name, figure).mean:+.0%})"
            for (axis, value), outcome in comparison.varied.items()
            if not _wins(outcome.gain(name, figure))
        ]
        if lost:
            yield f"  its win on {TITLES[figure]} is gone at {', '.join(lost)}."
