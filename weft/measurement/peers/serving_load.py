"""The load that servers are compared under: the same requests for each, and which of them came in time."""

from collections.abc import Sequence
from typing import NamedTuple

from weft.measurement.statistics import quantile
from weft.workloads.fitted import fitted_workload
from weft.workloads.limits import Limited
from weft.workloads.token_ids import token_ids
from weft.workloads.variations import OtherLengths

WORKLOAD = "azure-conv"
DIVISOR = 8.0
"""Lengths of prompts and outputs are divided by this, for a model that is as much smaller than those of the trace."""
VOCABULARY_TOKENS = 30_000


class Asked(NamedTuple):
    """A request: seconds after the load begins, the tokens of its prompt, how many tokens it wants, no fewer."""

    arrival_s: float
    prompt: list[int]
    output_tokens: int


class Served(NamedTuple):
    """When its first and last tokens came, in seconds after the load began, and how many came."""

    first_s: float
    last_s: float
    output_tokens: int


class Objective(NamedTuple):
    """A request is in time when its first token, and on average each after it, came within so many seconds."""

    ttft_s: float
    tpot_s: float


class Reply(NamedTuple):
    """Of one request: seconds from its intended arrival to its first token, and per token after that."""

    ttft_s: float
    tpot_s: float

    def meets(self, objective: Objective) -> bool:
        """Whether it was in time."""
        return self.ttft_s <= objective.ttft_s and self.tpot_s <= objective.tpot_s


class LoadResult(NamedTuple):
    """`goodput_per_s`: requests in time per second, from the first arrival to the last token. Times in seconds."""

    goodput_per_s: float
    share_in_time: float
    output_tokens_per_s: float
    ttft_p50_s: float
    ttft_p99_s: float
    tpot_p50_s: float
    tpot_p99_s: float


def load_requests(rate_per_s: float, number: int, seed: int, run: str) -> list[Asked]:
    """The first requests of the workload at a rate, its lengths divided. Tokens are drawn for each `run`, so that no
    cache of prefixes knows them from another."""
    workload = OtherLengths(
        Limited(fitted_workload(WORKLOAD, seed).at_rate(rate_per_s), number, None), 1 / DIVISOR, 1 / DIVISOR
    )
    return [
        Asked(
            session.arrival_s,
            token_ids(turn.prompt, f"{run} {session.number}", VOCABULARY_TOKENS, seed),
            turn.output_tokens,
        )
        for session in workload.sessions()
        for turn in session.turns
    ]


def replies(asked: Sequence[Asked], served: Sequence[Served]) -> list[Reply]:
    """In the same order; an answer of one token has no time per further token: 0."""
    return [
        Reply(
            found.first_s - each.arrival_s, (found.last_s - found.first_s) / max(1, found.output_tokens - 1)
        )
        for each, found in zip(asked, served, strict=True)
    ]


def judged(asked: Sequence[Asked], served: Sequence[Served], objective: Objective) -> LoadResult:
    """What a load got."""
    found = replies(asked, served)
    duration_s = max(each.last_s for each in served) - asked[0].arrival_s
    in_time = sum(reply.meets(objective) for reply in found)
    ttfts = sorted(reply.ttft_s for reply in found)
    tpots = sorted(reply.tpot_s for reply, each in zip(found, served, strict=True) if each.output_tokens > 1)
    return LoadResult(
        in_time / duration_s,
        in_time / len(found),
        sum(each.output_tokens for each in served) / duration_s,
        quantile(ttfts, 0.5),
        quantile(ttfts, 0.99),
        quantile(tpots, 0.5),
        quantile(tpots, 0.99),
    )
