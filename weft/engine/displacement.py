"""Running sequences give way to those that wait, where the order policy says so."""

from collections.abc import Sequence as SequenceOf

from weft.contracts.errors import PolicyError
from weft.contracts.events import Status
from weft.engine.lifecycle import Lifecycle
from weft.engine.reclaim import Reclaim
from weft.engine.replica import Replica
from weft.engine.sequence import Sequence
from weft.observation.conditions import sometimes
from weft.observation.faults import declare_fault_point, fault

DISPLACE = declare_fault_point("policy.displace", "asking the order policy who gives way to those that wait")

DISPLACED = sometimes("schedule: a running sequence gave way to one that waits")


class Displacement:
    """Asks the order policy, and takes the rows of those that it names."""

    def __init__(self, replica: Replica, lifecycle: Lifecycle, reclaim: Reclaim) -> None:
        self._replica = replica
        self._lifecycle = lifecycle
        self._reclaim = reclaim

    def make_way(self) -> None:
        """Before a step: let those give way that the policy names, if the first that waits found no place. A policy
        that fails costs the one that it was asked for."""
        replica = self._replica
        if not (replica.order.displaces and replica.lacks_place) or replica.yielding:
            return
        if (head := replica.queue.head()) is None:
            return
        candidates = [each for each in replica.running.values() if _may_give_way(each)]
        victims = self._lifecycle.contain(head, self._ask, head, candidates) if candidates else None
        for victim in victims or ():
            DISPLACED.hit()
            self._lifecycle.contain(victim, self._reclaim.displace, victim)

    def _ask(self, head: Sequence, candidates: list[Sequence]) -> list[Sequence]:
        replica, request_id = self._replica, head.request.request_id
        name = type(replica.order).__name__
        try:
            fault(DISPLACE)
            named: object = replica.order.displace(replica.view, head, candidates, replica.now_s)
        except Exception as error:
            raise PolicyError(name, f"raised {type(error).__name__}: {error}", request_id) from error
        victims = _among(candidates, named)
        if victims is None:
            problem = f"displaces {named!r}; a sequence of different candidates is wanted"
            raise PolicyError(name, problem, request_id)
        return victims


def _may_give_way(sequence: Sequence) -> bool:
    is_running = sequence.status is Status.RUNNING and not sequence.is_held
    return is_running and sequence.num_stay_tokens > 0


def _among(candidates: SequenceOf[Sequence], named: object) -> list[Sequence] | None:
    """The candidates that are named, in the order named; None where something else is."""
    if not isinstance(named, SequenceOf):
        return None
    known = {id(each): each for each in candidates}
    victims = [known.pop(id(each), None) for each in named]
    return None if None in victims else [each for each in victims if each is not None]
