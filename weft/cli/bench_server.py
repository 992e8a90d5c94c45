"""`weft bench server`: what serving over HTTP costs beside the model."""

from dataclasses import asdict

import click

from weft.cli.bench_output import print_json, print_table
from weft.cli.server_costs import Cost, ServerFigures, bench_server
from weft.measurement.machine import describe_machine


@click.command()
@click.option(
    "--streams", type=click.IntRange(1, 1024), default=200, show_default=True, help="Answers at once."
)
@click.option(
    "--tokens", type=click.IntRange(2, 2000), default=500, show_default=True, help="Of each answer."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of tables.")
def command(streams: int, tokens: int, as_json: bool) -> None:
    """Measure the server around a model that computes nothing.

    The server runs as `weft serve` runs it, in a process of its own, with the tokenizer and chat template of the
    built-in model and an executor that emits a token per step at once; a client in another process counts bytes. Times
    of parts are processor time, which other programs on the machine disturb least; tokens/s by the clock they halve.
    """
    machine = describe_machine()
    figures = bench_server(streams, tokens)
    if as_json:
        settings = {"streams": streams, "tokens": tokens}
        print_json(
            {"benchmark": "server", "machine": machine, "settings": settings, "results": asdict(figures)}
        )
    else:
        click.echo(
            f"{machine['processor']}, {machine['cores_usable']} cores usable, load {machine['load_average']:.1f}\n"
        )
        _print(figures)


def _print(figures: ServerFigures) -> None:
    whole = Cost(*(sum(each) for each in zip(*map(_times, figures.parts.values()), strict=True)))
    rows = [_row(name, cost, whole) for name, cost in [*figures.parts.items(), ("all", whole)]]
    print_table(("part", "us/token", "share", "us/request", "share"), rows)
    read, start = figures.read, figures.start
    click.echo(f"\nstreamed tokens/s      {figures.tokens_per_s:,.0f}")
    per_cpu_s = figures.tokens_per_cpu_s
    click.echo(f"  per processor second {'-' if per_cpu_s is None else f'{per_cpu_s:,.0f}'}")
    click.echo(f"events, reads, bytes   {read.num_events:,}, {read.num_reads:,}, {read.num_bytes:,}")
    click.echo(f"start to ready         {figures.ready_s:.1f} s, {start.cpu_s:.1f} s of processor time")
    click.echo(f"memory at rest         {start.resident_bytes / 2**20:,.0f} MiB")


def _times(cost: Cost) -> tuple[float, float]:
    return cost.token_us, cost.request_us


def _row(name: str, cost: Cost, whole: Cost) -> list[str]:
    cells = [name]
    for part, all_of_it in zip(_times(cost), _times(whole), strict=True):
        cells += [f"{part:,.1f}", f"{part / all_of_it:.0%}" if all_of_it else "-"]
    return cells
