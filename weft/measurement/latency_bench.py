"""How fast a model answers: batches of one size and length at a time, each sent at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from weft.measurement.contenders import Contender, FreshPrompts, ratios, take_turns
from weft.measurement.token_times import LatencyRun, Spread, spread, spread_of_known

SPEEDS: Mapping[str, Callable[[LatencyRun], float | None]] = {
    "prefill": lambda run: run.prefill_tokens_per_s,
    "decode": lambda run: run.decode_tokens_per_s,
}


@dataclass(frozen=True, slots=True)
class LatencySettings:
    """What is measured: every batch size with every prompt length, and one prompt of `prefill_tokens` alone.

    Each is run `repeats` times, after one run that does not count.
    """

    batches: tuple[int, ...] = (1, 4, 8, 16, 32)
    prompt_tokens: tuple[int, ...] = (128,)
    output_tokens: int = 32
    prefill_tokens: int = 512
    repeats: int = 3
    seed: int = 0

    @property
    def longest_tokens(self) -> int:
        """Prompt and output of the longest request."""
        return max(max(self.prompt_tokens) + self.output_tokens, self.prefill_tokens + 1)

    @property
    def shapes(self) -> list[tuple[int, int, int]]:
        """As (batch, prompt tokens, output tokens), the single prompt first."""
        lengths = [
            (batch, prompt, self.output_tokens) for prompt in self.prompt_tokens for batch in self.batches
        ]
        return [(1, self.prefill_tokens, 1), *lengths]

    @property
    def runs_per_contender(self) -> int:
        """Of all shapes, those that do not count included."""
        return len(self.shapes) * (1 + self.repeats)


@dataclass(frozen=True, slots=True)
class LatencyFigures:
    """`LatencyRun`s of one shape together, times in milliseconds. `num_output_tokens`: of all of them."""

    ttft_ms: Spread
    tpot_ms: Spread | None
    itl_p99_ms: Spread | None
    prefill_tokens_per_s: Spread
    decode_tokens_per_s: Spread | None
    num_output_tokens: int
    prefix_hit_tokens: int


@dataclass(frozen=True, slots=True)
class LatencyRow:
    """One shape: each contender's figures by name, and the first's speeds over the second's where there are two."""

    batch: int
    prompt_tokens: int
    output_tokens: int
    figures: Mapping[str, LatencyFigures]
    ratios: Mapping[str, Spread | None]


def bench_latency(
    settings: LatencySettings,
    contenders: Sequence[Contender],
    vocab_size: int,
    tell: Callable[[str], None] = lambda what: None,
) -> list[LatencyRow]:
    """A row per shape, that of the single prompt first. `tell` is called before each run with what it is."""
    prompts = FreshPrompts(settings.seed, vocab_size)
    return [_bench_shape(settings.repeats, shape, contenders, prompts, tell) for shape in settings.shapes]


def _bench_shape(
    repeats: int,
    shape: tuple[int, int, int],
    contenders: Sequence[Contender],
    prompts: FreshPrompts,
    tell: Callable[[str], None],
) -> LatencyRow:
    batch, prompt_tokens, output_tokens = shape
    loads = [prompts.jobs([(prompt_tokens, output_tokens)] * batch) for _ in range(1 + repeats)]
    runs = take_turns(
        contenders,
        loads,
        lambda contender, load: contender.latency(load),
        lambda name: tell(f"{name} {batch} x {prompt_tokens}"),
    )
    figures = {name: latency_figures(each) for name, each in runs.items()}
    return LatencyRow(batch, prompt_tokens, output_tokens, figures, ratios(runs, SPEEDS))


def latency_figures(runs: Sequence[LatencyRun]) -> LatencyFigures:
    """Runs of one contender and one shape together."""
    return LatencyFigures(
        spread([1e3 * run.ttft_s for run in runs]),
        spread_of_known([_ms(run.tpot_s) for run in runs]),
        spread_of_known([_ms(run.itl_p99_s) for run in runs]),
        spread([run.prefill_tokens_per_s for run in runs]),
        spread_of_known([run.decode_tokens_per_s for run in runs]),
        sum(run.num_output_tokens for run in runs),
        sum(run.prefix_hit_tokens for run in runs),
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1e3 * seconds
