"""Everybody gets a few tokens at a time, in turns."""

from collections.abc import Sequence
from typing import ClassVar

from weft.contracts.errors import ConfigurationError
from weft.contracts.policies import EngineView, OrderPolicy, Rank, SequenceView


class TinyQuanta(OrderPolicy):
    """Blind processor sharing: nothing is known or learned of a request, but one that has had its quantum gives way to
    the first that waits, and queues behind all others (Luo et al., Efficient Microsecond-scale Blind Scheduling with
    Tiny Quanta, ASPLOS 2024, section 3; there of instructions on a core, here of tokens in a row of the batch).

    `quantum_tokens`: output tokens of a turn. What a turn costs is to bring state back, which is not as tiny as
    there: small quanta pay off where outputs differ much in length and state can be swapped or is soon computed.
    """

    displaces: ClassVar[bool] = True

    def __init__(self, quantum_tokens: int = 64) -> None:
        if quantum_tokens < 1:
            raise ConfigurationError(
                f"tiny_quanta: quantum_tokens is {quantum_tokens}; it must be at least 1"
            )
        self._quantum_tokens = quantum_tokens

    def decide(self, view: EngineView, sequence: SequenceView, now_s: float) -> Rank:
        return (now_s,)

    def displace(
        self, view: EngineView, head: SequenceView, candidates: Sequence[SequenceView], now_s: float
    ) -> Sequence[SequenceView]:
        return [each for each in candidates if each.num_stay_tokens >= self._quantum_tokens][:1]
