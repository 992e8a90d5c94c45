"""`weft bench cluster`: what a router and the way to its replicas cost, and what a lost replica costs its clients."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, fields
from typing import Any

import click

from weft.cli.bench_output import COUNT, print_json, print_table, progress, show
from weft.measurement.cluster_bench import WayFigures, bench_way
from weft.measurement.cluster_contenders import PROCESSES, RAY, WAYS, Setting, prepared
from weft.measurement.cluster_stall import Stall, measure_stall
from weft.measurement.machine import describe_machine
from weft.measurement.token_times import Spread, spread, spread_of_known

HITS = (("killed (SIGKILL)", signal.SIGKILL), ("stopped (SIGSTOP)", signal.SIGSTOP))


@click.command()
@click.option(
    "--way",
    "ways",
    type=click.Choice(WAYS),
    multiple=True,
    default=WAYS,
    show_default=True,
    help="To an engine.",
)
@click.option("--streams", type=click.IntRange(2, 1024), default=32, show_default=True, help="At once.")
@click.option(
    "--tokens", type=click.IntRange(20, 10_000), default=200, show_default=True, help="Of each stream."
)
@click.option(
    "--step-ms", type=click.FloatRange(0.1, 1000.0), default=5.0, show_default=True, help="Of a step."
)
@click.option("--turns", type=COUNT, default=5, show_default=True, help="Each way is measured once in each.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of tables.")
def command(
    ways: tuple[str, ...], streams: int, tokens: int, step_ms: float, turns: int, as_json: bool
) -> None:
    """Measure router and backends around a model that computes nothing, and the pause when a replica is lost.

    Ways: an engine without a router; and a router before one replica on its own loop, in a process, and in an actor of
    Ray. Then one of two replicas is killed, and stopped, with half of the streams on it.
    """
    machine = describe_machine()
    one = Setting(1, streams, tokens, step_ms / 1e3)
    hits = [(way, *hit) for way in ways if way in (PROCESSES, RAY) for hit in HITS]
    with progress(turns * (len(ways) + len(hits))) as tell, redirect_stdout(sys.stderr):  # Ray writes to it
        costs = {way: list[WayFigures]() for way in ways}
        stalls = {(way, what): list[Stall]() for way, what, _ in hits}
        for turn in range(turns):
            for way in ways:
                tell(f"turn {turn + 1}: {way}")
                costs[way].append(bench_way(way, one, num_delays=50))
            for way, what, number in hits:
                tell(f"turn {turn + 1}: {way} {what}")
                stalls[way, what].append(_stall(way, one._replace(replicas=2), number))
    if as_json:
        print_json(_report(machine, one, costs, stalls))
    else:
        _print(machine, costs, stalls)


def _stall(way: str, setting: Setting, number: signal.Signals) -> Stall:
    with prepared(way):
        return asyncio.run(measure_stall(way, setting, number))


def _spreads(figures: Sequence[WayFigures]) -> dict[str, Spread | None]:
    """Over the turns, by the name of each figure."""
    names = [field.name for field in fields(WayFigures)]
    return {name: spread_of_known([getattr(each, name) for each in figures]) for name in names}


def _report(
    machine: dict[str, Any],
    setting: Setting,
    costs: dict[str, list[WayFigures]],
    stalls: dict[tuple[str, str], list[Stall]],
) -> dict[str, Any]:
    return {
        "benchmark": "cluster",
        "machine": machine,
        "settings": setting._asdict(),
        "costs": {way: [asdict(each) for each in figures] for way, figures in costs.items()},
        "stalls": [
            {"way": way, "replica": what, "turns": [each._asdict() for each in found]}
            for (way, what), found in stalls.items()
        ],
    }


def _print(
    machine: dict[str, Any],
    costs: dict[str, list[WayFigures]],
    stalls: dict[tuple[str, str], list[Stall]],
) -> None:
    click.echo(
        f"{machine['processor']}, {machine['cores_usable']} cores usable, load {machine['load_average']:.1f}\n"
    )
    heads = ("way", "us/request", "us/token", "us/token of one stream", "replica's us/token", "delay ms")
    rows = []
    for way, figures in costs.items():
        *costs_us, delay_ms = _spreads(figures).values()
        rows.append([way, *(show(each) for each in costs_us), show(delay_ms, 2)])
    print_table(heads, rows)
    if stalls:
        click.echo("")
        of_stalls = ("way", "a replica is", "streams", "median pause ms", "longest pause ms")
        print_table(of_stalls, [_stall_row(*about, found) for about, found in stalls.items()])


def _stall_row(way: str, what: str, found: Sequence[Stall]) -> list[str]:
    median, most = (spread([getattr(each, name) for each in found]) for name in ("median_ms", "most_ms"))
    return [way, what, str(found[0].num_streams), show(median), show(most)]
