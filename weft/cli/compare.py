"""`weft compare`: policies side by side on the same requests."""

import json
from pathlib import Path
from typing import Any

import click

from weft.cli.model_options import COUNT
from weft.cli.serve_options import MILLISECONDS, objective
from weft.cli.simulate import service_options
from weft.cli.simulate_files import OUTPUT
from weft.cli.simulate_sweep import job_count, points_bar
from weft.contracts.requests import Slo
from weft.contracts.version import __version__
from weft.measurement.comparison.comparing import SENSITIVITY, compare
from weft.measurement.comparison.contestants import read_contestants
from weft.measurement.comparison.html import comparison_page
from weft.measurement.comparison.text import describe_comparison
from weft.measurement.comparison.trial import Question, derived_objective, own_rate_per_s
from weft.measurement.simulation import deployment_options
from weft.simulator.deployment import DeploymentOptions


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
    "--rate", type=click.FloatRange(min=0, min_open=True), help="Sessions per second.  [default: its own]"
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
    "--sensitivity",
    "axes",
    default="",
    help=f"Vary these too, one at a time, to find where wins end: {','.join(SENSITIVITY)}.",
)
@click.option(
    "-j", "--jobs", type=job_count, default="1", metavar="NUMBER|auto", help="Processes.  [default: 1]"
)
@click.option("--json", "json_path", type=OUTPUT, help="All figures of all runs.")
@click.option("--html", "html_path", type=OUTPUT, help="A page with plots, in one file.")
@service_options
def command(
    model: str,
    policies: str,
    workload: str,
    rate: float | None,
    requests: int,
    seeds: int,
    axes: str,
    jobs: int,
    json_path: Path | None,
    html_path: Path | None,
    **choices: Any,
) -> None:
    """Compare POLICIES on the same requests, simulated: what each gives, how it differs from the first with a 95 %
    interval over seeds, and where a win ends. Orders that expect lengths may be given true ones: srpt_oracle.
    """
    contestants = read_contestants(policies)
    given = objective(choices.pop("slo_ttft_ms"), choices.pop("slo_tpot_ms")) or Slo()
    named = {name: value for name, value in choices.items() if value not in (None, False)}
    if named.pop("no_prefix_caching", False):
        named["enable_prefix_caching"] = False
    options = deployment_options(DeploymentOptions(), named)
    goal = derived_objective(model, workload, options, given)
    question = Question(model, workload, rate or own_rate_per_s(workload), requests, options, goal)
    with points_bar() as progress:
        found = compare(
            question,
            contestants,
            seeds=seeds,
            axes=[axis.strip() for axis in axes.split(",") if axis.strip()],
            jobs=jobs,
            progress=progress,
        )
    click.echo("\n".join(describe_comparison(found)))
    configuration = named | {"workload": workload, "rate": question.rate, "seeds": seeds, "weft": __version__}
    if json_path is not None:
        json_path.write_text(json.dumps(configuration | found.as_json(), indent=1) + "\n")
    if html_path is not None:
        html_path.write_text(comparison_page(found, configuration))
