"""First come, first served."""

from weft.contracts.policies import EngineView, OrderPolicy, Rank, SequenceView


class Fcfs(OrderPolicy):
    """Requests run in the order of their arrival; a preempted one keeps its place."""

    def decide(self, view: EngineView, sequence: SequenceView, now_s: float) -> Rank:
        return (sequence.arrival_s,)
