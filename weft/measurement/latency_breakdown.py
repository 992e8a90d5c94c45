"""Where the time of one request goes, by stage, as the client of a server sees it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import NamedTuple

from weft.measurement.latency_asking import ask, ask_watched
from weft.measurement.latency_client import Chats, Reply
from weft.measurement.latency_process import WatchedServer
from weft.measurement.latency_stages import Part, Stage
from weft.measurement.latency_trace import Trace, break_down
from weft.measurement.token_times import Spread, spread, spread_of_known


@dataclass(frozen=True, slots=True)
class BreakdownSettings:
    """Requests of each prompt length, one at a time, streamed and in one piece, watched and not: each of these
    `repeats` times, after one that does not count."""

    prompt_tokens: tuple[int, ...] = (128,)
    output_tokens: int = 32
    repeats: int = 3
    seed: int = 0

    @property
    def num_rounds(self) -> int:
        """Of four requests each."""
        return len(self.prompt_tokens) * (1 + self.repeats)


@dataclass(frozen=True, slots=True)
class StageFigures:
    """`ms` and `share`: of requests in the middle, see `middle`; these add up. `median_ms`: of all; these need not.
    `beside_ms`: worked behind other stages; None for waiting."""

    ms: float
    share: float
    median_ms: float
    beside_ms: float | None


@dataclass(frozen=True, slots=True)
class PartFigures:
    """`whole_ms`: what the stages add up to."""

    whole_ms: float
    stages: Mapping[str, StageFigures]


@dataclass(frozen=True, slots=True)
class BreakdownRow:
    """Requests of one size. `unwatched_…`: of others without the instrument, in turns with it; `added_…`: what a
    watched one took more than its neighbour. `calls`: watched in a request. `parts`: "first" until the first token,
    "after", and "all"; of an answer in one piece "all"."""

    prompt_tokens: int
    output_tokens: int
    streamed: bool
    ttft_ms: Spread | None
    latency_ms: Spread
    unwatched_ttft_ms: Spread | None
    unwatched_latency_ms: Spread
    added_ttft_ms: Spread | None
    added_latency_ms: Spread
    calls: int
    parts: Mapping[str, PartFigures]


def bench_breakdown(
    settings: BreakdownSettings, server: WatchedServer, tell: Callable[[str], None] = lambda what: None
) -> list[BreakdownRow]:
    """Two rows per prompt length, that of streams first. `tell` is called before each round with what it is."""
    chats = Chats(server.port, settings.seed)
    rows = []
    for tokens in settings.prompt_tokens:
        rounds = []
        for number in range(1 + settings.repeats):
            tell(f"{tokens} + {settings.output_tokens}")
            rounds.append(_round(server, chats, (tokens, settings.output_tokens), number))
        rows += [_row((tokens, settings.output_tokens), streamed, rounds[1:]) for streamed in (True, False)]
    return rows


class _Pair(NamedTuple):
    watched: Trace
    unwatched: Reply


def _round(server: WatchedServer, chats: Chats, size: tuple[int, int], number: int) -> dict[bool, _Pair]:
    """Who is first takes turns."""
    found = {}
    for streamed in (True, False):
        traces, replies = list[Trace](), list[Reply]()
        for is_watched in (True, False) if number % 2 else (False, True):
            body = chats.body(*size, stream=streamed)
            if is_watched:
                traces.append(ask_watched(server, body))
            else:
                replies.append(ask(server, body))
        found[streamed] = _Pair(traces[0], replies[0])
    return found


def _row(size: tuple[int, int], streamed: bool, rounds: Sequence[Mapping[bool, _Pair]]) -> BreakdownRow:
    pairs = [each[streamed] for each in rounds]
    traces = [each.watched for each in pairs]
    return BreakdownRow(
        *size,
        streamed,
        spread_of_known([_ttft_ms(each) for each in traces]),
        spread([_latency_ms(each) for each in traces]),
        spread_of_known([_ttft_ms(each.unwatched) for each in pairs]),
        spread([_latency_ms(each.unwatched) for each in pairs]),
        spread_of_known([_added_ttft_ms(each) for each in pairs]),
        spread([_latency_ms(each.watched) - _latency_ms(each.unwatched) for each in pairs]),
        round(median(len(each.spans) for each in traces)),
        figures(traces),
    )


def _ttft_ms(seen: Trace | Reply) -> float | None:
    return None if seen.first_s is None else 1e3 * (seen.first_s - seen.sent_s)


def _added_ttft_ms(pair: _Pair) -> float | None:
    watched, unwatched = _ttft_ms(pair.watched), _ttft_ms(pair.unwatched)
    return None if watched is None or unwatched is None else watched - unwatched


def _latency_ms(seen: Trace | Reply) -> float:
    return 1e3 * (seen.ended_s - seen.sent_s)


def figures(traces: Sequence[Trace]) -> dict[str, PartFigures]:
    """Of requests of one size."""
    ordered = sorted(traces, key=_latency_ms)
    found = [break_down(each) for each in ordered]
    alls = [joined(first, after) for first, after in found]
    parts = {"all": part_figures(alls)}
    afters = [each.after for each in found if each.after is not None]
    if afters:
        parts = {
            "first": part_figures([each.first for each in found]),
            "after": part_figures(afters),
            **parts,
        }
    return parts


def joined(first: Part, after: Part | None) -> Part:
    """Two stretches of time, one after the other."""
    if after is None:
        return first
    stages_s = {stage: first.stages_s[stage] + after.stages_s[stage] for stage in first.stages_s}
    beside_s = {stage: first.beside_s[stage] + after.beside_s[stage] for stage in first.beside_s}
    return Part(first.whole_s + after.whole_s, stages_s, beside_s)


def part_figures(ordered: Sequence[Part]) -> PartFigures:
    """The same part of requests that are ordered by their latency."""
    kept = middle(ordered)
    whole_ms = 1e3 * fmean(each.whole_s for each in kept)
    stages = {}
    for stage in Stage:
        ms = 1e3 * fmean(each.stages_s[stage] for each in kept)
        median_ms = 1e3 * median(each.stages_s[stage] for each in ordered)
        beside = [each.beside_s[stage] for each in kept if stage in each.beside_s]
        stages[stage.value] = StageFigures(
            ms, ms / whole_ms if whole_ms else 0.0, median_ms, 1e3 * fmean(beside) if beside else None
        )
    return PartFigures(whole_ms, stages)


def middle(ordered: Sequence[Part]) -> Sequence[Part]:
    """About the middle half. Its mean is nearly as steady as a median, and unlike medians, means add up."""
    outside = (len(ordered) + 1) // 4
    return ordered[outside : len(ordered) - outside]
