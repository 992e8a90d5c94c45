"""`weft bench scheduler`: what the engine costs per step."""

import click

from weft.measurement.scheduler_bench import OUTPUT_TOKENS, PROMPT_TOKENS, bench_scheduler


@click.command()
@click.option(
    "--running",
    "sizes",
    multiple=True,
    type=click.IntRange(min=1),
    default=(8, 256, 4096),
    show_default=True,
    help="Running sequences; may be repeated.",
)
@click.option(
    "--steps", type=click.IntRange(min=200), default=4000, show_default=True, help="Steps measured per row."
)
def command(sizes: tuple[int, ...], steps: int) -> None:
    """Measure the scheduler, driver and event loop with an executor that does nothing.

    A plain step adds one token to everybody; a mixed one has block crossings, arrivals or finishes.
    """
    click.echo(f"prompt {PROMPT_TOKENS}, output {OUTPUT_TOKENS}, one step in flight, {steps} steps per row")
    click.echo(
        f"{'running':>8}  {'plain median':>12} {'p99':>8}  {'mixed median':>12} {'p99':>8}  {'requests/s':>10}"
    )
    for size in sizes:
        row = bench_scheduler(size, steps)
        click.echo(
            f"{size:>8}  {row.plain.median_us:>9.1f} µs {row.plain.p99_us:>5.0f} µs"
            f"  {row.mixed.median_us:>9.1f} µs {row.mixed.p99_us:>5.0f} µs  {row.requests_per_s:>10,.0f}"
        )
