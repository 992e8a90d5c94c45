"""Prints how often random histories reach each situation and transition: `make conditions`."""

import argparse
from collections import Counter

from tests.properties.worlds import play
from weft.contracts.events import LEGAL_TRANSITIONS, Status
from weft.observation import conditions
from weft.observation.faults import FailWith, armed, fault_points


def main() -> None:
    """Play the seeds; every fifth one with failures injected at every fault point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    num_seeds = parser.parse_args().seeds
    transitions = Counter[tuple[Status | None, Status]]()
    injected = Counter[str]()
    conditions.reset()
    for seed in range(num_seeds):
        chance = 0.03 if seed % 5 == 0 else 0.0
        with armed(FailWith(dict.fromkeys(fault_points(), chance), seed)) as plan:
            transitions.update(play(seed).legality.transition_counts)
        injected.update(plan.injected)
    _print_table("situation", {name: count.hits for name, count in conditions.report().items()})
    legal = [(before, after) for before, afters in LEGAL_TRANSITIONS.items() for after in afters]
    _print_table(
        "transition", {f"{b.value if b else 'new'} → {a.value}": transitions[b, a] for b, a in legal}
    )
    _print_table("injected fault", {name: injected[name] for name in fault_points()})


def _print_table(title: str, counts: dict[str, int]) -> None:
    print(f"\n| {title} | hits |\n|---|---:|")
    for name, count in counts.items():
        print(f"| {name} | {count:,} |")


if __name__ == "__main__":
    main()
