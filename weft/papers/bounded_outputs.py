"""Workloads whose clients bound their outputs, so that servers that reserve memory have something to go by."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

from weft.contracts.requests import Request, SamplingParams
from weft.workloads.sessions import Session, Turn, Workload

Bound = Callable[[int], int]
"""From the true length of an output to the most tokens that its client asks for, both in tokens."""


def oracle(output_tokens: int) -> int:
    """The client knows exactly (Orca (Oracle): Kwon et al., SOSP 2023, section 6.1)."""
    return output_tokens


def power_of_two(output_tokens: int) -> int:
    """The next power of two, so that at most half is too much (Orca (Pow2), the same)."""
    return 1 << (output_tokens - 1).bit_length()


class BoundedSession(Session):
    """A session that asks for no more tokens than its bound allows."""

    bound: Bound

    @classmethod
    def of(cls, session: Session, bound: Bound) -> Self:
        """The same session with a bound."""
        bounded = cls(*session)
        bounded.bound = bound
        return bounded

    def _replace(self, **fields: Any) -> Self:
        return self.of(super()._replace(**fields), self.bound)

    def request(self, index: int, turn: Turn, sampling: SamplingParams) -> Request:
        max_tokens = min(sampling.max_tokens, self.bound(turn.output_tokens))
        return super().request(index, turn, replace(sampling, max_tokens=max_tokens))


@dataclass(frozen=True, slots=True)
class BoundedOutputs:
    """A workload, each request with at most as many output tokens as `bound` says."""

    workload: Workload
    bound: Bound

    @property
    def name(self) -> str:
        return self.workload.name

    def sessions(self) -> Iterator[Session]:
        return (BoundedSession.of(session, self.bound) for session in self.workload.sessions())
