"""`weft bench serve`: what a running server gives a load."""

import asyncio
import json
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from weft.contracts.errors import ConfigurationError
from weft.measurement.machine import describe_machine
from weft.measurement.serving_bench import ServingBench, check_lengths
from weft.measurement.serving_notes import notes
from weft.measurement.serving_probe import find_bodies
from weft.measurement.serving_requests import PATHS
from weft.measurement.serving_target import find_target
from weft.workloads.registry import find_workload
from weft.workloads.sessions import Workload

DEFAULT_REQUESTS = 200
COUNT = click.IntRange(min=1)


@click.command()
@click.option(
    "--url", default="http://127.0.0.1:8000", show_default=True, help="Of any OpenAI-compatible server."
)
@click.option("--model", help="As the server names it; by default the first that it lists.")
@click.option("--workload", "workload_name", required=True, help="A name, a trace file, or DIRECTORY:MODEL.")
@click.option(
    "--rate", "rate_per_s", type=float, help="Requests/s on average; by default the workload's own."
)
@click.option(
    "--requests", type=COUNT, help=f"How many; {DEFAULT_REQUESTS} where --duration does not say how long."
)
@click.option("--duration", "duration_s", type=float, help="Seconds in which sessions arrive.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of arrivals, lengths and prompts.")
@click.option("--endpoint", type=click.Choice(list(PATHS)), default="completions", show_default=True)
@click.option(
    "--max-concurrency", type=COUNT, help="Hold requests back beyond this many; latencies count on."
)
@click.option("--api-key", envvar="WEFT_API_KEY", help="Also read from WEFT_API_KEY.")
@click.option(
    "--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the results here too."
)
def command(workload_name: str, json_path: Path | None, **settings: Any) -> None:
    """Drive a server with a workload and print the block of `vllm bench serve`.

    Requests are sent when the workload says, whether or not the server keeps up, and latencies count from then.
    Nothing is retried. Ctrl-C ends the run and prints what was measured.
    """
    workload = _workload(workload_name, settings)
    run = _Run(workload, settings)
    try:
        asyncio.run(run.main())
        is_interrupted = False
    except KeyboardInterrupt:
        if run.bench is None:
            raise
        is_interrupted = True
    run.tell(workload_name, json_path, is_interrupted)
    if is_interrupted:
        raise KeyboardInterrupt


def _workload(name: str, settings: dict[str, Any]) -> Workload:
    requests, duration_s = settings["requests"], settings["duration_s"]
    if requests is None and duration_s is None:
        requests = DEFAULT_REQUESTS
    return find_workload(name, settings["rate_per_s"], settings["seed"], requests, duration_s)


class _Run:
    """One run of the verb. `bench`: None until the first request of the workload is sent."""

    def __init__(self, workload: Workload, settings: dict[str, Any]) -> None:
        self._workload, self._settings = workload, settings
        self.bench: ServingBench | None = None
        self._described: dict[str, Any] = {}

    async def main(self) -> None:
        """Find out what is there, then measure."""
        wanted = self._settings
        async with find_target(wanted["url"], wanted["model"], wanted["api_key"]) as target:
            totals = check_lengths(self._workload, target.max_model_len)
            bodies = await find_bodies(target, wanted["endpoint"], wanted["seed"])
            self._described = {"url": target.url, "model": target.model, "intended": totals._asdict()}
            with tqdm(total=totals.num_requests, unit="request", disable=None, leave=False) as bar:
                self.bench = ServingBench(target, bodies, wanted["max_concurrency"], bar.update)
                await self.bench.run(self._workload)

    def tell(self, workload_name: str, json_path: Path | None, is_interrupted: bool) -> None:
        """Print the figures and what must be known of them."""
        assert self.bench is not None
        report, remarks = self.bench.report(), notes(self.bench, is_interrupted)
        click.echo(report.as_text())
        for remark in remarks:
            click.echo(remark)
        if json_path is None:
            return
        shown = {
            key: value for key, value in self._settings.items() if key not in ("api_key", "url", "model")
        }
        _write(
            json_path,
            {
                "benchmark": "serve",
                "machine": describe_machine(),
                "target": self._described,
                "settings": {"workload": workload_name, **shown},
                "results": report.as_json(),
                "notes": remarks,
            },
        )


def _write(path: Path, results: dict[str, Any]) -> None:
    try:
        path.write_text(json.dumps(results, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written ({error.strerror}); give another --json"
        ) from error
