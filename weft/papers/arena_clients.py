"""The clients of VTC's arena trace, one by one: who asks how much in which minute, and how long their texts are.

The named workload `arena` has the same trace with constant shares of its clients. Fairness is about who asks when: one
client makes half of the first minute's requests and has nearly gone by the fifth, when another begins.
"""

from collections.abc import Iterator
from operator import itemgetter
from random import Random
from typing import NamedTuple

from weft.contracts.prompts import LengthPrompt
from weft.workloads.arrivals import uniform_times
from weft.workloads.fitted import fitted_workload
from weft.workloads.sessions import Client, Session, Turn
from weft.workloads.shapes import Single
from weft.workloads.streams import named_stream

MINUTE_S = 60.0
MOST_TOKENS = 1023
"""Of a prompt or an output: the trace has none that are longer."""


class ArenaClient(NamedTuple):
    """Mean tokens of a client's prompts and outputs, and its requests in each of the ten minutes."""

    prompt_tokens: int
    output_tokens: int
    requests: tuple[int, ...]


CLIENTS = (
    ArenaClient(134, 260, (56, 38, 44, 23, 14, 5, 4, 4, 6, 5)),
    ArenaClient(172, 188, (1, 1, 4, 2, 3, 3, 5, 5, 8, 8)),
    ArenaClient(144, 292, (23, 22, 42, 26, 23, 33, 30, 31, 35, 31)),
    ArenaClient(117, 224, (0, 0, 0, 0, 0, 0, 0, 4, 6, 12)),
    ArenaClient(110, 286, (0, 0, 0, 0, 9, 15, 14, 12, 8, 8)),
    ArenaClient(164, 175, (21, 17, 18, 13, 3, 8, 12, 11, 9, 8)),
    ArenaClient(121, 280, (10, 3, 13, 7, 4, 5, 6, 8, 8, 3)),
    ArenaClient(121, 193, (3, 6, 7, 4, 2, 4, 10, 6, 6, 8)),
    ArenaClient(69, 260, (2, 0, 2, 6, 4, 2, 5, 3, 3, 9)),
    ArenaClient(97, 103, (1, 0, 1, 1, 2, 3, 4, 6, 2, 3)),
    ArenaClient(123, 307, (0, 0, 0, 22, 67, 30, 36, 31, 34, 42)),
    ArenaClient(183, 276, (2, 0, 1, 5, 3, 2, 5, 2, 2, 4)),
    ArenaClient(155, 197, (0, 2, 7, 1, 6, 6, 2, 7, 6, 6)),
    ArenaClient(180, 239, (9, 1, 5, 4, 3, 5, 10, 2, 1, 4)),
    ArenaClient(324, 208, (3, 7, 5, 3, 4, 0, 0, 0, 0, 0)),
    ArenaClient(83, 227, (0, 0, 0, 3, 11, 4, 8, 6, 10, 4)),
    ArenaClient(126, 211, (0, 0, 0, 2, 2, 2, 8, 1, 2, 8)),
    ArenaClient(5, 17, (3, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
    ArenaClient(137, 369, (5, 3, 4, 0, 0, 0, 0, 0, 0, 0)),
    ArenaClient(233, 166, (4, 10, 5, 0, 0, 0, 0, 0, 0, 0)),
    ArenaClient(108, 317, (0, 0, 0, 0, 0, 0, 3, 3, 13, 12)),
    ArenaClient(92, 12, (1, 1, 0, 0, 0, 0, 0, 0, 0, 0)),
    ArenaClient(98, 257, (0, 0, 0, 0, 0, 0, 2, 5, 6, 6)),
    ArenaClient(135, 155, (4, 7, 0, 0, 0, 0, 0, 0, 0, 0)),
    ArenaClient(14, 330, (0, 0, 0, 0, 0, 0, 0, 0, 0, 2)),
    ArenaClient(68, 66, (4, 3, 0, 0, 0, 0, 0, 0, 0, 0)),
    ArenaClient(16, 286, (0, 0, 0, 0, 0, 0, 0, 0, 0, 1)),
)
"""Counted in Ying1123/VTC-artifact, fair_bench/real_trace.pkl (Apache-2.0; Sheng et al., OSDI 2024, section 5.3), by
the number that ends a client's adapter. The authors say that the file that the paper used was lost, and that this one
is sampled from another part of the same log (fair_bench/README.md there)."""

NUM_REQUESTS = sum(sum(each.requests) for each in CLIENTS)
DURATION_S = MINUTE_S * len(CLIENTS[0].requests)
MEAN_TOKENS = (136, 256)
"""Of all prompts and outputs of the trace."""


class ArenaClients(NamedTuple):
    """Requests of these clients: `factor` times as many in each minute as in the trace, at times drawn within it.
    Lengths are drawn from those of all clients (`arena`) and scaled by the client's own means."""

    name: str
    factor: float
    seed: int

    def sessions(self) -> Iterator[Session]:
        """In order of arrival; the same on every call."""
        asked = [each for index in range(len(CLIENTS)) for each in self._of_client(index)]
        for number, (time_s, turn, client) in enumerate(sorted(asked, key=itemgetter(0))):
            yield Session(number, time_s, (turn,), client)

    def _of_client(self, index: int) -> Iterator[tuple[float, Turn, Client]]:
        random, client = named_stream(self.seed, f"arena client {index}"), Client(tenant=f"client-{index}")
        for minute, count in enumerate(CLIENTS[index].requests):
            wanted = count * self.factor
            number = int(wanted) + (random.random() < wanted % 1.0)
            for time_s in uniform_times(random, MINUTE_S * minute, MINUTE_S, number):
                yield time_s, _turn(CLIENTS[index], random), client


def _turn(client: ArenaClient, random: Random) -> Turn:
    shape = fitted_workload("arena").shape
    assert isinstance(shape, Single)
    prompt, output = shape.lengths.draw(random)
    mean_prompt, mean_output = MEAN_TOKENS
    prompt_tokens = _bounded(prompt * client.prompt_tokens / mean_prompt)
    return Turn(LengthPrompt(prompt_tokens), _bounded(output * client.output_tokens / mean_output))


def _bounded(tokens: float) -> int:
    return min(MOST_TOKENS, max(1, round(tokens)))
