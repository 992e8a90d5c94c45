"""Recorded points, simulated: a closed loop of as many clients."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from random import Random
from statistics import fmean

from weft.contracts.prompts import LengthPrompt
from weft.costs.servers import find_server
from weft.measurement.request_table import RequestTable
from weft.measurement.simulation import simulate_deployment
from weft.measurement.validation.recorded_run import RecordedPoint, RecordedRun
from weft.simulator.deployment import Deployment
from weft.workloads.sessions import Session, Turn
from weft.workloads.streams import named_stream

STEADY_ROUNDS = 3
"""Requests of each client of a loop in full swing. The first stands for one under way; in the last, clients that have
done leave the others alone. Only what lies between counts."""

MOST_ROUNDS = 4
"""Of a loop that begins and ends: all rounds between its second and its last are taken to be like the last but one of
these."""


@dataclass(frozen=True, slots=True)
class PointLoop:
    """A `Workload` of the clients of a point.

    `rounds`: requests of each client, the first of all of them at once; None: the loop is in full swing, each client's
    first request ends sooner than the next client's, so that they do not move in step. `least_share`: see
    `RunFacts.least_length_share`.
    """

    point: RecordedPoint
    rounds: int | None
    least_share: float

    @property
    def name(self) -> str:
        """Of nothing that is written anywhere."""
        return "closed loop"

    @property
    def simulated_rounds(self) -> int:
        """Requests of each client that are simulated."""
        return STEADY_ROUNDS if self.rounds is None else min(self.rounds, MOST_ROUNDS)

    def sessions(self) -> Iterator[Session]:
        """One per client."""
        for client in range(self.point.concurrency):
            random = named_stream(0, f"client {client}")
            turns = tuple(self._turn(client, turn, random) for turn in range(self.simulated_rounds))
            yield Session(client, 0.0, turns)

    def _turn(self, client: int, turn: int, random: Random) -> Turn:
        input_tokens, output_tokens = (
            self._drawn(tokens, random) for tokens in (self.point.input_tokens, self.point.output_tokens)
        )
        if self.rounds is None and not turn:
            output_tokens = -(-output_tokens * (client + 1) // self.point.concurrency)
        return Turn(LengthPrompt(input_tokens), output_tokens)

    def _drawn(self, tokens: int, random: Random) -> int:
        least = max(1, round(tokens * self.least_share))
        return least + int((tokens - least + 1) * random.random())

    def weight(self, turn: int) -> int:
        """How many of a client's requests one at this place stands for."""
        if self.rounds is None:
            return int(turn == 1)
        return 1 + self.rounds - self.simulated_rounds if turn == self.simulated_rounds - 2 else 1


def predict_points(run: RecordedRun, deployment: Deployment) -> list[RecordedPoint]:
    """The same points as a simulation has them; of several that are alike, one is simulated."""
    facts = run.facts

    @cache
    def predict(input_tokens: int, output_tokens: int, concurrency: int) -> RecordedPoint:
        point = RecordedPoint(input_tokens, output_tokens, concurrency, 0.0, 0.0)
        return predict_point(deployment, PointLoop(point, facts.rounds, facts.least_length_share))

    return [predict(each.input_tokens, each.output_tokens, each.concurrency) for each in run.points]


def predict_point(deployment: Deployment, loop: PointLoop) -> RecordedPoint:
    """Means over all requests that count, as their clients see them."""
    prompt_token_s = find_server(deployment.options.server).prompt_token_s
    table = simulate_deployment("", deployment, loop).requests
    rows = list(table.answered())
    weights = [loop.weight(table.turn[row]) for row in rows]
    waits_s = (table.first_token_s[row] - table.arrival_s[row] for row in rows)
    ttft_s = fmean(waits_s, weights) + prompt_token_s * fmean(
        (table.prompt_tokens[row] for row in rows), weights
    )
    tpot_s = fmean((_tpot_s(table, row) for row in rows), weights)
    return loop.point._replace(ttft_s=ttft_s, tpot_s=tpot_s)


def _tpot_s(table: RequestTable, row: int) -> float:
    return (table.end_s[row] - table.first_token_s[row]) / max(1, table.output_tokens[row] - 1)
