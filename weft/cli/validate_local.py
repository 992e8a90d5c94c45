"""What `weft validate` does without --against: a load live and simulated on this machine."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from weft.cli.model_options import COUNT, Decorator, model_options
from weft.llm.model_path import resolve_model
from weft.measurement.calibration import CalibrationSettings
from weft.measurement.local_validation import LocalSettings, describe_validation, validate_local

OPTIONS: tuple[Decorator, ...] = (
    click.option("--loads", default="0.4,0.7,0.9", show_default=True, help="Shares of the measured knee."),
    click.option("--runs", "num_runs", type=COUNT, default=5, show_default=True, help="Of each load."),
    click.option(
        "--duration",
        "duration_s",
        type=click.FloatRange(min=0.0, min_open=True),
        default=60.0,
        show_default=True,
        help="Seconds in which the requests of a run arrive.",
    ),
    click.option(
        "--calibration",
        "calibration_s",
        type=click.FloatRange(min=1.0, max=120.0),
        default=CalibrationSettings().budget_s,
        show_default=True,
        help="Seconds to calibrate for.",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Of lengths, times and prompts."),
    model_options(),
)


def local_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags of a validation on this machine; `run_local` takes what they give."""
    for decorate in reversed(OPTIONS):
        command = decorate(command)
    return command


def run_local(
    model: str | None,
    json_path: Path | None,
    loads: str,
    num_runs: int,
    duration_s: float,
    calibration_s: float,
    seed: int,
    given: dict[str, Any],
) -> None:
    """Measure, print, and write all figures to a file where one is named. `model`: as `resolve_model` takes it."""
    settings = LocalSettings(
        directory=resolve_model(model),
        serving=given,
        loads=_shares(loads),
        num_runs=num_runs,
        duration_s=duration_s,
        seed=seed,
        calibration=CalibrationSettings(calibration_s),
    )
    found = validate_local(settings, lambda what: click.echo(f"measuring {what}", err=True))
    click.echo("\n".join(describe_validation(found)))
    if json_path is not None:
        text = json.dumps(found.as_json(), indent=2, allow_nan=False)
        json_path.write_text(text + "\n", encoding="utf-8")


def _shares(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise click.UsageError(
            f"--loads: {text!r} are no shares of the knee; give numbers such as 0.4,0.9"
        ) from None
