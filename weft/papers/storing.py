"""Runs of cards as JSON files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from weft.papers.card import Card, CardError, Observation, Pair
from weft.papers.running import Measurement

MACHINE = ("version", "commit", "python", "processor", "cores_usable")
"""What a run keeps of `describe_machine`."""

DIGITS = 6
"""Significant digits that are kept: more than any of these measurements means."""


class StoredRun(NamedTuple):
    """A run as it lies in a file. `machine`: version, commit, processor. `settings`: by name, all their values."""

    card_id: str
    quick: bool
    machine: Mapping[str, Any]
    settings: Mapping[str, Mapping[str, Any]]
    measurements: Sequence[Measurement]

    def pairs(self, quantity: str) -> dict[str, list[Pair]]:
        """Of a quantity, by setting; settings in which it was not measured are left out."""
        found: dict[str, list[Pair]] = {}
        for setting, _, observation in self.measurements:
            if quantity in observation.pairs:
                found.setdefault(setting, []).append(observation.pairs[quantity])
        return found


def stored_run(
    card: Card[Any], measurements: Sequence[Measurement], machine: Mapping[str, Any], *, quick: bool
) -> StoredRun:
    """A run that has just been made."""
    settings = (card.quick,) if quick else card.grid
    facts = {name: machine[name] for name in MACHINE}
    return StoredRun(card.id, quick, facts, {each.name: each._asdict() for each in settings}, measurements)


def write_run(run: StoredRun, path: Path) -> None:
    """Write it, one measurement per line."""
    head = {"card": run.card_id, "quick": run.quick, "machine": run.machine, "settings": run.settings}
    lines = [f'"{name}": {json.dumps(value)},' for name, value in head.items()]
    rows = ",\n".join(json.dumps(_as_json(each), allow_nan=False) for each in run.measurements)
    text = "\n".join(["{", *lines, f'"measurements": [\n{rows}\n]', "}"])
    path.write_text(f"{text}\n", encoding="utf-8")


def _as_json(measurement: Measurement) -> dict[str, Any]:
    pairs, details = measurement.observation
    return {
        "setting": measurement.setting,
        "seed": measurement.seed,
        "pairs": {name: [_short(value) for value in pair] for name, pair in pairs.items()},
        "details": {name: _short(value) for name, value in details.items()},
    }


def _short(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def read_run(path: Path) -> StoredRun:
    """A run from its file; raises `CardError` for one that is none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        measurements = [_measurement(each) for each in data["measurements"]]
        return StoredRun(data["card"], data["quick"], data["machine"], data["settings"], measurements)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"{type(error).__name__}: {error}"
        raise CardError(f"{path} is no run of a card ({problem}); make one with weft papers run") from None


def _measurement(data: Mapping[str, Any]) -> Measurement:
    pairs = {name: Pair(*map(float, pair)) for name, pair in data["pairs"].items()}
    return Measurement(data["setting"], data["seed"], Observation(pairs, data["details"]))
