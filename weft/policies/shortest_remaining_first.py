"""The shortest expected rest first, also before those that run."""

from collections.abc import Sequence
from math import inf
from typing import ClassVar

from weft.contracts.errors import ConfigurationError
from weft.contracts.policies import EngineView, SequenceView
from weft.policies.length_prediction import LengthSource
from weft.policies.shortest_job_first import ShortestJobFirst


class ShortestRemainingFirst(ShortestJobFirst):
    """As `ShortestJobFirst`, but who runs gives way to one that waits and is expected to be done sooner (SRPT: Schrage,
    Operations Research 1968). Only as long as it has less than a share of the tokens that were expected of it at first:
    later there is much state to lose and little to gain (limited preemption: Shahout et al., TRAIL, arXiv 2410.01035,
    section 3.3). And only for one that is expected to take fewer tokens by more than would have to be computed
    anew, or every newcomer would throw somebody out, and all would be slower for it.

    `preemptible_share`: that share, from 0 (nobody gives way) to 1.
    """

    displaces: ClassVar[bool] = True

    def __init__(
        self,
        ageing_tokens_per_s: float = 10.0,
        preemptible_share: float = 0.8,
        lengths: LengthSource | None = None,
    ) -> None:
        super().__init__(ageing_tokens_per_s, lengths)
        if not 0 <= preemptible_share <= 1:
            raise ConfigurationError(
                f"srpt: preemptible_share is {preemptible_share}; it must be between 0 and 1"
            )
        self._preemptible_share = preemptible_share

    def displace(
        self, view: EngineView, head: SequenceView, candidates: Sequence[SequenceView], now_s: float
    ) -> Sequence[SequenceView]:
        remaining, ageing = self.lengths.remaining, self._ageing_tokens_per_s
        head_tokens = remaining(head)
        longest, last, number = None, head_tokens + ageing * head.arrival_s, inf
        # Thousands may run. The newest have aged least, so that one found early outranks most of the others.
        for each in reversed(candidates):
            tokens = remaining(each)
            rank = tokens + ageing * each.arrival_s
            if rank < last or (rank == last and each.number < number):
                continue
            if self._may_give_way(each, tokens - head_tokens):
                longest, last, number = each, rank, float(each.number)
        return () if longest is None else (longest,)

    def _may_give_way(self, sequence: SequenceView, gain_tokens: float) -> bool:
        if gain_tokens <= sequence.num_computed:
            return False
        return sequence.num_output_tokens < self._preemptible_share * self.lengths.total(sequence)
