"""What came of the turns, as JSON and as a table in Markdown."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from weft.measurement.peers.turns import Outcome, Turn

OURS = "weft "
GIGA = 1e9
UNKNOWN = "–"


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Plain values: every turn, medians, and Weft's ratios to the best peer."""
    turns = {
        shape: {name: [turn._asdict() for turn in each] for name, each in by_name.items()}
        for shape, by_name in outcome.turns.items()
    }
    medians = {shape: _medians(by_name) for shape, by_name in outcome.turns.items()}
    return {
        "turns": turns,
        "tokens_per_s": medians,
        "best_peer": {shape: best_peer(by_name) for shape, by_name in medians.items()},
        "versions": outcome.versions,
        "failures": outcome.failures,
    }


def best_peer(speeds: Mapping[str, float]) -> str | None:
    """The fastest that is not Weft."""
    others = {name: speed for name, speed in speeds.items() if not name.startswith(OURS)}
    return max(others, key=others.__getitem__) if others else None


def as_markdown(outcome: Outcome) -> str:
    """Tokens per second; under each of Weft's formats its ratio to the best peer; the probes; who is missing."""
    shapes = list(outcome.turns)
    medians = {shape: _medians(by_name) for shape, by_name in outcome.turns.items()}
    names = list(dict.fromkeys(name for by_name in medians.values() for name in by_name))
    lines = [_row("tokens/s", shapes), _row("---", ["---:"] * len(shapes))]
    for name in names:
        speeds = [medians[shape].get(name) for shape in shapes]
        lines.append(_row(name, [UNKNOWN if speed is None else f"{speed:,.0f}" for speed in speeds]))
    for name in names:
        if name.startswith(OURS):
            lines.append(_row(f"{name} / best peer", [_ratio(medians[shape], name) for shape in shapes]))
    probes = [_probes(outcome.turns[shape]) for shape in shapes]
    lines.append(_row("reading, GB/s", [_range(each, "bytes_per_s", 1) for each in probes]))
    lines.append(_row("int8 peak, GOP/s", [_range(each, "operations_per_s", 0) for each in probes]))
    missing = [f"- *{name}* is missing: {reason}" for name, reason in outcome.failures.items()]
    versions = dict.fromkeys(
        f"{package} {version}" for each in outcome.versions.values() for package, version in each.items()
    )
    return "\n".join([*lines, "", *missing, f"- {', '.join(versions)}"])


def _medians(by_name: Mapping[str, Sequence[Turn]]) -> dict[str, float]:
    return {name: median(turn.tokens_per_s for turn in each) for name, each in by_name.items() if each}


def _ratio(speeds: Mapping[str, float], name: str) -> str:
    best = best_peer(speeds)
    return UNKNOWN if best is None or name not in speeds else f"{speeds[name] / speeds[best]:.2f}"


def _probes(by_name: Mapping[str, Sequence[Turn]]) -> list[Turn]:
    return [turn for each in by_name.values() for turn in each]


def _range(turns: Sequence[Turn], field: str, digits: int) -> str:
    values = sorted(getattr(turn, field) / GIGA for turn in turns)
    if not values:
        return UNKNOWN
    return f"{values[0]:,.{digits}f}–{values[-1]:,.{digits}f}"


def _row(head: str, cells: Sequence[str]) -> str:
    return f"| {' | '.join([head, *cells])} |"
