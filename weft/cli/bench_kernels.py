"""`weft bench kernels`: linear layers of the `cpu` backend beside what the machine can do."""

from typing import TYPE_CHECKING, Any

import click

from weft.cli.bench_output import COUNT, UNKNOWN, print_json, print_table
from weft.contracts.options import A16
from weft.measurement.kernel_bench import ALL, Ceilings, Figures, bench_kernels
from weft.measurement.kernel_contention import bench_contention
from weft.measurement.machine import describe_machine

if TYPE_CHECKING:
    from weft.ops.cpu.products import Products

FORMATS = ("int4", "int8", "none")
ROWS = (1, 4, 8, 16, 32, 512)
HEADS = ("rows", "layer", "ms", "GB/s", "of reading", "GOP/s", "of peak", "tokens/s")
CONTENTION_HEADS = ("format", "rows", "alone", "busy on one processor", "busy on any")
GIGA = 1e9


@click.command()
@click.option("--quantization", "kinds", multiple=True, default=FORMATS, show_default=True, help="Formats.")
@click.option(
    "--rows", "sizes", multiple=True, type=COUNT, default=ROWS, show_default=True, help="Rows at once."
)
@click.option("--passes", type=COUNT, default=9, show_default=True, help="Over the model; the median counts.")
@click.option("--threads", type=COUNT, help="[default: as many as may be used]")
@click.option("--level", help="Of instructions.  [default: the fastest]")
@click.option("--contention", is_flag=True, help="Speed beside a busy process instead of shares of ceilings.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of tables.")
def command(
    kinds: tuple[str, ...],
    sizes: tuple[int, ...],
    passes: int,
    threads: int | None,
    level: str | None,
    contention: bool,
    as_json: bool,
) -> None:
    """Time the linear layers of a Llama-shaped model of 349 M parameters: each one, and all of them in a row.

    512 rows are one prompt, whose last token alone goes through the head. Ceilings are measured before each pass, since
    a machine may change its speed: all threads read 256 MiB, or do nothing but multiply.
    """
    from weft.executor.limits import available_processors
    from weft.ops.cpu.products import Products

    products = Products(threads or available_processors(), level)
    report: dict[str, Any] = {"machine": describe_machine(), "level": products.level, "runs": []}
    if contention:
        _contend(products, kinds, sizes, report, as_json)
        return
    for kind in kinds:
        for ceilings, figures in bench_kernels(products, kind, sizes, passes):
            report["runs"].append(
                {"ceilings": ceilings._asdict(), "figures": [each._asdict() for each in figures]}
            )
            if not as_json:
                _show(kind, products.level, ceilings, figures)
    if as_json:
        print_json(report)


def _contend(
    products: "Products",
    kinds: tuple[str, ...],
    sizes: tuple[int, ...],
    report: dict[str, Any],
    as_json: bool,
) -> None:
    found = [each for kind in kinds for each in bench_contention(products, kind, sizes)]
    if as_json:
        print_json({**report, "runs": [each._asdict() for each in found]})
        return
    print_table(
        CONTENTION_HEADS,
        [
            [each.format, str(each.rows), f"{each.quiet:,.0f}", *_beside(each.quiet, each.pinned, each.free)]
            for each in found
        ],
    )


def _beside(quiet: float, *others: float) -> list[str]:
    return [f"{other:,.0f} ({other / quiet:.0%})" for other in others]


def _show(kind: str, level: str, ceilings: Ceilings, figures: list[Figures]) -> None:
    peaks = ", ".join(
        f"{name} {value / GIGA:,.0f} GOP/s"
        for name, value in zip(("int8", "bfloat16", "float32"), ceilings[1:], strict=True)
    )
    click.echo(f"\n{kind} on {level}; reading {ceilings.bytes_per_s / GIGA:.1f} GB/s, {peaks}")
    print_table(HEADS, [_row(each, ceilings) for each in figures])


def _row(figures: Figures, ceilings: Ceilings) -> list[str]:
    peak = peak_of(figures.format, ceilings)
    return [
        str(figures.rows),
        figures.layer,
        f"{figures.seconds * 1e3:.2f}",
        f"{figures.bytes_per_s / GIGA:.1f}",
        f"{figures.bytes_per_s / ceilings.bytes_per_s:.0%}",
        f"{figures.operations_per_s / GIGA:,.0f}",
        f"{figures.operations_per_s / peak:.0%}",
        f"{figures.tokens_per_s:,.0f}" if figures.layer == ALL else UNKNOWN,
    ]


def peak_of(kind: str, ceilings: Ceilings) -> float:
    """Operations per second of the instructions that a format's products are made of."""
    if kind.startswith("int") and not kind.endswith(A16):
        return ceilings.int8_per_s
    return ceilings.bfloat16_per_s or ceilings.float32_per_s
