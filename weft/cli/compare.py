"""`weft compare`: policies side by side on the same requests."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from weft.cli.mistakes import NearChoice
from weft.cli.model_options import BACKENDS, COUNT
from weft.cli.serve_options import MILLISECONDS, objective
from weft.cli.simulate import service_options
from weft.cli.simulate_files import OUTPUT
from weft.cli.simulate_sweep import job_count, points_bar
from weft.contracts.errors import ConfigurationError
from weft.contracts.requests import Slo
from weft.contracts.version import __version__
from weft.llm.model_path import resolve_model
from weft.measurement.comparison.comparing import SENSITIVITY, Comparison, compare
from weft.measurement.comparison.contestants import Contestant, read_contestants
from weft.measurement.comparison.html import comparison_page
from weft.measurement.comparison.live import LONELY_LIVE_PER_S, LiveTrials
from weft.measurement.comparison.markdown import comparison_markdown
from weft.measurement.comparison.objectives import TOLD
from weft.measurement.comparison.text import describe_comparison
from weft.measurement.comparison.trial import (
    LONELY_PER_S,
    Question,
    own_rate_per_s,
    run_trial,
    with_objective,
)
from weft.measurement.simulation import deployment_options
from weft.policies.choices import KINDS
from weft.simulator.deployment_options import DeploymentOptions


@click.command()
@click.option("--model", required=True, help="A name of the catalogue, or the path of a config.json.")
@click.option(
    "--policies",
    required=True,
    help="fcfs,srpt,vtc/slo_chunk: the first is what the others are held against.",
)
@click.option(
    "--workload", default="azure-conv", show_default=True, help="A name, a trace, or DIRECTORY:MODEL."
)
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), help="Requests per second.  [default: its own]"
)
@click.option("--requests", type=COUNT, default=1000, show_default=True, help="Of each run.")
@click.option("--seeds", type=click.IntRange(min=2), default=5, show_default=True, help="Runs of each.")
@click.option(
    "--slo-ttft-ms", type=MILLISECONDS, help="Objective.  [default: 5 times the median of a lonely request]"
)
@click.option(
    "--slo-tpot-ms", type=MILLISECONDS, help="Objective.  [default: 2 times that of a lonely request]"
)
@click.option(
    "--slo-told",
    "told",
    type=NearChoice(list(TOLD)),
    default="both",
    show_default=True,
    help="Which objectives requests name, so that policies see them.",
)
@click.option(
    "--sensitivity",
    "axes",
    default="",
    help=f"Vary these too, one at a time, to find where wins end: {','.join(SENSITIVITY)}.",
)
@click.option(
    "-j", "--jobs", type=job_count, default="1", metavar="NUMBER|auto", help="Processes.  [default: 1]"
)
@click.option(
    "--shorten",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Divide lengths of prompts and outputs by this, for small models.",
)
@click.option(
    "--live",
    is_flag=True,
    help="On a real engine here, in real time, instead of simulated; MODEL as for weft serve.",
)
@click.option("--backend", type=BACKENDS, help="With --live: what computes.  [default: auto]")
@click.option(
    "--threads", "num_threads", type=COUNT, help="With --live: of a step.  [default: as many as may be used]"
)
@click.option("--json", "json_path", type=OUTPUT, help="All figures of all runs.")
@click.option("--html", "html_path", type=OUTPUT, help="A page with plots, in one file.")
@click.option("--markdown", "markdown_path", type=OUTPUT, help="The table, for a page of text.")
@service_options
def command(
    json_path: Path | None, html_path: Path | None, markdown_path: Path | None, live: bool, **given: Any
) -> None:
    """Compare POLICIES on the same requests, simulated or live: what each gives, how it differs from the first with a
    95 % interval over seeds, and where a win ends. Simulated, orders that expect lengths may be given true ones:
    srpt_oracle.
    """
    contestants = read_contestants(given.pop("policies"))
    axes = [axis.strip() for axis in given.pop("axes").split(",") if axis.strip()]
    how = {"seeds": given.pop("seeds"), "axes": axes, "jobs": given.pop("jobs")}
    question, named = _question(given)
    with points_bar() as progress:
        how["progress"] = progress
        found = (_live if live else _simulated)(question, contestants, named, how)
    click.echo("\n".join(describe_comparison(found)))
    about = {"workload": question.workload, "rate": question.rate, "seeds": how["seeds"], "live": live}
    configuration = named | about | {"weft": __version__}
    if json_path is not None:
        json_path.write_text(json.dumps(configuration | found.as_json(), indent=1) + "\n")
    if html_path is not None:
        html_path.write_text(comparison_page(found, configuration))
    if markdown_path is not None:
        markdown_path.write_text(comparison_markdown(found))


def _question(given: dict[str, Any]) -> tuple[Question, dict[str, Any]]:
    """What is compared, and the options that were named."""
    names = ("model", "workload", "rate", "requests", "shorten", "told", "slo_ttft_ms", "slo_tpot_ms")
    model, workload, rate, requests, shorten, told, ttft_ms, tpot_ms = (given.pop(name) for name in names)
    named = {name: value for name, value in given.items() if value is not None and value is not False}
    if named.pop("no_prefix_caching", False):
        named["enable_prefix_caching"] = False
    options = deployment_options(DeploymentOptions(), named)
    rate_per_s = own_rate_per_s(workload) if rate is None else rate
    goal = objective(ttft_ms, tpot_ms) or Slo()
    return Question(model, workload, rate_per_s, requests, options, goal, shorten, told), named


def _simulated(
    question: Question, contestants: Sequence[Contestant], named: dict[str, Any], how: dict[str, Any]
) -> Comparison:
    """Raises `ConfigurationError` for options that say what is real."""
    for name, flag in (("backend", "backend"), ("num_threads", "threads")):
        if name in named:
            raise ConfigurationError(f"--{flag} is for what is computed here; add --live, or leave it out")
    return compare(with_objective(question, run_trial, LONELY_PER_S), contestants, **how)


def _live(
    question: Question, contestants: Sequence[Contestant], named: dict[str, Any], how: dict[str, Any]
) -> Comparison:
    """Raises `ConfigurationError` for options that say what is simulated."""
    default = DeploymentOptions()
    for name, value in named.items():
        if name not in KINDS and hasattr(default, name) and value != getattr(default, name):
            raise ConfigurationError(
                f"--{name.replace('_', '-')} says what is simulated; leave it or --live out"
            )
    if how["jobs"] != 1:
        raise ConfigurationError(
            "-j is for simulations: live, runs side by side would slow each other; leave it out"
        )
    trials = LiveTrials(resolve_model(question.model), question)
    try:
        return compare(
            with_objective(question, trials.run, LONELY_LIVE_PER_S), contestants, run=trials.run, **how
        )
    finally:
        trials.close()
