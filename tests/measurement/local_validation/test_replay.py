"""A live run of the real engine and executor, and the same in virtual time with the durations that its steps took:
every step must have the same in it, and every latency be the same within 1 %."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

import pytest

from tests.costs.calibrated_examples import profile
from tests.executor.tiny_serving import tiny_serving
from weft.contracts.events import PrefixLookup, Status, StepRecord, Transition
from weft.contracts.prompts import TokenPrompt
from weft.contracts.record import replaced
from weft.contracts.requests import Request, SamplingParams
from weft.executor.loading import Serving
from weft.measurement.local_validation.comparing import figures_of, relative_errors
from weft.measurement.local_validation.orders import Order
from weft.measurement.local_validation.replay import Recording, contents, replay, script_of
from weft.measurement.local_validation.worlds import (
    LiveWorld,
    SimulatedWorld,
    Watch,
    simulated_world,
    unwatched,
)
from weft.measurement.serving_figures import RequestTimes
from weft.observation.event_log import EventLog

NUM_REQUESTS = 24


def orders(gap_s: float, seed: int = 0, beginning: tuple[int, ...] = ()) -> list[Order]:
    """Prompts of 1 to 60 tokens and outputs of 1 to 20; some come together. `beginning`: of every other prompt, in
    place of its own."""
    random, made, arrival_s = Random(seed), list[Order](), 0.0
    for number in range(NUM_REQUESTS):
        prompt = tuple(random.randrange(61) for _ in range(random.randint(1, 60)))
        if number % 2:
            prompt = beginning[: len(prompt)] + prompt[len(beginning) :]
        output_tokens = random.randint(1, 20)
        sampling = SamplingParams(max_tokens=output_tokens, temperature=0.0, ignore_eos=True)
        made.append(Order(arrival_s, Request(str(number), TokenPrompt(prompt), sampling), output_tokens))
        arrival_s += random.choice((0.0, gap_s, 2 * gap_s))
    return made


@pytest.fixture(scope="module")
def serving() -> Iterator[Serving]:
    """Four rows and steps of 24 tokens, so that requests wait and prompts are cut; two steps in flight."""
    made = tiny_serving(max_num_seqs=4, max_num_batched_tokens=24)
    yield made
    made.close()


@pytest.fixture(scope="module")
def tight() -> Iterator[Serving]:
    """The same with room for little more than the longest sequence, so that sequences are preempted."""
    made = tiny_serving(max_num_seqs=4, max_num_batched_tokens=24, kv_cache_memory_bytes=33 * 512)
    yield made
    made.close()


Played = tuple[list[RequestTimes], Recording, SimulatedWorld]


def play_live(serving: Serving, load: Sequence[Order], watch: Watch = unwatched) -> Played:
    live, recording = LiveWorld(serving), Recording()

    def watch_both(log: EventLog) -> None:
        recording.watch(log)
        watch(log)

    try:
        return live.play(load, watch_both), recording, simulated_world(live, serving, profile())
    finally:
        live.close()


@pytest.mark.parametrize("gap_s", [0.0, 0.002, 0.03], ids=["all at once", "a queue", "idle between"])
def test_a_replayed_run_is_the_live_one(serving: Serving, gap_s: float) -> None:
    load = orders(gap_s)
    times, recording, world = play_live(serving, load)
    assert len({step.num_tokens for step in recording.steps}) > 5
    check_replayed(world, load, times, recording)


@pytest.mark.parametrize("gap_s", [0.0, 0.002, 0.03], ids=["all at once", "a queue", "idle between"])
def test_so_it_is_with_preempted_sequences_reused_beginnings_and_cut_prompts(
    tight: Serving, gap_s: float
) -> None:
    happened = list[Transition | PrefixLookup]()

    def watch(log: EventLog) -> None:
        log.subscribe(happened.append, Transition)
        log.subscribe(happened.append, PrefixLookup)

    load = orders(gap_s, seed=1, beginning=tuple(range(30)))
    times, recording, world = play_live(tight, load, watch)
    if gap_s == 0.0:
        assert any(isinstance(each, Transition) and each.after is Status.PREEMPTED for each in happened)
    assert any(isinstance(each, PrefixLookup) and each.hit_tokens for each in happened)
    emitting = [units.emits for step in recording.steps for units in step.explicit if units.num_units > 1]
    assert any(emitting)
    assert not all(emitting)
    check_replayed(world, load, times, recording)


def check_replayed(
    world: SimulatedWorld, load: Sequence[Order], times: Sequence[RequestTimes], recording: Recording
) -> None:
    again = replay(world, load, times, recording)
    assert again.is_equal
    for live, simulated in zip(times, again.times, strict=True):
        arrival_s = live.arrival_s
        ttft_s, e2e_s = live.first_token_s - arrival_s, live.last_token_s - arrival_s
        assert simulated.first_token_s - simulated.arrival_s == pytest.approx(ttft_s, rel=0.01)
        assert simulated.last_token_s - simulated.arrival_s == pytest.approx(e2e_s, rel=0.01)
        tokens_s = simulated.last_token_s - simulated.first_token_s
        assert tokens_s == pytest.approx(live.last_token_s - live.first_token_s, rel=0.01, abs=1e-6)
    errors = relative_errors(figures_of(times), figures_of(again.times))
    assert max(map(abs, errors.values())) < 0.01


def test_other_durations_make_other_steps(serving: Serving) -> None:
    """So that equality above means something."""
    load = orders(0.002)
    times, recording, world = play_live(serving, load)
    faster = Recording(dict(recording.arrivals_s))
    origin_s = min(recording.arrivals_s.values())
    faster.steps = [
        replaced(
            step,
            time_s=origin_s + (step.time_s - origin_s) / 1000,
            planned_s=origin_s + (step.planned_s - origin_s) / 1000,
        )
        for step in recording.steps
    ]
    again = replay(world, load, times, faster)
    assert not again.is_equal
    assert again.times[-1].last_token_s < times[-1].last_token_s


def test_a_simulation_by_a_profile_serves_the_same_requests(serving: Serving) -> None:
    load = orders(0.002)
    times, recording, world = play_live(serving, load)
    simulated = Recording()
    predicted = world.play(load, simulated.watch)
    assert [each.output_tokens for each in predicted] == [each.output_tokens for each in times]
    assert all(each.arrival_s <= each.first_token_s <= each.last_token_s for each in predicted)
    computed = [sum(step.num_tokens for step in each.steps) for each in (recording, simulated)]
    assert computed[0] == computed[1]
    assert world.play(load) == predicted


def test_a_step_that_an_arrival_set_off_is_begun_when_it_was_planned() -> None:
    world = Recording({"a": 1.0, "b": 1.5, "c": 2.6})
    step = contentless(planned_s=1.1, time_s=2.0)
    world.steps = [step, contentless(2.001, 2.5), contentless(2.7, 3.0)]
    script = script_of(world)
    assert script.arrivals_s == {"a": 1.1, "b": 1.5, "c": 2.7}
    assert script.durations_s == pytest.approx([0.9, 0.5, 0.3])
    assert contents(world.steps) == [(1, 1, (), ())] * 3


def test_steps_are_the_same_in_whatever_order_ends_are_told() -> None:
    step = contentless(1.0, 2.0)
    one, other, third = (replaced(step, left=left) for left in ((4, 2), (2, 4), (2, 5)))
    assert contents([one]) == contents([other])
    assert contents([one]) != contents([third])


def contentless(planned_s: float, time_s: float) -> StepRecord:
    return StepRecord(time_s, 0, planned_s, 1, 1, (), (), 1, 0, 0)


@pytest.mark.parametrize("gap_s", [0.0, 0.03], ids=["all at once", "idle between"])
def test_a_replay_tells_how_fast_the_machine_was(serving: Serving, gap_s: float) -> None:
    load, recording = orders(gap_s), Recording()
    _, _, world = play_live(serving, load)
    times = replace(world, slowdown=1.3).play(load, recording.watch)
    assert replay(world, load, times, recording).slowdown == pytest.approx(1.3, rel=0.01)
