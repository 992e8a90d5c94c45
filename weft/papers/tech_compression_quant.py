"""Quantised weights: bytes that are not read become tokens per second, as long as reading is what takes the time."""

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from weft.measurement.bench_model import RANDOM_MODEL
from weft.measurement.kernel_bench import make_layers, make_pass
from weft.model_specs.families import spec_from_config
from weft.papers.card import Card, Claim, Effect, Observation, Origin, Pair, Regime

if TYPE_CHECKING:
    from weft.ops.cpu.products import Products
    from weft.ops.cpu.trials import Layers

FOURTH, HALF, FURTHER = "int4 over bfloat16", "int8 over bfloat16", "int4 over int8"
KINDS = ("none", "int8", "int4")
THREADS = 2
PASSES = 3


class Step(NamedTuple):
    """A point of the grid: a step of so many rows through a model of so many layers, and a head of so many outputs."""

    name: str
    rows: int
    num_layers: int
    vocab_size: int


def measure(step: Step, seed: int) -> Observation:
    """All formats in turns, of each the shortest pass, since what else runs on the machine can only add to it. What is
    random in the weights changes no time, so a seed is one more repetition."""
    del seed
    products, layers = _model(step.num_layers, step.vocab_size)
    passes = [make_pass(each, products, step.rows) for each in layers]
    rounds = [[sum(each.times()) for each in passes] for _ in range(PASSES + 1)]
    whole, half, fourth = (step.rows / min(times) for times in zip(*rounds[1:], strict=True))
    num_bytes = {
        kind: sum(call.weight_bytes for call in each.calls) for kind, each in zip(KINDS, passes, strict=True)
    }
    return Observation(
        {FOURTH: Pair(whole, fourth), HALF: Pair(whole, half), FURTHER: Pair(half, fourth)},
        {"bytes": num_bytes},
    )


@cache
def _model(num_layers: int, vocab_size: int) -> "tuple[Products, list[Layers]]":
    from weft.ops.cpu.products import Products

    config: dict[str, Any] = {**RANDOM_MODEL, "num_hidden_layers": num_layers, "vocab_size": vocab_size}
    spec = spec_from_config(config, "the random model")
    return Products(THREADS), [make_layers(spec, kind) for kind in KINDS]


GRID = tuple(
    Step(
        f"{rows} row{'s' if rows > 1 else ''}",
        rows,
        RANDOM_MODEL["num_hidden_layers"],
        RANDOM_MODEL["vocab_size"],
    )
    for rows in (1, 2, 4, 8, 16, 32, 512)
)

_WHERE = "one row through the linear layers of a Llama of 349 M parameters, 2 threads"

CARD = Card(
    id="tech-compression-quant",
    title="Compression and quantization (a common technique)",
    venue="course notes, table of techniques",
    year=2024,
    claims=(
        Claim(
            quantity=FOURTH,
            number=2.67,
            effect=Effect.RATIO,
            unit="times the tokens per second",
            where=_WHERE,
            source="ours: 4.5 bits for 16 are 3.56 times fewer bytes, of which three quarters are to become speed; "
            "written when the kernels' own figures (docs/benchmarks/cpu.md) had shown 3.2, before any run of this card",
            origin=Origin.OURS,
        ),
        Claim(
            quantity=HALF,
            number=1.5,
            effect=Effect.RATIO,
            unit="times the tokens per second",
            where=_WHERE,
            source="ours, likewise: three quarters of 2; the figures had shown 1.96",
            origin=Origin.OURS,
        ),
        Claim(
            quantity=FURTHER,
            number=1.33,
            effect=Effect.RATIO,
            unit="times the tokens per second",
            where=_WHERE,
            source="ours, likewise: three quarters of 1.78; the figures had shown 1.64, and 0.88 for 512 rows, where "
            "products are the same and unpacking comes on top",
            origin=Origin.OURS,
        ),
    ),
    mechanism="Weights are kept as integers of 8 or 4 bits with a scale per output or per 32 inputs, so that a step "
    "reads a half or 0.28 of the bytes; activations become int8 as the step runs, and products are of integers.",
    files=(
        "weft/weights/packed.py",
        "weft/weights/packing.py",
        "weft/ops/cpu/cpp/tile_integers.h",
        "weft/ops/cpu/cpp/prepare.h",
    ),
    baseline="The same layers in bfloat16 by the same kernels, which multiply pairs of bfloat16; for int4 over int8, "
    "those in int8.",
    grid=GRID,
    quick=Step("quick", 1, 2, 1024),
    measure=measure,
    regime=Regime.LIVE_CPU,
    regime_reason="decoding on a CPU is bound by reading weights, and many rows are bound by products",
    departures=(
        "only linear layers and the head, one after the other as a step has them: attention, norms and sampling, which "
        "gain nothing by it, would make every ratio smaller",
        "integer products have twice the peak of pairs of bfloat16 on this processor, so a gain with many rows is of "
        "arithmetic, not of bytes; int4 over int8, which multiply alike, shows bytes alone",
        "what is lost in quality is told elsewhere (docs/quantization.md)",
    ),
    finding="Two of the three numbers do not hold for one row, if narrowly: int4 takes 2.6 times the tokens of "
    "bfloat16 (2.67 were wanted, of 3.56 times fewer bytes) and 1.26 times those of int8 (1.33, of 1.78); "
    "int8 takes 2.06 times those of bfloat16. From 2 to 8 rows int4 over int8 is at 1.45 to 1.55. With more "
    "rows reading is no longer what takes the time: 1.2 at 16, and 0.75 at 512, where both multiply bytes "
    "alike and int4 is unpacked besides. So int4 is for few sequences, int8 for many. What stays over "
    "bfloat16 with 512 rows (4.0 and 5.3) is arithmetic: pairs of bfloat16 are slower on this processor than "
    "on the one of docs/benchmarks/cpu.md (300 tokens per second against 650), integers are not. The "
    "machine's memory became twice as fast in the third setting; formats take turns within each.",
)
