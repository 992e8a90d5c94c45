"""How a simulated service fared over time: figures per bin of time, in memory that does not grow with the run."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from weft.contracts.events import StepRecord, StepRun, Transition
from weft.observation.event_log import EventLog
from weft.observation.instruments import Histogram
from weft.observation.token_intervals import TokenIntervals

MOST_BINS = 512
FINEST_BIN_S = 600.0 / (1 << 16)
"""Bins double from here, so that ten minutes and their half stay edges of bins."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Figures per bin of `bin_s` seconds, from time 0 to the last step.

    `running`, `waiting`: sequences, mean over the bin, all replicas together. `kv_usage`: share of the blocks in
    use, mean over bin and replicas. `output_tokens`: that came in the bin.
    """

    bin_s: float
    running: tuple[float, ...]
    waiting: tuple[float, ...]
    kv_usage: tuple[float, ...]
    output_tokens: tuple[float, ...]

    def coarser(self, most_bins: int) -> "Timeline":
        """The same with neighbouring bins taken together, until there are at most so many."""
        joined = -(-len(self.running) // most_bins)

        def sums(values: Sequence[float]) -> list[float]:
            return [sum(values[begin : begin + joined]) for begin in range(0, len(values), joined)]

        sizes = sums([1.0] * len(self.running))
        running, waiting, kv_usage = (
            tuple(total / size for total, size in zip(sums(values), sizes, strict=True))
            for values in (self.running, self.waiting, self.kv_usage)
        )
        return Timeline(self.bin_s * joined, running, waiting, kv_usage, tuple(sums(self.output_tokens)))

    def tokens_between(self, from_s: float, to_s: float) -> float:
        """Output tokens from one time to another; of a bin that is cut, in proportion."""
        total = 0.0
        for index, tokens in enumerate(self.output_tokens):
            begin_s = index * self.bin_s
            overlap_s = min(to_s, begin_s + self.bin_s) - max(from_s, begin_s)
            total += tokens * max(0.0, overlap_s) / self.bin_s
        return total


class BinnedSums:
    """Sums per bin of time, of several series. Where time passes the last bin, pairs of bins become one."""

    def __init__(self, num_series: int) -> None:
        self.bin_s = FINEST_BIN_S
        self.sums = [[0.0] * MOST_BINS for _ in range(num_series)]

    def add(self, series: int, time_s: float, amount: float) -> None:
        """Something that happened at a time."""
        index = self._bin(time_s)  # may put other lists in place of the sums
        self.sums[series][index] += amount

    def add_each(self, series: int, times_s: Sequence[float], amount: float) -> None:
        """So much at each of these times, which are in order."""
        begin, last = 0, self._bin(times_s[-1])
        while (index := int(times_s[begin] / self.bin_s)) < last:
            end = bisect_left(times_s, (index + 1) * self.bin_s, begin + 1)
            self.sums[series][index] += amount * (end - begin)
            begin = end
        self.sums[series][last] += amount * (len(times_s) - begin)

    def add_span(self, from_s: float, to_s: float, values: Sequence[float]) -> None:
        """Values of the first series that stood from one time to another: value times seconds goes to their sums."""
        last = self._bin(to_s)
        while (index := int(from_s / self.bin_s)) < last:
            edge_s = (index + 1) * self.bin_s
            self._add_seconds(index, edge_s - from_s, values)
            from_s = edge_s
        self._add_seconds(last, to_s - from_s, values)

    def _add_seconds(self, index: int, seconds: float, values: Sequence[float]) -> None:
        for series in range(len(values)):
            sums = self.sums[series]
            sums[index] = sums[index] + values[series] * seconds

    def _bin(self, time_s: float) -> int:
        while (index := int(time_s / self.bin_s)) >= MOST_BINS:
            self._halve()
        return index

    def _halve(self) -> None:
        self.bin_s *= 2
        empty = [0.0] * (MOST_BINS // 2)
        for series, sums in enumerate(self.sums):
            merged = [first + second for first, second in zip(sums[::2], sums[1::2], strict=True)]
            self.sums[series] = merged + empty


_NUM_LEVELS, _TOKENS = 3, 3


class TimelineFold:
    """Folds the steps of all replicas as they pass. `num_blocks`: of each replica's cache."""

    def __init__(self, num_blocks: int) -> None:
        self._num_blocks = num_blocks
        self._bins = BinnedSums(_NUM_LEVELS + 1)
        self._replicas: list[_ReplicaFold] = []

    def watch(self, _replica: int, log: EventLog) -> None:
        """Follow the log of a replica from now on."""
        self._replicas.append(_ReplicaFold(self._bins, log))

    def timeline(self) -> Timeline:
        """What was folded so far."""
        for replica in self._replicas:
            replica.flush()
        bin_s, last_s = self._bins.bin_s, max((replica.last_s for replica in self._replicas), default=0.0)
        num_bins = int(last_s / bin_s) + 1
        lengths_s = [min(last_s - index * bin_s, bin_s) or bin_s for index in range(num_bins)]
        running, waiting, blocks = (
            [amount / length_s for amount, length_s in zip(sums, lengths_s, strict=False)]
            for sums in self._bins.sums[:_NUM_LEVELS]
        )
        all_blocks = self._num_blocks * max(1, len(self._replicas))
        return Timeline(
            bin_s,
            tuple(running),
            tuple(waiting),
            tuple(used / all_blocks for used in blocks),
            tuple(self._bins.sums[_TOKENS][:num_bins]),
        )


class _ReplicaFold:
    """Puts one replica's steps into bins. `last_s`: when the last one returned."""

    def __init__(self, bins: BinnedSums, log: EventLog) -> None:
        self._bins, self._intervals = bins, TokenIntervals(_Unheard())
        self._since_s = self.last_s = 0.0
        self._levels = (0, 0, 0)
        log.subscribe(self._intervals.on_transition, Transition)
        log.subscribe_steps(self._on_step, self._on_run)

    def _on_step(self, record: StepRecord) -> None:
        num_tokens = self._intervals.on_step(record)
        self._take(record.time_s, num_tokens, (record.num_running, record.num_waiting, record.used_blocks))

    def _on_run(self, run: StepRun) -> None:
        num_tokens = self._intervals.on_step(next(run.records()))
        for index, used_blocks in run.used_blocks:
            self._take(run.times_s[index], 0, (run.num_running, 0, used_blocks))
        self.last_s = run.times_s[-1]
        self._bins.add_each(_TOKENS, run.times_s, num_tokens)

    def _take(self, time_s: float, num_tokens: int, levels: tuple[int, int, int]) -> None:
        self.last_s = time_s
        if num_tokens:
            self._bins.add(_TOKENS, time_s, num_tokens)
        if levels != self._levels:
            self.flush()
            self._levels = levels

    def flush(self) -> None:
        """Let the bins have the levels up to the last step."""
        self._bins.add_span(self._since_s, self.last_s, self._levels)
        self._since_s = self.last_s


class _Unheard(Histogram):
    """Forgets what it is told: only the count of tokens is wanted."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__((1.0,))

    def observe(self, value: float, count: int = 1) -> None:
        """Nothing."""
