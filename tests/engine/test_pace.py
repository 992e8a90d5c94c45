"""How many an engine lets in where it is meant to be fast, and what each tenant's share of the door is."""

from typing import Any

import pytest

from tests.engine.small_engine import SmallEngine, ask
from weft.contracts.errors import RequestRejected
from weft.contracts.events import ComputedUnits, FirstToken, RequestEnded, Status, StepRecord, StepRun
from weft.contracts.execution import ExecutorTraits
from weft.contracts.requests import Request, Slo
from weft.engine.pace import CORRECTION, MISSED, TYPICAL_OUTPUT_TOKENS, Lateness, Pace, within
from weft.engine.replica import Replica
from weft.observation.event_log import EventLog


def replica() -> Replica:
    engine = SmallEngine()
    return Replica(engine.config, ExecutorTraits(1, "f"), EventLog())


class Measured:
    """A pace that is told of steps of 10 ms, 1 ms more per sequence beyond the first, 0.1 ms more per prompt token."""

    def __init__(self, objective_s: float | None = None) -> None:
        self.replica = replica()
        self.pace = Pace(self.replica, objective_s)
        self.now_s, self.number = 0.0, 0

    def step(self, num_standing: int, prompt_tokens: int = 0, late_s: float = 0.0) -> None:
        begun_s = self.now_s
        self.now_s += 0.01 + 0.001 * (num_standing - 1) + 0.0001 * prompt_tokens + late_s
        explicit = (ComputedUnits(0, 0, prompt_tokens, True, True),) if prompt_tokens else ()
        num_tokens = num_standing + prompt_tokens
        self.replica.log.record(
            StepRecord(
                self.now_s, self.number, begun_s, num_tokens, num_standing, explicit, (), num_standing, 0, 1
            )
        )
        self.number += 1

    def end(self, name: str, num_tokens: int, tpot_s: float) -> None:
        self.replica.log.record(FirstToken(self.now_s, name))
        self.now_s += tpot_s * (num_tokens - 1)
        self.replica.log.record(RequestEnded(self.now_s, name, Status.FINISHED, "stop", num_tokens))


def test_as_many_are_let_in_as_decode_within_the_objective() -> None:
    """A step of ten takes 9 ms more than one of one: 0.9 ms for each of them."""
    measured = Measured(objective_s=0.025)
    assert measured.pace.most_sequences == float("inf")
    measured.step(1)
    for _ in range(200):
        measured.step(10)
    assert measured.pace.most_sequences == pytest.approx(0.015 / 0.0009, rel=0.01)


def test_results_that_are_told_of_at_once_are_not_fast() -> None:
    """The event loop was busy: of two steps one seems to take all the time and the other next to none."""
    measured, late = Measured(objective_s=0.025), Measured(objective_s=0.025)
    for _ in range(100):
        measured.step(1)
        measured.step(1)
        late.step(1, late_s=0.0099)
        late.step(1, late_s=-0.0099)
    for _ in range(200):
        measured.step(10)
        late.step(10)
    assert late.pace.most_sequences == pytest.approx(measured.pace.most_sequences, rel=0.05)


def test_prompts_that_come_with_outputs_leave_room_for_fewer() -> None:
    measured = Measured(objective_s=0.025)
    measured.step(1)
    for _ in range(100):
        measured.step(10)
        measured.step(10, 100)
    per_sequence_s = 0.0009 + 0.0001 * 100 / 20
    assert measured.pace.most_sequences == pytest.approx(0.015 / per_sequence_s, rel=0.05)


def test_a_run_of_steps_tells_what_its_steps_do() -> None:
    one, other = Measured(0.025), Measured(0.025)
    for each in (one, other):
        each.step(1)
    for _ in range(400):
        one.step(10)
        times_s = [other.now_s + 0.019, other.now_s + 0.038]
        other.replica.log.record_run(StepRun(0, times_s, [other.now_s, times_s[0]], 10, 10, [(0, 1)]))
        other.now_s = times_s[-1]
    assert other.pace.most_sequences == pytest.approx(one.pace.most_sequences, rel=0.01)


