"""Runs of steps taken at once: while nobody comes, goes or waits, each step only gives everybody a token.

An executor that knows ahead when such steps will have returned (a simulated one) need not ask for each. What follows
from them is the same, down to the records: a test compares them.
"""

from array import array
from collections.abc import Sequence as SequenceOf

from weft.contracts.errors import InvariantViolation
from weft.contracts.events import StepRun
from weft.engine.door import Door
from weft.engine.replica import Replica
from weft.engine.step_plan import FlightRecord, StepPlan


class Coasting:
    """Takes runs of steps."""

    def __init__(self, replica: Replica, door: Door) -> None:
        self._replica = replica
        self._door = door

    @property
    def num_steps(self) -> int:
        """How many steps can be planned, beyond those in flight, that all follow from the standing rows alone, as
        long as it is quiet and nothing is asked of the engine."""
        standing, store = self._replica.standing, self._replica.store
        periods = min(group.pool.num_available for group in store.groups) // standing.count
        return min(standing.ticks_to_limit, periods * store.block_tokens)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing else is going on, nor in the steps in flight."""
        replica = self._replica
        return (
            not (
                replica.active or replica.queue or replica.yielding or replica.transfers or replica.streaming
            )
            and 0 < replica.standing.count == len(replica.running)
            and len(replica.in_flight) == replica.depth
            and replica.plan.is_blank
            and replica.deferred.is_empty
            and replica.draft is None
            and replica.failed_policy is None
            and not replica.store.loses_state_early
            and all(map(self._is_plain, replica.in_flight))
        )

    def _is_plain(self, flight: FlightRecord) -> bool:
        return flight.num_standing == self._replica.standing.count and flight.is_plain

    def take(self, times_s: SequenceOf[float], tokens: SequenceOf[int]) -> None:
        """The next steps have returned at these times, each with these tokens by row, and after each another one has
        been planned. There are at most `num_steps` of them."""
        replica, num_steps = self._replica, len(times_s)
        standing, flights = replica.standing, replica.in_flight
        first, count = flights[0].step.number, standing.count
        planned_s = [*(flight.planned_s for flight in flights), *times_s]
        used_blocks = self._plan_ticks(num_steps)
        standing.resolve_alike(num_steps, tokens, replica.running.values())
        self._renumber(first + num_steps, planned_s[num_steps:])
        replica.deferred.resolve(first + num_steps - 1)
        replica.now_s = times_s[-1]
        self._door.note_steps(count, planned_s[0], times_s)
        times = array("d", times_s)  # many are kept, and these are a third of the size of lists
        planned = array("d", planned_s[:num_steps])
        replica.log.record_run(StepRun(first, times, planned, count, len(replica.running), used_blocks))

    def num_blocks(self, num_steps: int) -> int:
        """How many blocks so many of them take, all rows together."""
        standing, store = self._replica.standing, self._replica.store
        last_tick, count = standing.clock.tick + num_steps - 1, 0
        for sequence in self._replica.running.values():
            if sequence.crossing_tick <= last_tick:
                count += 1 + (last_tick - sequence.crossing_tick) // store.block_tokens
        return count * len(store.groups)

    def _plan_ticks(self, num_ticks: int) -> list[tuple[int, int]]:
        """Plan them; the blocks in use before the first, and before those that follow a change."""
        replica = self._replica
        standing, store = replica.standing, replica.store
        first, used_blocks, unseen = standing.clock.tick, [(0, store.used_blocks())], StepPlan(0)
        while standing.skip_to_crossing(first + num_ticks):
            due = standing.take_crossings()
            if due and not store.extend_each(due, unseen):
                raise InvariantViolation("room_checked", f"{len(due)} blocks were promised and are not there")
            if (following := standing.clock.tick + 1 - first) < num_ticks:
                used_blocks.append((following, store.used_blocks()))
        return used_blocks

    def _renumber(self, first: int, planned_s: SequenceOf[float]) -> None:
        """As many are in flight as before, and they are as plain, but later ones."""
        replica = self._replica
        version = replica.in_flight[0].step.weights_version
        replica.in_flight.clear()
        for number, begun_s in enumerate(planned_s, first):
            plan = StepPlan(number)
            plan.advances, plan.num_tokens = True, replica.standing.count
            replica.in_flight.append(FlightRecord(plan, plan.seal(version), begun_s, plan.num_tokens))
        replica.plan = StepPlan(first + len(planned_s))
        replica.standing.last_step = first + len(planned_s) - 1
