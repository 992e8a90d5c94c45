"""A live run once more in virtual time, with the durations that its steps took: what is still off is no cost model's.

Steps and arrivals are put where they had their effect. A live engine plans a moment after it has heard of something,
a simulated one in the same instant: a step that an arrival set off is begun, and that arrival comes, when the step was
planned; any other is planned when the step before it ended.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from weft.contracts.events import RequestArrived, StepRecord
from weft.contracts.record import replaced
from weft.costs.serving_costs import Chunk, ServingCosts
from weft.engine.driver import EngineDriver
from weft.measurement.local_validation.orders import Order
from weft.measurement.local_validation.playing import play
from weft.measurement.local_validation.worlds import SimulatedWorld, in_virtual_time, output_lengths
from weft.measurement.serving_figures import RequestTimes
from weft.observation.event_log import EventLog
from weft.simulator.simulated_executor import SimulatedExecutor


@dataclass(slots=True)
class Recording:
    """What of a run is needed to replay it: when requests came, by id, and every step. Times are those of its loop."""

    arrivals_s: dict[str, float] = field(default_factory=dict)
    steps: list[StepRecord] = field(default_factory=list)

    def watch(self, log: EventLog) -> None:
        """Follow a log from now on."""
        log.subscribe(self._note_arrival, RequestArrived)
        log.subscribe(self.steps.append, StepRecord)

    def _note_arrival(self, event: RequestArrived) -> None:
        self.arrivals_s[event.request_id] = event.time_s


class Script(NamedTuple):
    """For a replay: when each request is handed in, by id, on the clock of the recording, and how long each step
    takes."""

    arrivals_s: dict[str, float]
    durations_s: list[float]


class Replayed(NamedTuple):
    """`times`: of each request, from the beginning of the run. `is_equal`: every step had the same in it. `slowdown`:
    how many times as long as the cost model says all steps took together."""

    times: list[RequestTimes]
    is_equal: bool
    slowdown: float


class RecordedCosts:
    """`ServingCosts` that were recorded, in their order; the last goes on for ever. `said_s`: what `costs` say of the
    steps so far, but for sequences that begin."""

    admission_s = 0.0

    def __init__(self, durations_s: Sequence[float], costs: ServingCosts) -> None:
        self._durations_s, self._next = durations_s, 0
        self._costs, self.said_s = costs, 0.0
        self.pads_decodes, self.wants_longest = costs.pads_decodes, costs.wants_longest
        self.settling_steps = costs.settling_steps

    def seconds(
        self,
        num_tokens: int,
        num_outputs: int,
        num_decodes: int,
        visible_tokens: Sequence[int],
        chunks: Sequence[Chunk] = (),
        longest_tokens: int = 0,
    ) -> float:
        """Whatever the step is."""
        sizes = num_tokens, num_outputs, num_decodes, visible_tokens, chunks, longest_tokens
        self.said_s += self._costs.seconds(*sizes)
        index = min(self._next, len(self._durations_s) - 1)
        self._next += 1
        return self._durations_s[index]

    def decode_seconds(
        self,
        num_decodes: int,
        visible_tokens: Sequence[int],
        per_step: Sequence[int],
        num_steps: int,
        longest_tokens: int = 0,
    ) -> list[float]:
        """Of the next steps."""
        seen = [
            [now + step * more for now, more in zip(visible_tokens, per_step, strict=True)]
            for step in range(num_steps)
        ]
        return [self.seconds(num_decodes, num_decodes, num_decodes, each) for each in seen]

    def waking_seconds(self, idle_s: float) -> float:
        """It is in the durations."""
        self.said_s += self._costs.waking_seconds(idle_s)
        return 0.0

    def settling_seconds(self, steps_after: int, prompt_tokens: int, num_decodes: int) -> float:
        """It is in the durations."""
        self.said_s += self._costs.settling_seconds(steps_after, prompt_tokens, num_decodes)
        return 0.0

    def joules(self, seconds: float, num_passes: int = 1) -> float | None:
        """Nobody recorded them."""
        return None


def script_of(recording: Recording) -> Script:
    """See the module's text."""
    steps = recording.steps
    planned_s, ends_s = [step.planned_s for step in steps], [step.time_s for step in steps]
    arrivals_s, set_off = dict(recording.arrivals_s), dict[int, float]()
    for name, arrival_s in arrivals_s.items():
        step = bisect_left(planned_s, arrival_s)
        if step < len(steps) and _last_end_s(ends_s, planned_s[step]) <= arrival_s:
            arrivals_s[name] = set_off[step] = planned_s[step]
    durations_s, before_s = list[float](), float("-inf")
    for index, end_s in enumerate(ends_s):
        effective_s = set_off.get(index, _last_end_s(ends_s, planned_s[index]))
        durations_s.append(end_s - max(before_s, effective_s))
        before_s = end_s
    return Script(arrivals_s, durations_s)


def _last_end_s(ends_s: Sequence[float], until_s: float) -> float:
    index = bisect_right(ends_s, until_s)
    return ends_s[index - 1] if index else float("-inf")


def replay(
    world: SimulatedWorld, orders: Sequence[Order], live: Sequence[RequestTimes], recording: Recording
) -> Replayed:
    """Play the orders of a recorded run again; `live`: what they got in it."""
    script, again = script_of(recording), Recording()
    begun_s = live[0].arrival_s - orders[0].arrival_s
    moved = [
        order._replace(arrival_s=script.arrivals_s[order.request.request_id] - begun_s) for order in orders
    ]
    costs = RecordedCosts(script.durations_s, world.model.costs)
    times = in_virtual_time(_play(world, moved, costs, again))
    meant = [replaced(each, arrival_s=order.arrival_s) for each, order in zip(times, orders, strict=True)]
    said_s = costs.said_s + len(orders) * world.model.costs.admission_s
    is_equal = contents(again.steps) == contents(recording.steps)
    return Replayed(meant, is_equal, sum(script.durations_s) / said_s)


async def _play(
    world: SimulatedWorld, orders: Sequence[Order], costs: RecordedCosts, recording: Recording
) -> list[RequestTimes]:
    log = EventLog(capacity=0)
    recording.watch(log)
    executor = SimulatedExecutor(replace(world.model, costs=costs), output_lengths(orders), world.depth)
    return await play(EngineDriver(world.config, executor, log), log, orders)


def contents(steps: Sequence[StepRecord]) -> list[tuple[object, ...]]:
    """What was in each step, without when. Executors tell of ends in an order of their own, so who left is sorted."""
    return [(step.num_tokens, step.num_standing, step.explicit, tuple(sorted(step.left))) for step in steps]
