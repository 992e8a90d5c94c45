"""What runs next.

`Scheduler.schedule` plans one step: running sequences first, then those that wait, in the order that the
order policy gives (`_admit_head` picks the next one), within the token budget that the budget policy shares
out. A step in which everybody just decodes one more token costs the same for one sequence and for thousands.
"""

from weft.contracts.errors import InvariantViolation, PolicyError
from weft.contracts.events import Status
from weft.contracts.policies import PreemptionMethod, StepBudget
from weft.contracts.steps import Step
from weft.engine.admission import Admissions
from weft.engine.displacement import Displacement
from weft.engine.entries import Entries
from weft.engine.lifecycle import Lifecycle
from weft.engine.reclaim import Reclaim
from weft.engine.replica import Replica
from weft.engine.sequence import Sequence
from weft.engine.step_plan import FlightRecord, StepPlan
from weft.observation.conditions import sometimes
from weft.observation.faults import declare_fault_point, fault

BUDGET = declare_fault_point("policy.budget", "asking the budget policy for the shares of a step")

STALLED = sometimes("schedule: a decoding sequence waited for blocks under way")
HELD_GAVE_WAY = sometimes("schedule: a held sequence gave way so that others could go on")
PREFILL_ALONE = sometimes("schedule: decoding waited for a step of prompts")


