"""What servers and engines made of a load, as JSON and as a table in Markdown."""

from typing import Any

from weft.measurement.peers.serving_entrants import ENTRANTS
from weft.measurement.peers.serving_load import LoadResult
from weft.measurement.peers.serving_turns import ServingOutcome

HEAD = (
    "engine",
    "requests/s",
    "goodput/s",
    "in time",
    "TTFT p50",
    "p99, ms",
    "TPOT p50",
    "p99, ms",
    "tokens/s",
)


def serving_as_json(outcome: ServingOutcome) -> dict[str, Any]:
    """Plain values; times in seconds."""
    return {
        "objective": outcome.objective._asdict(),
        "alone": {name: reply._asdict() for name, reply in outcome.alone.items()},
        "loads": {
            f"{rate_per_s:g}": {name: result._asdict() for name, result in by_name.items()}
            for rate_per_s, by_name in outcome.loads.items()
        },
        "best_goodput_per_s": best_goodputs(outcome),
        "failures": dict(outcome.failures),
    }


def best_goodputs(outcome: ServingOutcome) -> dict[str, float]:
    """The most that each had at any rate."""
    best: dict[str, float] = {}
    for by_name in outcome.loads.values():
        for name, result in by_name.items():
            best[name] = max(best.get(name, 0.0), result.goodput_per_s)
    return best


def serving_as_markdown(outcome: ServingOutcome) -> str:
    """One row per engine and rate; then what each took alone, the most each had, who is missing."""
    lines = [_row(HEAD), _row(["---", *["---:"] * (len(HEAD) - 1)])]
    for name in ENTRANTS:
        for rate_per_s, by_name in outcome.loads.items():
            if name in by_name:
                lines.append(_row([name, f"{rate_per_s:g}", *_cells(by_name[name])]))
    objective, best = outcome.objective, best_goodputs(outcome)
    lines += ["", f"- objective: TTFT {_ms(objective.ttft_s)} ms, TPOT {_ms(objective.tpot_s)} ms"]
    lines += [
        f"- {name} alone: TTFT {_ms(reply.ttft_s)} ms, TPOT {_ms(reply.tpot_s)} ms"
        for name, reply in outcome.alone.items()
    ]
    lines += [f"- {name}, most goodput: {value:.2f}/s" for name, value in best.items()]
    lines += [_ratio(is_over_http, best) for is_over_http in (True, False)]
    lines += [f"- *{name}* is missing: {reason}" for name, reason in outcome.failures.items()]
    return "\n".join(lines)


def _cells(result: LoadResult) -> list[str]:
    times = (result.ttft_p50_s, result.ttft_p99_s, result.tpot_p50_s, result.tpot_p99_s)
    shares = [f"{result.goodput_per_s:.2f}", f"{result.share_in_time:.0%}"]
    return [*shares, *map(_ms, times), f"{result.output_tokens_per_s:.0f}"]


def _ratio(is_over_http: bool, best: dict[str, float]) -> str:
    """Weft's most goodput over the best other's, of those that were asked in the same way."""
    alike = [each for each in ENTRANTS.values() if each.is_over_http is is_over_http and each.name in best]
    ours = [best[each.name] for each in alike if each.is_ours]
    others = [best[each.name] for each in alike if not each.is_ours]
    way = "over HTTP" if is_over_http else "in process"
    if not ours or not others or not max(others):
        return f"- {way}: nothing to compare"
    return f"- {way}: Weft over the other {max(ours) / max(others):.2f}"


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.0f}" if seconds >= 0.1 else f"{1e3 * seconds:.1f}"


def _row(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"
