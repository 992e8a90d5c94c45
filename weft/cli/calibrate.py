"""`weft calibrate`: measure this machine with a model, for simulations of it."""

from pathlib import Path
from typing import Any

import click

from weft.cli.model_options import model_options
from weft.costs.local_profile import LocalProfile, default_path, write_profile
from weft.llm.model_path import resolve_model
from weft.measurement.calibration import SWAP_BLOCKS, CalibrationSettings, calibrate, load_for_calibration
from weft.model_specs.builtin import DEFAULT


@click.command()
@click.argument("model", required=False)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of the profile.  [default: one per model in the user's cache directory]",
)
@click.option(
    "--seconds",
    "budget_s",
    type=click.FloatRange(min=1.0, max=120.0),
    default=CalibrationSettings().budget_s,
    show_default=True,
    help="To measure for, loading apart.",
)
@model_options(swap_memory_bytes=f"{SWAP_BLOCKS} blocks")
def command(model: str | None, out: Path | None, budget_s: float, given: dict[str, Any]) -> None:
    """Measure how long steps, transfers and the engine's own work take on this machine with MODEL.

    MODEL is a Hugging Face directory, a .gguf file, ORG/NAME of huggingface.co, or one that comes with Weft:
    weft-tiny, which is the default, or weft-nano, its draft. What is found is used by
    `weft simulate --hardware local`. Nothing else should run meanwhile.
    """
    settings = CalibrationSettings(budget_s)
    serving = load_for_calibration(resolve_model(model), given)
    try:
        profile = calibrate(
            model or DEFAULT, serving, settings, lambda what: click.echo(f"measuring {what}", err=True)
        ).profile()
    finally:
        serving.close()
    path = out or default_path(serving.spec)
    write_profile(profile, path)
    click.echo("\n".join([*describe_profile(profile), f"written to {path}"]))


def describe_profile(profile: LocalProfile) -> list[str]:
    """What was found, for reading."""
    before, after = (each / 1e9 for each in profile.bandwidths)
    serving = ", ".join(f"{name} {value}" for name, value in profile.serving.items())
    return [
        f"model      {profile.model} ({profile.shape['num_parameters']:,} parameters), {serving}",
        f"machine    {profile.machine['processor']}, load {profile.machine['load_average']:.1f}",
        *(f"step       {rows:>5} rows: {1e3 * seconds:.3f} ms" for rows, seconds in profile.curve.rows_s),
        *_engine(profile),
        *(
            f"after      {1e3 * idle_s:>5.1f} ms idle: {1e3 * more_s:.3f} ms more"
            for idle_s, more_s in profile.wakings_s
        ),
        f"swapping   {1e6 * profile.swap_start_s:.0f} µs and {1e6 * profile.swap_block_s:.1f} µs per block",
        f"memory     {before:.1f} GB/s before, {after:.1f} GB/s after",
        f"error      median {profile.median_error:.1%}, four fifths within {profile.relative_error:.1%}, "
        f"of {profile.num_held_out} kinds of steps that were not fitted",
    ]


def _engine(profile: LocalProfile) -> list[str]:
    """What its own steps take beside those made by hand."""
    work = profile.engine
    lines = [
        f"engine     {work.decodes:.3f} times as long where all decode, {work.prompts:.3f} times with prompts",
        f"and        {1e6 * work.step_s:.0f} µs per step, {1e6 * work.sequence_s:.1f} µs per sequence, "
        f"{1e6 * work.admission_s:.0f} µs per new one",
    ]
    return lines + [
        f"after      256 tokens of a prompt, step {number}, 8 sequences: {1e3 * each.seconds(256, 8):.3f} ms more"
        for number, each in enumerate(profile.settlings, 1)
    ]