class Scheduler:
    """Plans steps; see the module's text."""

    def __init__(self, replica: Replica, lifecycle: Lifecycle, reclaim: Reclaim) -> None:
        self._replica = replica
        self._view = replica.view
        self._lifecycle = lifecycle
        self._reclaim = reclaim
        self._entries = Entries(replica, lifecycle, reclaim)
        self._admissions = Admissions(replica, lifecycle, reclaim, self._entries)
        self._displacement = Displacement(replica, lifecycle, reclaim)
        self._whole = StepBudget(replica.config.max_step_tokens, admit=True, chunk=True, mix=True)

    def schedule(self) -> Step | None:
        """The next step, or None where there is nothing to do until a step or transfer returns or a request
        arrives; fewer than `depth` are in flight. Raises `PolicyError` where a policy keeps admissible work from
        running."""
        while True:
            num_requests = len(self._replica.requests)
            budget = self._plan()
            if self._replica.plan.has_work:
                return self._seal()
            if not self._has_failed_some(num_requests) and not self._held_give_way(budget):
                return None

    def _plan(self) -> StepBudget:
        """Fill the step being planned, as far as there is what to fill it with; the budget that it was given."""
        replica = self._replica
        if replica.failed_policy is not None:
            failure, replica.failed_policy = replica.failed_policy, None
            raise failure
        replica.queue.rerank(replica.now_s)
        self._displacement.make_way()
        if self._only_stand():
            replica.lacks_place = False
            self._decode()
            budget = self._whole
        else:
            budget = self._share_out()
        replica.plan.advances = replica.plan.advances and replica.standing.count > 0
        return budget

    def _share_out(self) -> StepBudget:
        budget = self._ask_budget()
        if budget.mix:
            self._decode()
            self._prefill(budget)
        else:
            self._prefill(budget)
            if not self._replica.plan.entries:
                self._decode()
            elif self._replica.standing.count:
                PREFILL_ALONE.hit()
        return budget

    def _only_stand(self) -> bool:
        """Whether there is nobody but those who stand, and all can go on: then there are no shares to be asked for."""
        replica = self._replica
        count = replica.standing.count
        return count > 0 and not replica.active and not replica.queue and replica.store.can_extend(count)

    def _has_failed_some(self, num_requests: int) -> bool:
        """Whether requests failed while nothing was planned: what they held is free for those that wait."""
        self._lifecycle.end_doomed()
        return len(self._replica.requests) < num_requests

    def _ask_budget(self) -> StepBudget:
        policy = self._replica.budget
        name = type(policy).__name__
        try:
            fault(BUDGET)
            budget: object = policy.decide(self._view, self._replica.now_s)
        except Exception as error:
            raise PolicyError(name, f"raised {type(error).__name__}: {error}") from error
        most = self._view.max_step_tokens
        if isinstance(budget, StepBudget) and 0 <= budget.prefill_tokens <= most:
            return budget
        raise PolicyError(name, f"gave {budget!r}; a StepBudget with 0 to {most} prefill_tokens is wanted")

    def _decode(self) -> None:
        """Everybody who has one unit to compute: first those with an entry of their own, then all who stand."""
        replica = self._replica
        replica.plan.advances = True
        for sequence in list(replica.active.values()):
            if sequence.decodes:
                self._lifecycle.contain(sequence, self._entries.plan_decode, sequence)
        due = replica.standing.take_crossings()
        if due and not self._lifecycle.contain(due[0], replica.store.extend_each, due, replica.plan):
            self._lifecycle.contain_each(due, self._cross)
        else:
            for sequence in due:
                replica.plan.crossed[sequence.number] = sequence

    def _cross(self, sequence: Sequence) -> None:
        """A standing sequence reaches a new block: give it one, or take it out of this step."""
        if not sequence.stands:
            return
        replica, plan = self._replica, self._replica.plan
        start = sequence.num_computed
        sequence.last_step = max(sequence.last_step, replica.standing.last_step)
        if self._reclaim.make_room(sequence, start, start + 1):
            replica.store.take_snapshots(sequence, start, plan)
            plan.crossed[sequence.number] = sequence
        elif sequence.stands:  # it was not preempted to make room for itself
            STALLED.hit()
            replica.stop_standing(sequence)
            replica.deferred.settle(sequence, self._resume)

    def _resume(self, sequence: Sequence) -> None:
        """A stalled sequence's steps have returned: it may be planned again, by an entry of its own."""
        if sequence.status is Status.RUNNING:
            self._replica.standing.collect(sequence)
            self._replica.active[sequence.number] = sequence

    def _prefill(self, budget: StepBudget) -> None:
        """Prompts, and what must be computed anew: first of those that run, then of those that wait."""
        replica = self._replica
        self._entries.open(budget)
        for sequence in list(replica.active.values()):
            if sequence.num_missing and not sequence.decodes:
                self._lifecycle.contain(sequence, self._entries.plan_prefill, sequence)
        if budget.admit:
            self._admissions.admit()
        elif (head := replica.queue.head()) is not None:
            self._lifecycle.wait(head, "the budget policy admits nobody")

    def _seal(self) -> Step:
        replica, plan = self._replica, self._replica.plan
        num_standing = replica.standing.count if plan.advances else 0
        plan.num_tokens += num_standing
        step = plan.seal(replica.store.keys.weights_version)
        flight = FlightRecord(plan, step, replica.now_s, num_standing)
        replica.in_flight.append(flight)
        replica.plan = StepPlan(plan.number + 1)
        if plan.advances:
            replica.standing.last_step = plan.number
            flight.ending += replica.standing.advance()
        for sequence in plan.joining:
            if not sequence.has_ended:
                del replica.active[sequence.number]
                replica.standing.join(sequence)
        for sequence in flight.ending:
            self._retire(sequence)
        return step

    def _retire(self, sequence: Sequence) -> None:
        """The step just planned is a sequence's last: it takes no part in later ones."""
        replica = self._replica
        if sequence.stands:
            replica.stop_standing(sequence)
        replica.active.pop(sequence.number, None)

    def _held_give_way(self, budget: StepBudget) -> bool:
        """Nothing can run: say why, unless sequences whose clients wait for others hold what those need."""
        replica = self._replica
        head = replica.queue.head()
        if replica.in_flight or replica.transfers:
            return False
        held = [sequence for sequence in replica.active.values() if sequence.is_held]
        able = [sequence for sequence in replica.active.values() if not sequence.is_held]
        if not able and head is not None and held:
            HELD_GAVE_WAY.hit()
            self._reclaim.preempt(held[-1], PreemptionMethod.RECOMPUTE)
            return True
        kept = able[0] if able else head
        if kept is not None or replica.standing.count:
            self._blame(budget, kept)
        return False

    def _blame(self, budget: StepBudget, kept: Sequence | None) -> None:
        """Work could go on and nothing is under way: the budget's doing, or a defect of ours."""
        restricts = not budget.admit or budget.prefill_tokens < self._view.max_step_tokens
        if kept is None or not restricts:
            raise InvariantViolation("progress", f"nothing was planned although {kept} could go on")
        name, request_id = type(self._replica.budget).__name__, kept.request.request_id
        raise PolicyError(name, f"gave {budget!r} while nothing runs and work waits", request_id)
