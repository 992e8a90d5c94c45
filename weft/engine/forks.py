"""Carrying out what search clients decide: fork, append, release, prune, conclude."""

from collections.abc import Sequence as SequenceOf

from weft.contracts.errors import InvariantViolation
from weft.contracts.events import Status
from weft.contracts.steps import Candidate
from weft.engine.lifecycle import Lifecycle
from weft.engine.replica import Replica, RequestRecord
from weft.engine.search import Action, Append, Conclude, Fork, Prune, Release
from weft.engine.sequence import Sequence
from weft.observation.conditions import sometimes
from weft.observation.faults import declare_fault_point, fault

FORK = declare_fault_point("engine.fork", "giving a new sequence the state of another")

FORKED_SHARING = sometimes("fork: the child shares its parent's state")
FORKED_BARE = sometimes("fork: no room, the child computes its own state")


class Forks:
    """Searches over several sequences of one request."""

    def __init__(self, replica: Replica, lifecycle: Lifecycle) -> None:
        self._replica = replica
        self._lifecycle = lifecycle

    def ready(self, sequence: Sequence, candidates: SequenceOf[Candidate]) -> None:
        """A sequence has computed all it was given: hold it and let its client decide."""
        sequence.is_held = True
        record = self._replica.requests[sequence.request.request_id]
        assert record.client is not None
        for action in record.client.ready(sequence.sample_index, candidates):
            self._apply(record, action)

    def _apply(self, record: RequestRecord, action: Action) -> None:
        match action:
            case Fork(index):
                self.fork(record, record.sequences[index])
            case Append(index, token):
                self._go_on(record.sequences[index], token)
            case Release(index):
                self._go_on(record.sequences[index], None)
            case Prune(index):
                self._lifecycle.prune(record.sequences[index], "pruned")
            case Conclude(tokens, reason):
                self._lifecycle.conclude(record, tokens, reason)

    def fork(self, record: RequestRecord, parent: Sequence) -> Sequence:
        """A held sequence's double: shares its state where there is room, else waits to compute its own."""
        if not parent.is_held:
            raise InvariantViolation("forks_held", f"{parent} is forked while it runs on by itself")
        fault(FORK)
        replica = self._replica
        child = replica.new_sequence(record, parent.arrival_s, len(record.sequences))
        child.output.extend(parent.output)
        child.base_known = parent.base_known
        child.unsent_tokens = parent.unsent_tokens
        child.is_held, child.is_synchronous = True, parent.is_synchronous
        self._lifecycle.begin(child, Status.WAITING, f"forked from {parent.number}")
        shares = parent.status is Status.RUNNING and bool(replica.free_rows)
        if shares and replica.store.fork(parent, child, replica.plan):
            FORKED_SHARING.hit()
            child.base_computed = parent.base_computed
            replica.take_row(child)
            self._lifecycle.move(child, Status.RUNNING, f"shares the state of {parent.number}")
        else:
            FORKED_BARE.hit()
        return child

    def _go_on(self, sequence: Sequence, token: int | None) -> None:
        """Let a held sequence go on: by a token the client chose, or by what was held back of its prompt."""
        sequence.is_held = False
        if token is None:
            sequence.base_known = sequence.prompt_tokens
        else:
            sequence.output.append(token)
            sequence.base_known += 1
            if sequence.status is Status.RUNNING:
                sequence.unsent_tokens = (token,)
        waits = sequence.status in (Status.WAITING, Status.PREEMPTED)
        if waits and sequence.number not in self._replica.yielding:
            self._lifecycle.enqueue(sequence)
