"""How unequally tenants are served for a while, as VTC's authors measure it on a trace in which tenants come and go.

Service is in weighted tokens per second. It is the sum of `gen_quant_fairness_table` in Ying1123/VTC-artifact
(fair_bench/plot/visualize.py): a tenant lacks what it has less than the tenant with most, but no more than what it
asked for and was not given.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from weft.contracts.events import Status
from weft.policies.virtual_token_counter import INPUT_WEIGHT, OUTPUT_WEIGHT
from weft.simulator.request_outcome import RequestOutcome

WINDOW_S = 60.0
NUM_WINDOWS = 19
"""Evenly from the beginning to the end of the trace: the authors' window and number."""


class Served(NamedTuple):
    """A request that was answered: what it weighs, when it came, and between which times it was served."""

    tenant: str
    weight: float
    arrival_s: float
    begun_s: float
    ended_s: float

    def within(self, begin_s: float, end_s: float) -> float:
        """The part of its weight that falls into a window; service comes evenly from the first token to the last."""
        if self.ended_s <= self.begun_s:
            return self.weight * (begin_s <= self.begun_s < end_s)
        overlap_s = min(end_s, self.ended_s) - max(begin_s, self.begun_s)
        return self.weight * max(0.0, overlap_s) / (self.ended_s - self.begun_s)


def services(outcomes: Sequence[RequestOutcome], tenants: Mapping[str, str]) -> list[Served]:
    """Of those that were answered; `tenants`: by request."""
    return [
        Served(
            tenants[each.request_id],
            INPUT_WEIGHT * each.prompt_tokens + OUTPUT_WEIGHT * each.output_tokens,
            each.arrival_s,
            each.first_token_s,
            each.ended_s,
        )
        for each in outcomes
        if each.status is Status.FINISHED and each.first_token_s is not None
    ]


def differences(served: Sequence[Served], duration_s: float) -> list[float]:
    """In each window: what tenants lack, summed over tenants."""
    tenants = list(dict.fromkeys(each.tenant for each in served))
    step_s = (duration_s - WINDOW_S / 2) / (NUM_WINDOWS + 1)
    begins_s = [step_s * number for number in range(1, NUM_WINDOWS + 1)]
    return [_difference(served, tenants, begin_s, begin_s + WINDOW_S) for begin_s in begins_s]


def _difference(served: Sequence[Served], tenants: Sequence[str], begin_s: float, end_s: float) -> float:
    given, asked = dict.fromkeys(tenants, 0.0), dict.fromkeys(tenants, 0.0)
    for each in served:
        given[each.tenant] += each.within(begin_s, end_s)
        asked[each.tenant] += each.weight * (begin_s <= each.arrival_s <= end_s)
    most = max(given.values())
    return sum(min(most - given[name], abs(asked[name] - given[name])) for name in tenants) / WINDOW_S
