"""`weft bench policies`: what a decision costs."""

import json

import click

from weft.measurement.policy_bench import bench_policies


@click.command()
@click.option(
    "--sequences",
    "sizes",
    multiple=True,
    type=click.IntRange(min=1),
    default=(8, 256, 4096),
    show_default=True,
    help="That run, and as many that wait; or replicas to route to. May be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def command(sizes: tuple[int, ...], as_json: bool) -> None:
    """Time one decision of every policy that ships, in microseconds: the median of 15.

    A rank is asked once for each sequence that comes to wait; of orders whose ranks change, again for all that wait.
    Who gives way is asked before a step in which somebody finds no place. Which replica takes a request is asked once
    for each; what the policy learns of it is counted in.
    """
    columns = [bench_policies(size) for size in sizes]
    if as_json:
        pairs = zip(sizes, columns, strict=True)
        found = [{"sequences": size, **cost._asdict()} for size, costs in pairs for cost in costs]
        click.echo(json.dumps(found, indent=1))
        return
    click.echo(f"{'':<44}" + "".join(f"{size:>12,}" for size in sizes))
    for costs in zip(*columns, strict=True):
        first = costs[0]
        name = f"{first.kind:<8}{first.name}: {first.decision}"
        click.echo(f"{name:<52}" + "".join(f"{cost.microseconds:>9.1f} µs" for cost in costs))
