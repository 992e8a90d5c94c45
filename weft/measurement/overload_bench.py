"""Overload measured live: a server in a process of its own, its clients in this one."""

import os
from dataclasses import asdict, dataclass, field, replace
from math import ceil
from statistics import quantiles
from typing import Any, NamedTuple

from weft.contracts.errors import ConfigurationError
from weft.contracts.requests import Slo
from weft.measurement.overload_client import LeanClient
from weft.measurement.overload_trials import (
    Asked,
    Pulse,
    Quiet,
    capacity_per_s,
    goodput,
    pulse,
    quiet,
    twice_unloaded,
)
from weft.measurement.served_process import ServedProcess, served

FACTORS = (0.5, 0.75, 1.0, 1.5, 5.0, 10.0)
NOISE = (1.0, 10.0)
CONCURRENCY = (1, 4, 16)
"""Clients of which each asks one question after the other: the most that any of these numbers gets is the capacity,
because larger batches are not always faster on a CPU."""
NUM_ALONE = 30
LEAST_ANSWERS = 4
"""A trial lasts at least so many answers as long as may be: in a shorter one, the requests that fill an empty server at
once are let in while it is not counted yet, and nobody can be let in after them until it is over."""


class Refusals(NamedTuple):
    """How long refusals took, in milliseconds: by the server's clock from the head of a request to the end of the
    answer, and by the client's."""

    num_refused: int
    server_p50_ms: float
    server_p99_ms: float
    client_p50_ms: float
    client_p99_ms: float


