"""`weft bench simulator`: how fast a simulation runs."""

import click

from weft.engine import engine
from weft.measurement.simulator_bench import HARDWARE, MODEL, REPLICAS, WORKLOAD, bench_simulator


@click.command()
@click.option(
    "--requests", type=click.IntRange(min=100), default=20_000, show_default=True, help="To simulate."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the workload.")
def command(requests: int, seed: int) -> None:
    """Simulate a service close to its knee, on one core, and time it.

    Event log and prefix cache are on. Times of the process leave out what else the machine does.
    """
    compiled = "" if engine.__file__.endswith(".py") else "; engine compiled"
    click.echo(f"{REPLICAS} replicas of {MODEL} on {HARDWARE}, {WORKLOAD}{compiled}")
    bench = bench_simulator(requests, seed)
    rate = bench.num_requests / bench.simulated_s
    for label, text in (
        (
            "requests",
            f"{bench.num_requests:,} in {bench.simulated_s:,.0f} s simulated: {rate:,.0f} per second",
        ),
        ("replicas busy", f"{100 * bench.utilisation:.0f} %"),
        ("steps, events", f"{bench.num_steps:,}, {bench.num_events:,}"),
        ("wall time", f"{bench.wall_s:.2f} s: {bench.requests_per_wall_s:,.0f} requests/s"),
        (
            "process time",
            f"{bench.process_s:.2f} s: {bench.requests_per_process_s:,.0f} requests/s, "
            f"{bench.output_tokens_per_process_s:,.0f} output tokens/s",
        ),
        ("faster than time", f"{bench.simulated_s / bench.process_s:,.1f} x"),
    ):
        click.echo(f"{label:<17} {text}")
