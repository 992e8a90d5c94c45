"""ServeGen (Xiang et al., arXiv 2505.09999): a load is the sum of clients, each with a rate and lengths of its own.

Its published data are no trace but what each client did per window of ten minutes. They are read from a directory
with two tables (CSV, JSON lines or Parquet): `arrival_windows` with columns `model`, `client`, `window_start_s`,
`rate_rps`, `pattern` (Gamma or Weibull), `param1` (the shape of the gaps); and `length_quantiles` with `model`,
`client`, `window_start_s`, `field` (`input_tokens` or `output_tokens`) and quantiles in percent, `q0` to `q100`.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from heapq import merge
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeVar

from weft.contracts.prompts import LengthPrompt
from weft.workloads.arrivals import Arrivals
from weft.workloads.checks import check_rate
from weft.workloads.distributions import Distribution, Gamma, Quantiles, Weibull
from weft.workloads.errors import TraceError, WorkloadError
from weft.workloads.lengths import Independent
from weft.workloads.reading.row import Row
from weft.workloads.reading.row_files import read_rows
from weft.workloads.sessions import Client, Session, Turn
from weft.workloads.streams import named_stream

WINDOW_S = 600.0
_SUFFIXES = (".parquet", ".csv", ".jsonl", ".csv.gz", ".jsonl.gz")


class Window(NamedTuple):
    """What a client did from `start_s` on, for ten minutes."""

    start_s: float
    rate_per_s: float
    gaps: Distribution


class LengthWindow(NamedTuple):
    """The lengths of a client's requests from `start_s` on, until the next such window."""

    start_s: float
    lengths: Independent


AnyWindow = TypeVar("AnyWindow", Window, LengthWindow)


class ServeGenClient(NamedTuple):
    """One client of a model; `number` as in the tables."""

    number: int
    windows: tuple[Window, ...]
    lengths: tuple[LengthWindow, ...]


@dataclass(frozen=True, slots=True)
class ServeGenWorkload:
    """The clients of one `model` of a ServeGen directory, from its first window on.

    Clients of which the tables tell no lengths are left out. Tenants are called `client-0` and on.
    `factor` raises each client's rate alike, which keeps windows where they are.
    """

    directory: Path
    model: str
    seed: int = 0
    factor: float = 1.0
    clients: tuple[ServeGenClient, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "clients", _clients(self.directory, self.model))

    @property
    def name(self) -> str:
        return f"servegen-{self.model}"

    @property
    def rate_per_s(self) -> float:
        return (
            self.factor
            * sum(window.rate_per_s * WINDOW_S for client in self.clients for window in client.windows)
            / (self._end_s() - self._start_s())
        )

    def at_rate(self, rate_per_s: float) -> "ServeGenWorkload":
        """All clients faster or slower alike, so that together they send this many requests per second."""
        check_rate(rate_per_s)
        return replace(self, factor=self.factor * rate_per_s / self.rate_per_s)

    def sessions(self) -> Iterator[Session]:
        streams = [self._client_sessions(client) for client in self.clients]
        for number, session in enumerate(merge(*streams, key=lambda session: session.arrival_s)):
            yield session._replace(number=number)

    def _client_sessions(self, client: ServeGenClient) -> Iterator[Session]:
        random = named_stream(self.seed, f"lengths of {self.model} {client.number}")
        tenant, origin_s = Client(tenant=f"client-{client.number}"), self._start_s()
        starts_s = [window.start_s for window in client.lengths]
        for time_s in self._times_s(client):
            index = max(0, bisect_right(starts_s, time_s) - 1)
            turn = _turn(client.lengths[index].lengths, random)
            yield Session(0, time_s - origin_s, (turn,), tenant)

    def _times_s(self, client: ServeGenClient) -> Iterator[float]:
        for window in client.windows:
            arrivals = Arrivals(window.rate_per_s * self.factor, window.gaps)
            seed = named_stream(self.seed, f"{self.model} {client.number} {window.start_s}").getrandbits(63)
            for time_s in arrivals.times_s(seed):
                if time_s >= WINDOW_S:
                    break
                yield window.start_s + time_s

    def _start_s(self) -> float:
        return min(client.windows[0].start_s for client in self.clients)

    def _end_s(self) -> float:
        return max(client.windows[-1].start_s for client in self.clients) + WINDOW_S


def _turn(lengths: Independent, random: Random) -> Turn:
    prompt_tokens, output_tokens = lengths.draw(random)
    return Turn(LengthPrompt(prompt_tokens), output_tokens)


def _clients(directory: Path, model: str) -> tuple[ServeGenClient, ...]:
    lengths = _length_windows(directory, model)
    windows: dict[int, list[Window]] = {}
    models: dict[str, None] = {}
    for row in read_rows(_table(directory, "arrival_windows")):
        models[row.text("model")] = None
        if row.text("model") == model and row.whole("client") in lengths:
            windows.setdefault(row.whole("client"), []).append(_window(row))
    if not windows:
        known = ", ".join(models) or "none"
        raise WorkloadError(
            f"{directory}: no client of model {model!r} has rates and lengths; it has {known}"
        )
    return tuple(
        ServeGenClient(number, _by_start(windows[number]), _by_start(lengths[number]))
        for number in sorted(windows)
    )


def _by_start(windows: list[AnyWindow]) -> tuple[AnyWindow, ...]:
    return tuple(sorted(windows, key=lambda window: window.start_s))


def _window(row: Row) -> Window:
    rate_per_s, shape = row.seconds("rate_rps"), row.seconds("param1")
    if not rate_per_s or not shape:
        raise row.problem("param1" if rate_per_s else "rate_rps", "above 0")
    if row.text("pattern") not in ("Gamma", "Weibull"):
        raise row.problem("pattern", "Gamma or Weibull")
    gaps = Gamma(1.0, shape**-0.5) if row.text("pattern") == "Gamma" else Weibull(1.0, shape)
    return Window(row.seconds("window_start_s"), rate_per_s, gaps)


def _length_windows(directory: Path, model: str) -> dict[int, list[LengthWindow]]:
    found: dict[tuple[int, float], dict[str, Quantiles]] = {}
    for row in read_rows(_table(directory, "length_quantiles")):
        name = row.text("field")
        if row.text("model") == model and name in ("input_tokens", "output_tokens"):
            key = (row.whole("client"), row.seconds("window_start_s"))
            found.setdefault(key, {})[name] = _quantiles(row)
    windows: dict[int, list[LengthWindow]] = {}
    for (client, start_s), both in found.items():
        if len(both) == 2:
            lengths = Independent(both["input_tokens"], both["output_tokens"])
            windows.setdefault(client, []).append(LengthWindow(start_s, lengths))
    return windows


def _quantiles(row: Row) -> Quantiles:
    percents = sorted(float(name[1:]) for name in row.values if name[:1] == "q" and _is_number(name[1:]))
    if len(percents) < 2 or percents[0] != 0.0 or percents[-1] != 100.0:
        raise row.problem("q100", "there, with q0 and quantiles between them")
    values = (row.seconds(f"q{percent:g}") for percent in percents)
    return Quantiles(tuple(percent / 100 for percent in percents), tuple(accumulate(values, max)))


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isascii() and text.replace(".", "", 1).isdigit()


def _table(directory: Path, name: str) -> Path:
    for suffix in _SUFFIXES:
        path = directory / f"{name}{suffix}"
        if path.exists():
            return path
    raise TraceError(directory, f"it has no table {name} ({', '.join(_SUFFIXES)}); give a ServeGen directory")