def test_misses_lower_the_bound_until_as_few_miss_as_may() -> None:
    measured = Measured(objective_s=0.025)
    measured.step(1)
    for _ in range(200):
        measured.step(10)
    before = measured.pace.most_sequences
    measured.end("late", 10, tpot_s=0.030)
    assert measured.pace.most_sequences == pytest.approx(before * (1 - CORRECTION * (1 - MISSED)))
    for index in range(19):
        measured.end(f"good{index}", 10, tpot_s=0.020)
    assert measured.pace.most_sequences == pytest.approx(before, rel=0.001)


def test_no_bound_without_an_objective() -> None:
    measured = Measured()
    measured.step(1)
    measured.step(10)
    measured.end("a", 10, tpot_s=9.0)
    assert measured.pace.most_sequences == float("inf")


def test_the_first_token_comes_after_what_its_prompt_takes() -> None:
    measured = Measured()
    assert measured.pace.first_token_s("t", 1000) == 0.0
    measured.step(1)
    for _ in range(300):
        measured.step(1, 100)
    prompt_s = 0.0001 * 64 + 0.01
    assert measured.pace.first_token_s("t", 64) == pytest.approx(prompt_s, rel=0.02)


def test_what_prompts_take_is_known_from_the_first_on_and_stays_known_when_fewer_decode() -> None:
    measured = Measured()
    for _ in range(3):
        measured.step(0, 100)
        measured.now_s += 1.0
    measured.step(1)
    assert measured.pace.prompt_s(100) == pytest.approx(0.019 + 0.001, rel=0.1)
    measured = Measured()
    measured.step(20)
    for _ in range(100):
        measured.step(20, 100)
        measured.step(20)
    before_s = measured.pace.prompt_s(1000) - measured.pace.prompt_s(0)
    measured.step(19)
    after_s = measured.pace.prompt_s(1000) - measured.pace.prompt_s(0)
    assert pytest.approx(after_s) == before_s == pytest.approx(0.1, rel=0.05)


def test_how_late_first_tokens_come_is_learnt_and_forgotten() -> None:
    late = Lateness()
    assert late.value(0.0) == 1.0
    for number in range(40):
        late.add(10.0 + 0.01 * number, 3.0 if number % 10 == 0 else 1.5)
    assert late.value(10.5) == 3.0, "a tenth is more than may miss"
    for _ in range(64):
        late.add(11.0, 1.5)
    assert late.value(11.0) == 1.5, "so many are remembered"
    late.add(12.0, 100.0)
    assert late.value(16.5) == 4.0, "no estimate is as wrong as that"
    assert late.value(17.5) == 1.0


def test_those_let_in_show_how_late_first_tokens_come() -> None:
    measured = Measured()
    measured.step(1)
    for name in "abc":
        expected_s = measured.pace.first_token_s("t", 64)
        measured.pace.expect(name, expected_s)
        asked_s = measured.replica.now_s
        measured.replica.log.record(FirstToken(asked_s + 2.0 * expected_s, name))
    assert measured.pace.lateness == pytest.approx(2.0)


def test_a_request_names_its_own_objective_or_has_that_of_the_engine() -> None:
    engine = Slo(ttft_s=2.0)
    assert within(None, None) == within(Slo(None, 1.0), None) == float("inf")
    assert within(None, engine) == within(Slo(None, 1.0), engine) == 2.0
    assert within(Slo(0.5), engine) == within(Slo(0.5), None) == 0.5


def test_room_comes_as_outputs_of_the_mean_length_end() -> None:
    """Ten decode at 19 ms a step, so one of outputs of 100 tokens ends every ten steps."""
    measured = Measured()
    measured.step(1)
    for _ in range(200):
        measured.step(10)
    assert measured.pace.room_s(3.0) == 0.0, "nobody runs"
    measured.replica.standing.count = 10
    assert measured.pace.room_s(3.0) == pytest.approx(3 * TYPICAL_OUTPUT_TOKENS * 0.0019, rel=0.02)
    measured.end("a", 100, tpot_s=0.019)
    assert measured.pace.room_s(3.0) == pytest.approx(3 * 100 * 0.0019, rel=0.02)
    assert measured.pace.room_s(-1.0) == 0.0


