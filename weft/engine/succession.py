"""A fresh engine in the place of one that a defect has broken.

Of the former nothing is believed but who was in it: its requests fail, and its steps under way count as failed. Pools,
tables and cache of the new one are empty. Numbers of steps and sequences go on where the former's ended, so that the
log tells one story.
"""

from weft.contracts.events import RequestEnded, Status, StepRecord, Transition
from weft.engine.replica import Replica, RequestRecord
from weft.engine.step_plan import FlightRecord, StepPlan


def abandon(replica: Replica, reason: str) -> None:
    """Say of all that is under way that it failed, and touch nothing of what it holds."""
    for record in list(replica.requests.values()):
        _fail(replica, record, reason)
    for flight in replica.in_flight:
        _fail_step(replica, flight)


def succeed(replica: Replica, former: Replica) -> None:
    """Go on from an abandoned replica's numbers; no step may run while one of the former's does."""
    replica.plan = StepPlan(former.plan.number)
    replica.plan.left = [*former.running]
    for plan in (*(flight.plan for flight in former.in_flight), former.plan):
        replica.plan.left += plan.left
    replica.next_sequence_number = former.next_sequence_number
    replica.store.keys.weights_version = former.store.keys.weights_version


def _fail(replica: Replica, record: RequestRecord, reason: str) -> None:
    now_s, request_id = replica.now_s, record.request.request_id
    for sequence in record.sequences:
        if not sequence.has_ended:
            before, sequence.status = sequence.status, Status.FAILED
            end = Transition(now_s, request_id, sequence.number, before, Status.FAILED, reason)
            replica.log.record(end)
    replica.log.record(RequestEnded(now_s, request_id, Status.FAILED, reason, record.num_output_tokens))


def _fail_step(replica: Replica, flight: FlightRecord) -> None:
    step, standing = flight.step, flight.num_standing
    common = (replica.now_s, step.number, flight.planned_s, step.num_tokens, standing)
    replica.log.record(StepRecord(*common, (), (), 0, 0, 0, failed=True))
