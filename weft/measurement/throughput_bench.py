"""How much a model serves: one load of requests of different lengths, sent at once and served to the end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from statistics import mean

from weft.contracts.errors import ConfigurationError
from weft.measurement.contenders import Contender, FreshPrompts, ratios, take_turns
from weft.measurement.token_times import Spread, ThroughputRun, spread, spread_of_known

WARM_UP_REQUESTS = 8
"""Enough for batches of several sizes; all of them would double the time for little."""


@dataclass(frozen=True, slots=True)
class ThroughputSettings:
    """What is measured. Lengths are drawn evenly between mean * (1 - spread) and mean * (1 + spread), for
    prompts and outputs each; the seed draws the same lengths every time.

    The load is served `repeats` times, with other tokens each time, after a few requests that do not count.
    """

    num_prompts: int = 64
    prompt_tokens: int = 128
    output_tokens: int = 64
    spread: float = 0.5
    repeats: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0.0 <= self.spread < 1.0:
            raise ConfigurationError(f"spread is {self.spread}; it must be at least 0 and below 1")

    def lengths(self) -> list[tuple[int, int]]:
        """Prompt and output tokens of each request."""
        random = Random(self.seed)
        return [
            (self._draw(random, self.prompt_tokens), self._draw(random, self.output_tokens))
            for _ in range(self.num_prompts)
        ]

    def _draw(self, random: Random, mean_tokens: int) -> int:
        reach = round(mean_tokens * self.spread)
        # A reach of the whole mean, as of a mean of 1 or 2 tokens, would draw lengths of 0.
        reach = min(reach, mean_tokens - 1)
        return random.randint(mean_tokens - reach, mean_tokens + reach)

    @property
    def longest_tokens(self) -> int:
        """Prompt and output of the longest request."""
        return max(prompt + output for prompt, output in self.lengths())


@dataclass(frozen=True, slots=True)
class ThroughputFigures:
    """`ThroughputRun`s together. Counts are of one run: the load is the same in each; preemptions and prefix
    hits are those of all runs."""

    wall_s: Spread
    requests_per_s: Spread
    output_tokens_per_s: Spread
    total_tokens_per_s: Spread
    num_prompt_tokens: int
    num_output_tokens: int
    mean_running: Spread | None
    num_preemptions: int | None
    prefix_hit_tokens: int | None


@dataclass(frozen=True, slots=True)
class ThroughputReport:
    """Means of the lengths that were drawn, each contender's figures by name, and the first's output speed over
    the second's where there are two."""

    num_prompts: int
    mean_prompt_tokens: float
    mean_output_tokens: float
    figures: Mapping[str, ThroughputFigures]
    ratios: Mapping[str, Spread | None]


def bench_throughput(
    settings: ThroughputSettings,
    contenders: Sequence[Contender],
    vocab_size: int,
    tell: Callable[[str], None] = lambda what: None,
) -> ThroughputReport:
    """Serve the load with every contender in turn. `tell` is called before each run with what it is."""
    prompts, lengths = FreshPrompts(settings.seed, vocab_size), settings.lengths()
    loads = [prompts.jobs(lengths[:WARM_UP_REQUESTS])]
    loads += [prompts.jobs(lengths) for _ in range(settings.repeats)]
    runs = take_turns(contenders, loads, lambda contender, load: contender.throughput(load), tell)
    return ThroughputReport(
        len(lengths),
        mean(prompt for prompt, _ in lengths),
        mean(output for _, output in lengths),
        {name: throughput_figures(each) for name, each in runs.items()},
        ratios(runs, {"output": lambda run: run.num_output_tokens / run.wall_s}),
    )


def throughput_figures(runs: Sequence[ThroughputRun]) -> ThroughputFigures:
    """Runs of one contender together."""
    first = runs[0]
    return ThroughputFigures(
        spread([run.wall_s for run in runs]),
        spread([run.num_requests / run.wall_s for run in runs]),
        spread([run.num_output_tokens / run.wall_s for run in runs]),
        spread([(run.num_prompt_tokens + run.num_output_tokens) / run.wall_s for run in runs]),
        first.num_prompt_tokens,
        first.num_output_tokens,
        spread_of_known([run.mean_running for run in runs]),
        _total([run.num_preemptions for run in runs]),
        _total([run.prefix_hit_tokens for run in runs]),
    )


def _total(counts: Sequence[int | None]) -> int | None:
    return None if None in counts else sum(count for count in counts if count is not None)