def busy(**config: Any) -> SmallEngine:
    """One that decodes; a step takes a second."""
    engine = SmallEngine(**config)
    engine.submit(ask("known", 8, 4))
    engine.run()
    engine.submit(ask("running", 8, 40))
    engine.plan()
    engine.finish()
    return engine


def hurried(name: str, ttft_s: float) -> Request:
    plain = ask(name, 8, 2)
    return Request(name, plain.prompt, plain.sampling, slo=Slo(ttft_s))


def test_who_cannot_have_its_first_token_in_time_is_refused() -> None:
    engine = busy(objective=Slo(10.0))
    with pytest.raises(
        RequestRejected, match=r"its first token would come within .* s, and is to come within"
    ) as caught:
        engine.submit(hurried("hurried", 0.5))
    assert caught.value.retry_after_s is not None
    assert caught.value.retry_after_s > 0.0
    patient = ask("patient", 8, 2)
    engine.submit(patient)
    engine.run()
    engine.expect(patient)


@pytest.mark.parametrize(("delay_s", "least", "most"), [(70.0, 10, 18), (0.001, 1, 4)], ids=["long", "short"])
def test_the_queue_is_as_long_as_requests_may_wait_for_it(delay_s: float, least: int, most: int) -> None:
    """Each makes four tokens in the only row, a step takes a second; and ten such seconds anybody may wait."""
    engine = busy(max_running=1, max_queue_delay_s=delay_s)
    waiting = [ask(f"waiting{number}", 8, 4) for number in range(99)]
    with pytest.raises(
        RequestRejected, match=r"it would wait for about \d+ s, and .* s are the most"
    ) as caught:
        engine.submit(*waiting)
    num_let_in = len(engine.engine.live_requests()) - 1
    assert least <= num_let_in <= most
    assert caught.value.retry_after_s is not None
    assert 0.0 < caught.value.retry_after_s < 15.0
    engine.run()
    engine.submit(ask("later", 8, 4))


def test_an_empty_engine_takes_whatever_fits() -> None:
    engine = busy(objective=Slo(0.001, 0.001))
    engine.run()
    alone = ask("alone", 30, 5)
    engine.submit(alone)
    engine.run()
    engine.expect(alone)


def test_a_tenant_within_its_share_of_the_queue_is_never_refused() -> None:
    """Two tenants may have 20 tokens each of the 40 that may wait, however much the first asks for."""
    engine = SmallEngine(max_running=1, max_queued_tokens=40)
    engine.submit(ask("running", 8, 4, tenant="noisy"))
    engine.plan()
    engine.submit(ask("noisy1", 10, 10, tenant="noisy"), ask("noisy2", 10, 9, tenant="noisy"))
    for tenant, prompt_tokens in (("noisy", 10), ("quiet", 20)):
        with pytest.raises(RequestRejected, match="try again later"):
            engine.submit(ask(f"{tenant}-more", prompt_tokens, 4, tenant=tenant))
    quiet = ask("quiet1", 10, 5, tenant="quiet")
    engine.submit(quiet)
    with pytest.raises(RequestRejected):
        engine.submit(ask("quiet2", 5, 5, tenant="quiet"))
    engine.finish()
    engine.run()
    engine.expect(quiet)


def test_the_door_can_be_asked_about_what_is_yet_to_come() -> None:
    engine = SmallEngine(max_running=1, max_queued_tokens=20)
    engine.submit(ask("running", 8, 4))
    engine.plan()
    engine.submit(ask("waiting", 8, 4))
    engine.engine.check_load("fits", "default", None, 5, engine.now_s)
    with pytest.raises(RequestRejected, match="tokens of work wait already"):
        engine.engine.check_load("too-much", "default", None, 50, engine.now_s)
    assert list(engine.ends) == ["too-much"]
    engine.finish()
    engine.run()
