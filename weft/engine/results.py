"""What follows from a step that has returned."""

from weft.contracts.errors import InvariantViolation
from weft.contracts.events import ComputedUnits, DraftVerified, Status, StepRecord
from weft.contracts.steps import StepEntry, StepResult, Verification
from weft.engine.forks import Forks
from weft.engine.lifecycle import Lifecycle
from weft.engine.replica import Replica
from weft.engine.sequence import Sequence
from weft.engine.step_plan import FlightRecord
from weft.observation.conditions import sometimes

STOPPED = sometimes("result: a sequence ended by a stop token")
STOPPED_IN_FLIGHT = sometimes("result: a sequence ended while its next step was under way")
LIMITED = sometimes("result: a sequence ended at its length limit")
FINISHED_PREEMPTED = sometimes("result: a preempted sequence finished by a step under way")
DRAFT_ACCEPTED = sometimes("draft: all guesses accepted")
DRAFT_REJECTED = sometimes("draft: a guess was rejected")


class Results:
    """Applies step results to sequences, in the order of the steps."""

    def __init__(self, replica: Replica, lifecycle: Lifecycle, forks: Forks) -> None:
        self._replica = replica
        self._lifecycle = lifecycle
        self._forks = forks

    def apply(self, result: StepResult) -> FlightRecord:
        """Take a step's outcome into account. Failures stay with the request they hit."""
        replica = self._replica
        flight = replica.in_flight[0]
        if flight.step.number != result.number:
            raise InvariantViolation(
                "results_in_order", f"step {flight.step.number} is due, got {result.number}"
            )
        if result.logprobs:
            self._note_logprobs(flight, result)
        if result.prompts:
            self._note_prompts(flight, result)
        if flight.step.advances:
            replica.standing.resolve(result.tokens)
        if result.failed:
            self._fail_rows(flight, result)
        if flight.plan.entries:
            self._apply_explicit(flight, result)
        self._publish(flight)
        if result.finished or flight.ending:
            self._finish(flight, result)
        replica.in_flight.popleft()
        replica.deferred.resolve(flight.step.number)
        if replica.streaming:
            for sequence in list(replica.streaming.values()):
                replica.standing.collect(sequence)
                self._lifecycle.tell(sequence, None, "")
        self._record(flight, failed=False)
        return flight

    def fail(self, number: int, reason: str) -> FlightRecord:
        """A step did not happen, and those in flight behind it will not either. The state of all who run cannot
        be trusted: their requests fail, and nothing is planned until the last of those steps has been given up."""
        replica = self._replica
        flight = replica.in_flight.popleft()
        if flight.step.number != number:
            raise InvariantViolation("results_in_order", f"step {flight.step.number} is due, {number} failed")
        for sequence in [*replica.running.values(), *replica.yielding.values()]:
            record = replica.requests.get(sequence.request.request_id)
            if record is not None:
                self._lifecycle.end_request(record, Status.FAILED, reason)
        if flight.step.advances:
            replica.standing.resolve(())
        for entry, sequence in zip(flight.plan.entries, flight.plan.explicit.values(), strict=True):
            self._settle_states(sequence, entry, ())
        for snapshot in flight.plan.snapshots:
            snapshot.pool.release([snapshot.block])
        replica.awaits_aborts = bool(replica.in_flight)
        replica.deferred.resolve(number)
        self._record(flight, failed=True)
        return flight

    def _note_logprobs(self, flight: FlightRecord, result: StepResult) -> None:
        """Ahead of the tokens that they belong to: a sequence that stands fetches those later."""
        for row, logprobs in result.logprobs.items():
            sequence = self._holder(flight, row)
            if sequence.logprobs is not None:
                sequence.logprobs += logprobs

    def _note_prompts(self, flight: FlightRecord, result: StepResult) -> None:
        for row, part in result.prompts.items():
            report = self._holder(flight, row).report
            if report is not None:
                report.take(part)

    def _holder(self, flight: FlightRecord, row: int) -> Sequence:
        """Who held a row in a step under way."""
        sequence = flight.former.get(row) or self._replica.rows[row]
        if sequence is None:
            raise InvariantViolation("rows_consistent", f"row {row} has a result, but nobody held it")
        return sequence

    def _apply_explicit(self, flight: FlightRecord, result: StepResult) -> None:
        sequences = list(flight.plan.explicit.values())
        for index, entry in enumerate(flight.plan.entries):
            sequence = sequences[index]
            if sequence.has_ended:
                self._settle_states(sequence, entry, ())
            else:
                self._lifecycle.contain(sequence, self._explicit, sequence, entry, flight, result)

    def _explicit(
        self, sequence: Sequence, entry: StepEntry, flight: FlightRecord, result: StepResult
    ) -> None:
        if entry.emits:
            sequence.is_awaited = False
        num_units = entry.start + entry.num_units
        if sequence.report is not None and num_units >= sequence.prompt_tokens:
            sequence.report.require_complete()
        if entry.draft is not None:
            num_units = self._verify(sequence, entry, result.verified[entry.row])
            if sequence.num_remaining_tokens == 0:
                flight.ending.append(sequence)
        elif entry.num_candidates:
            self._replica.store.publish(sequence, num_units)
            self._forks.ready(sequence, result.candidates[entry.row])
            return
        if entry.draft is None and entry.emits:
            self._lifecycle.emit(sequence, (result.tokens[entry.row],))
        self._replica.store.publish(sequence, num_units)
        if not entry.emits and self._is_ready(sequence, num_units):
            self._forks.ready(sequence, ())

    def _is_ready(self, sequence: Sequence, num_units: int) -> bool:
        """Whether the part of the prompt that its client gave it is computed, by steps that have returned."""
        return num_units == sequence.base_known < sequence.prompt_tokens

    def _verify(self, sequence: Sequence, entry: StepEntry, verification: Verification) -> int:
        """Keep what a draft got right, give up the rest; returns the number of computed units."""
        assert entry.draft is not None
        accepted, tokens = verification
        self._settle_states(sequence, entry, accepted)
        self._lifecycle.emit(sequence, tokens)
        sequence.base_known += len(tokens)
        sequence.base_computed = entry.start + entry.num_units + len(accepted)
        self._replica.store.truncate(sequence, sequence.base_computed)
        drafted = len(entry.draft.tokens)
        (DRAFT_ACCEPTED if len(accepted) == drafted else DRAFT_REJECTED).hit()
        now_s, request_id = self._replica.now_s, sequence.request.request_id
        self._replica.log.record(DraftVerified(now_s, request_id, sequence.number, drafted, len(accepted)))
        return sequence.base_computed

    def _settle_states(self, sequence: Sequence, entry: StepEntry, accepted: tuple[int, ...]) -> None:
        if entry.draft is None:
            return
        last = accepted[-1] if accepted else None
        for group in self._replica.store.constant:
            blocks = entry.draft.state_blocks[group.index]
            group.settle_draft(sequence, blocks, last, self._replica.plan)

    def _publish(self, flight: FlightRecord) -> None:
        replica = self._replica
        if flight.plan.crossed and (replica.store.loses_state_early or replica.standing.is_time_to_fetch):
            self._lifecycle.contain_each(flight.plan.crossed.values(), self._fetch_standing)
        for snapshot in flight.plan.snapshots:
            self._lifecycle.contain(snapshot.sequence, replica.store.publish_snapshot, snapshot)
        for sequence, pool, block, key in flight.plan.media:
            self._lifecycle.contain(sequence, pool.publish, [block], [key], sequence.request, 0)

    def _fetch_standing(self, sequence: Sequence) -> None:
        """Fetch some blocks' worth of tokens. The blocks are published when the sequence ends or gives way:
        nobody else goes on from the middle of an output, unless its state leaves a window before then."""
        standing, store = self._replica.standing, self._replica.store
        if sequence.stands:
            standing.collect(sequence)
            if store.loses_state_early:
                store.publish(sequence, standing.num_resolved_units(sequence))

    def _finish(self, flight: FlightRecord, result: StepResult) -> None:
        """End the sequences that the executor reports, and those that the engine knew would reach their limit."""
        for row in result.finished:
            sequence = self._holder(flight, row)
            self._lifecycle.contain(sequence, self._end, sequence, "stop")
        for sequence in flight.ending:
            self._lifecycle.contain(sequence, self._end, sequence, "length")

    def _fail_rows(self, flight: FlightRecord, result: StepResult) -> None:
        """End the requests of the sequences that the executor cannot go on with, before their tokens of this step,
        which mean nothing, count as output."""
        failed = [(self._holder(flight, row), reason) for row, reason in result.failed.items()]
        for sequence, _ in failed:
            if sequence.number not in flight.plan.explicit and not sequence.has_ended:
                self._replica.standing.collect(sequence)
                del sequence.output[-1:]
        for sequence, reason in failed:
            record = self._replica.requests.get(sequence.request.request_id)
            if record is not None and record.request is sequence.request:  # and not a later one of that name
                self._lifecycle.end_request(record, Status.FAILED, reason)

    def _end(self, sequence: Sequence, reason: str) -> None:
        if sequence.has_ended:
            return
        self._replica.standing.collect(sequence)
        (STOPPED if reason == "stop" else LIMITED).hit()
        if sequence.stands and len(self._replica.in_flight) > 1:
            STOPPED_IN_FLIGHT.hit()
        if sequence.status is Status.PREEMPTED:
            FINISHED_PREEMPTED.hit()
        self._lifecycle.finish(sequence, reason)

    def _record(self, flight: FlightRecord, *, failed: bool) -> None:
        replica, plan, step = self._replica, flight.plan, flight.step
        explicit = tuple(map(_computed, plan.explicit, plan.entries)) if plan.entries else ()
        replica.log.record(
            StepRecord(
                replica.now_s,
                step.number,
                flight.planned_s,
                step.num_tokens,
                flight.num_standing,
                explicit,
                tuple(plan.left),
                len(replica.running),
                len(replica.queue),
                replica.store.used_blocks(),
                failed,
            )
        )


def _computed(number: int, entry: StepEntry) -> ComputedUnits:
    return ComputedUnits(number, entry.start, entry.num_units, entry.emits, entry.stands)
