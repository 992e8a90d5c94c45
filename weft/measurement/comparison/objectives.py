"""What the requests of a comparison ask for, and what they are judged by."""

from collections.abc import Iterator

from weft.contracts.requests import Slo
from weft.workloads.sessions import Session, Workload

TOLD = ("both", "ttft", "tpot", "none")
"""Which objectives of a comparison its requests name to the server."""


class Judged:
    """A workload whose requests name the objectives that they are judged by, as far as `told` says. Objectives that a
    workload brings itself come first. `own`: those, by session, of the sessions that were taken."""

    def __init__(self, workload: Workload, objective: Slo, told: str = "both") -> None:
        self._workload, self._objective = workload, objective
        self._told = Slo(
            objective.ttft_s if told in ("both", "ttft") else None,
            objective.tpot_s if told in ("both", "tpot") else None,
        )
        self._own: dict[str, Slo] = {}

    @property
    def name(self) -> str:
        return self._workload.name

    def sessions(self) -> Iterator[Session]:
        for session in self._workload.sessions():
            own = session.client.slo
            if own is not None:
                self._own[str(session.number)] = _or(own, self._objective)
            named = self._told if own is None else _or(own, self._told)
            slo = None if named == Slo() else named
            yield session._replace(client=session.client._replace(slo=slo))

    def objective(self, request_id: str) -> Slo:
        """By which a request is judged."""
        return self._own.get(request_id.partition(".")[0], self._objective)


def _or(own: Slo, other: Slo) -> Slo:
    return Slo(
        other.ttft_s if own.ttft_s is None else own.ttft_s, other.tpot_s if own.tpot_s is None else own.tpot_s
    )
