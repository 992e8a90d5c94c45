"""Readers who gain most are served."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policies.views import Replica, Seen
from weft.contracts.errors import ConfigurationError
from weft.contracts.events import ComputedUnits, RequestArrived, Status, StepRecord, Transition
from weft.policies.quality_of_experience import QualityOfExperience

STEP_S = 0.02


class Served:
    """A policy that hears of sequences that were let in at 0 and have stood for some steps."""

    def __init__(self, *numbers: int, num_steps: int, **settings: float) -> None:
        self.policy = QualityOfExperience(**settings)
        for number in numbers:
            self.policy.observe(RequestArrived(0.0, f"r{number}", "default", 10, 1000))
            self.move(number, 0.0, None, Status.WAITING)
            self.move(number, 0.0, Status.WAITING, Status.RUNNING)
        explicit = tuple(ComputedUnits(number, 0, 10, True, True) for number in numbers)
        for step in range(num_steps):
            now_s = (step + 1) * STEP_S
            record = StepRecord(now_s, step, now_s - STEP_S, 1, 0, explicit, (), len(numbers), 0, 1)
            self.policy.observe(record)
            explicit = ()

    def move(self, number: int, time_s: float, before: Status | None, after: Status) -> None:
        self.policy.observe(Transition(time_s, f"r{number}", number, before, after, ""))


def test_who_has_much_left_to_read_gives_way_to_one_who_has_nothing() -> None:
    served = Served(0, 1, num_steps=500)  # 500 tokens in 10 s, of which 48 are read
    running = [Seen(number, num_known=510, num_blocks=32) for number in (0, 1)]
    head = Seen(7, arrival_s=8.0, status=Status.WAITING)
    view = Replica(running=list(running), waiting=[head], max_running=2, num_blocks=64)
    policy = served.policy
    policy.observe(RequestArrived(8.0, "r7", "default", 10, 1000))
    assert policy.decide(view, head, 10.0) < policy.decide(view, running[0], 10.0)
    assert policy.displace(view, head, running, 10.0) in ([running[0]], [running[1]])


def test_who_would_be_missed_as_much_stays() -> None:
    served = Served(0, num_steps=1)
    running = Seen(0, num_known=11)
    head = Seen(7, arrival_s=0.0, num_known=100_000, status=Status.WAITING)
    view = Replica(running=[running], waiting=[head], max_running=1)
    assert served.policy.displace(view, head, [running], 1.0) == ()


def test_preemptions_are_capped_on_average() -> None:
    served = Served(0, 1, num_steps=500, preemptions_per_request=0.5)
    running = [Seen(number, num_known=510, num_blocks=32) for number in (0, 1)]
    head = Seen(7, arrival_s=8.0, status=Status.WAITING)
    view = Replica(running=list(running), waiting=[head], max_running=2)
    assert len(served.policy.displace(view, head, running, 10.0)) == 1
    served.move(0, 10.0, Status.RUNNING, Status.PREEMPTED)
    assert served.policy.displace(view, head, running[1:], 10.0) == ()


def test_a_reader_is_followed_through_a_pause() -> None:
    """200 tokens in 4 s last 42 s; 40 s after a preemption nothing was missed yet, 80 s after it much was."""
    served = Served(0, num_steps=200)
    served.move(0, 4.0, Status.RUNNING, Status.PREEMPTED)
    preempted = Seen(0, num_known=210, status=Status.PREEMPTED)
    ranks = [served.policy.decide(Replica(), preempted, now_s) for now_s in (20.0, 60.0)]
    assert ranks[1] < ranks[0]


def test_ends_are_forgotten() -> None:
    served = Served(0, 1, num_steps=3)
    for number in (0, 1):
        served.move(number, 1.0, Status.RUNNING, Status.FINISHED)
    assert not served.policy._stops
    assert not served.policy._content_until_s
    assert served.policy._counts.tokens(0) == 0


@pytest.mark.parametrize("name", ["ttft_s", "tokens_per_s", "horizon_s", "preemptions_per_request"])
def test_settings_must_be_above_zero(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"andes: {name} is 0.0; it must be above 0"):
        QualityOfExperience(**{name: 0.0})


@given(st.integers(1, 600), st.lists(st.floats(0.0, 200.0), min_size=1, max_size=8))
def test_asking_often_is_the_same_as_asking_once(num_steps: int, times_s: list[float]) -> None:
    """What a policy remembers of readers who have enough changes no answer."""
    begun_s = num_steps * STEP_S
    asked = Served(0, num_steps=num_steps).policy
    running = Seen(0, num_known=10 + num_steps)
    for now_s in sorted(begun_s + each for each in times_s):
        anew = Served(0, num_steps=num_steps).policy
        assert asked.decide(Replica(), running, now_s) == anew.decide(Replica(), running, now_s)
