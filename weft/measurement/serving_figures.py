"""The figures of a served load, live or simulated: the block that `vllm bench serve` prints.

All times are seconds on one clock; nothing here reads it. Latencies count from the *intended* arrival, so that a
client or a queue that lags hides nothing (Tene's "coordinated omission").
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from weft.contracts.record import record
from weft.measurement.log_histogram import LogHistogram
from weft.observation.instruments import LabelledCounter

WIDTH = 50
UNKNOWN = "–"


@record
class RequestTimes:
    """One request that was answered whole, as its client saw it.

    `arrival_s`: when it was meant to be sent. `token_gaps`: times between an output and the next, as (gap in
    seconds, how often it occurred); without them there is no inter-token latency.
    """

    arrival_s: float
    first_token_s: float
    last_token_s: float
    prompt_tokens: int
    output_tokens: int
    token_gaps: Collection[tuple[float, int]] = ()


@dataclass(frozen=True, slots=True)
class Latency:
    """How one latency is distributed. The mean is exact, the others are within `RELATIVE_ERROR`."""

    mean_s: float
    median_s: float
    p90_s: float
    p99_s: float


@dataclass(frozen=True, slots=True)
class ServingReport:
    """What a load got. Failed requests are in `failures`, by reason, and in no other figure.

    `duration_s`: from the first intended arrival to the last token. `ttft`: time to the first token. `tpot`: mean
    time per output token after the first, of requests with two or more. `itl`: time between an output and the
    next. `e2e`: to the last token. None: there was nothing to measure.
    """

    num_requests: int
    failures: Mapping[str, int]
    duration_s: float
    prompt_tokens: int
    output_tokens: int
    ttft: Latency | None
    tpot: Latency | None
    itl: Latency | None
    e2e: Latency | None

    @property
    def num_failed(self) -> int:
        """Requests that were not answered whole."""
        return sum(self.failures.values())

    @property
    def requests_per_s(self) -> float:
        """Requests answered per second."""
        return self._per_s(self.num_requests)

    @property
    def output_tokens_per_s(self) -> float:
        """Output tokens per second."""
        return self._per_s(self.output_tokens)

    @property
    def total_tokens_per_s(self) -> float:
        """Tokens of prompts and outputs per second."""
        return self._per_s(self.prompt_tokens + self.output_tokens)

    def _per_s(self, amount: int) -> float:
        return amount / self.duration_s if self.duration_s else 0.0

    def as_json(self) -> dict[str, Any]:
        """Under the names of `vllm bench serve`'s result files, so that tools for these read it."""
        known: dict[str, Any] = {
            "completed": self.num_requests,
            "failed": self.num_failed,
            "failures": dict(self.failures),
            "duration": self.duration_s,
            "total_input_tokens": self.prompt_tokens,
            "total_output_tokens": self.output_tokens,
            "request_throughput": self.requests_per_s,
            "output_throughput": self.output_tokens_per_s,
            "total_token_throughput": self.total_tokens_per_s,
        }
        for name, latency in (
            ("ttft", self.ttft),
            ("tpot", self.tpot),
            ("itl", self.itl),
            ("e2el", self.e2e),
        ):
            known |= {f"{of}_{name}_ms": value for of, value in _in_ms(latency).items()}
        return known

    def as_text(self) -> str:
        """The block, in lines."""
        lines = [f"{' Serving Benchmark Result ':=^{WIDTH}}", *self._totals()]
        for heading, name, latency in (
            ("Time to First Token", "TTFT", self.ttft),
            ("Time per Output Token (excl. 1st token)", "TPOT", self.tpot),
            ("Inter-token Latency", "ITL", self.itl),
            ("End-to-end Latency", "E2EL", self.e2e),
        ):
            lines.append(f"{heading:-^{WIDTH}}")
            lines += [
                _line(f"{of.capitalize()} {name} (ms):", value) for of, value in _in_ms(latency).items()
            ]
        return "\n".join([*lines, "=" * WIDTH])

    def _totals(self) -> list[str]:
        return [
            _line("Successful requests:", self.num_requests),
            _line("Failed requests:", self.num_failed),
            *(_line(f"  {reason}:", count) for reason, count in self.failures.items()),
            _line("Benchmark duration (s):", self.duration_s),
            _line("Total input tokens:", self.prompt_tokens),
            _line("Total generated tokens:", self.output_tokens),
            _line("Request throughput (req/s):", self.requests_per_s),
            _line("Output token throughput (tok/s):", self.output_tokens_per_s),
            _line("Total token throughput (tok/s):", self.total_tokens_per_s),
        ]


def _in_ms(latency: Latency | None) -> dict[str, float | None]:
    if latency is None:
        return dict.fromkeys(("mean", "median", "p90", "p99"))
    return {
        "mean": 1e3 * latency.mean_s,
        "median": 1e3 * latency.median_s,
        "p90": 1e3 * latency.p90_s,
        "p99": 1e3 * latency.p99_s,
    }


def _line(label: str, value: float | None) -> str:
    shown = UNKNOWN if value is None else str(value) if isinstance(value, int) else f"{value:.2f}"
    return f"{label:<40} {shown}"


class ServingFigures:
    """Folds requests as they end; memory does not grow with them."""

    def __init__(self) -> None:
        self._ttft, self._tpot, self._itl, self._e2e = (LogHistogram() for _ in range(4))
        self._failures = LabelledCounter()
        self._first_arrival_s, self._last_token_s = float("inf"), float("-inf")
        self._prompt_tokens = self._output_tokens = 0

    def add(self, times: RequestTimes) -> None:
        """Count a request that was answered whole."""
        arrival_s, first_s, last_s = times.arrival_s, times.first_token_s, times.last_token_s
        self._first_arrival_s = min(self._first_arrival_s, arrival_s)
        self._last_token_s = max(self._last_token_s, last_s)
        self._prompt_tokens += times.prompt_tokens
        self._output_tokens += times.output_tokens
        self._ttft.observe(first_s - arrival_s)
        self._e2e.observe(last_s - arrival_s)
        if times.output_tokens > 1:
            self._tpot.observe((last_s - first_s) / (times.output_tokens - 1))
        self._itl.observe_each(times.token_gaps)

    def fail(self, reason: str) -> None:
        """Count a request that was not; beyond 64 reasons the rest count as "other"."""
        self._failures.inc(reason)

    def report(self) -> ServingReport:
        """The figures so far."""
        num_requests = self._e2e.count
        return ServingReport(
            num_requests,
            dict(self._failures.by_label),
            self._last_token_s - self._first_arrival_s if num_requests else 0.0,
            self._prompt_tokens,
            self._output_tokens,
            *map(_latency, (self._ttft, self._tpot, self._itl, self._e2e)),
        )


def _latency(histogram: LogHistogram) -> Latency | None:
    mean_s, median_s, p90_s, p99_s = histogram.mean, *map(histogram.quantile, (0.5, 0.9, 0.99))
    if mean_s is None or median_s is None or p90_s is None or p99_s is None:
        return None
    return Latency(mean_s, median_s, p90_s, p99_s)