@dataclass
class OverloadReport:
    """`goodput_per_s`: by load in capacities. `quiet`: by how much more than each of them a tenth tenant asks for.
    `load_average`: of the machine, before and after."""

    capacity_per_s: float
    slo: Slo
    goodput_per_s: dict[float, float] = field(default_factory=dict)
    refusals: Refusals | None = None
    pulse: Pulse | None = None
    quiet: dict[float, Quiet] = field(default_factory=dict)
    load_average: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Of plain values."""
        told = asdict(self)
        for name in ("refusals", "pulse"):
            each = getattr(self, name)
            told[name] = None if each is None else each._asdict()
        told["goodput_per_s"] = {f"{factor:g}": value for factor, value in self.goodput_per_s.items()}
        told["quiet"] = {f"{noise:g}": each._asdict() for noise, each in self.quiet.items()}
        return told

    def as_text(self) -> str:
        """Lines for people."""
        ttft_s, tpot_s = self.slo.ttft_s, self.slo.tpot_s
        assert ttft_s is not None and tpot_s is not None
        peak = max(self.goodput_per_s.values())
        lines = [
            f"capacity           {self.capacity_per_s:.1f} requests/s",
            f"objective          first token {1000 * ttft_s:.1f} ms, per token {1000 * tpot_s:.2f} ms: twice unloaded",
        ]
        for factor, value in self.goodput_per_s.items():
            lines.append(f"goodput at {factor:4g}x   {value:.1f} requests/s, {value / peak:.2f} of its peak")
        if self.refusals is not None:
            num_refused, *times_ms = self.refusals
            server, client = (
                f"p50 {p50:.1f} ms, p99 {p99:.1f} ms" for p50, p99 in (times_ms[:2], times_ms[2:])
            )
            lines.append(f"refusals at 10x    {num_refused}; server {server}; client {client}")
        if self.pulse is not None:
            before, during, after, _ = self.pulse
            lines.append(
                f"pulse of 10x       kept: {before:.2f} before, {during:.2f} during, {after:.2f} from 5 s after"
            )
        for noise, each in self.quiet.items():
            first = f"p99 of first tokens {1000 * each.ttft_p99_s:.1f} ms, {each.answered:.2f} answered"
            lines.append(f"noise of {noise:4g}x     quiet tenants: {first}")
        lines.append(f"load average       {', '.join(f'{each:.1f}' for each in self.load_average)}")
        return "\n".join(lines)


class OverloadBench:
    """`model`: as `weft serve` takes it, with `flags`. `vocab_size`: prompts have ids below it. `duration_s`: of the
    trials at one load. `capacity_per_s`: requests per second; None: as many as are found to be answered."""

    def __init__(
        self,
        model: str,
        flags: tuple[str, ...],
        asked: Asked,
        vocab_size: int,
        duration_s: float,
        capacity_per_s: float | None = None,
    ) -> None:
        self._model, self._flags, self._asked = model, flags, asked
        self._vocab_size, self._duration_s, self._capacity_per_s = vocab_size, duration_s, capacity_per_s

    async def run(self) -> OverloadReport:
        """A server that is told nothing shows what it can do; one that is told its objectives is then overloaded."""
        load_before = os.getloadavg()[0]
        async with served(self._model, *self._flags) as process:
            client = self._client(process)
            await capacity_per_s(client.ask, self._asked, 1, 1.0)  # warms up
            slo = await twice_unloaded(client.ask, self._asked, NUM_ALONE, self._duration_s)
            check_duration(self._duration_s, slo, self._asked)
            capacity = self._capacity_per_s or await self._find_capacity(client)
            await client.close()
        report = OverloadReport(capacity, slo, load_average=[load_before])
        assert slo.ttft_s is not None and slo.tpot_s is not None
        objective = f"--slo-ttft-ms={1000 * slo.ttft_s}", f"--slo-tpot-ms={1000 * slo.tpot_s}"
        async with served(self._model, *self._flags, *objective, "--order", "vtc") as process:
            await self._overload(process, report)
        report.load_average.append(os.getloadavg()[0])
        return report

    async def _find_capacity(self, client: LeanClient) -> float:
        duration_s = self._duration_s / len(CONCURRENCY)
        return max(
            [await capacity_per_s(client.ask, self._asked, count, duration_s) for count in CONCURRENCY]
        )

    def _client(self, process: ServedProcess) -> LeanClient:
        return LeanClient(process.port, self._model, self._vocab_size)

    async def _overload(self, process: ServedProcess, report: OverloadReport) -> None:
        client, asked = self._client(process), replace(self._asked, capacity_per_s=report.capacity_per_s)
        for factor in FACTORS:
            client.refusals_s.clear()
            num_before = len(process.took_ms(429))
            report.goodput_per_s[factor] = await goodput(
                client.ask, asked, report.slo, factor, self._duration_s
            )
        report.refusals = _refusals(process.took_ms(429)[num_before:], client.refusals_s)
        report.pulse = await pulse(client.ask, asked, report.slo, self._duration_s, 2 * self._duration_s)
        for noise in NOISE:
            report.quiet[noise] = await quiet(client.ask, asked, noise, 2 * self._duration_s)
        await client.close()


def check_duration(duration_s: float, slo: Slo, asked: Asked) -> None:
    """Raise `ConfigurationError` where trials of `duration_s` end before those let in first have made room."""
    assert slo.ttft_s is not None and slo.tpot_s is not None
    answer_s = slo.ttft_s + slo.tpot_s * sum(asked.output_tokens) / 2
    if duration_s < LEAST_ANSWERS * answer_s:
        least_s = ceil(LEAST_ANSWERS * answer_s)
        raise ConfigurationError(
            f"answers may take {answer_s:.1f} s here, and trials of {duration_s:g} s would be over before those "
            f"that fill the server have ended; give --duration {least_s} or more, or fewer --output-tokens"
        )


def _refusals(server_ms: list[float], client_s: list[float]) -> Refusals | None:
    if len(server_ms) < 2 or len(client_s) < 2:
        return None
    return Refusals(len(client_s), *_p50_p99(server_ms), *_p50_p99([1000 * each for each in client_s]))


def _p50_p99(values: list[float]) -> tuple[float, float]:
    cuts = quantiles(values, n=100)
    return cuts[49], cuts[98]
