"""Log-probabilities follow their tokens, whatever happens to the sequence on the way."""

import pytest

from tests.engine.small_engine import SmallEngine, ask
from weft.contracts.errors import InvariantViolation
from weft.contracts.events import Status
from weft.contracts.policies import PreemptionMethod
from weft.contracts.requests import Request
from weft.contracts.steps import StepResult, TokenLogprobs
from weft.simulator.fake_drafter import FakeDrafter
from weft.simulator.fake_model import FakeModelSpec
from weft.simulator.fake_reference import reference_logprobs


def expect(engine: SmallEngine, *requests: Request) -> None:
    """Each output told has the log-probabilities that its tokens have alone, or none where none were wanted."""
    for request in requests:
        for sample in range(request.sampling.n):
            asks = request.sampling.logprobs is not None
            alone = reference_logprobs(engine.spec, request, engine.text(request, sample)) if asks else ()
            assert engine.logprobs[request.request_id, sample] == alone


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_every_token_has_its_own_and_as_many_of_the_likeliest_as_asked(depth: int, count: int) -> None:
    engine = SmallEngine(depth=depth)
    request = ask("a", 5, 30, n=2, temperature=1.0, logprobs=count)
    plain = ask("plain", 6, 30)
    engine.submit(request, plain)
    engine.run()
    expect(engine, request, plain)
    assert all(len(told.likeliest) == count for told in engine.logprobs["a", 1])
    assert engine.logprobs["plain", 0] == ()


def test_the_token_taken_without_temperature_is_the_likeliest() -> None:
    engine, request = SmallEngine(), ask("a", 5, 12, logprobs=2)
    engine.submit(request)
    engine.run()
    assert [told.likeliest[0].token for told in engine.logprobs["a", 0]] == [*engine.text(request)]


@pytest.mark.parametrize("preempt", ["latest_first", "latest_first_swap"])
@pytest.mark.parametrize("streams", [False, True])
def test_they_survive_preemption(preempt: str, streams: bool) -> None:
    engine = SmallEngine(depth=3, num_blocks=9, num_host_blocks=9, preempt=preempt)
    requests = [ask("first", 10, 16, logprobs=1), ask("last", 10, 14, logprobs=0)]
    engine.submit(*requests, stream=streams)
    engine.run()
    assert Status.PREEMPTED in [status for status, _ in engine.moves("last")]
    engine.expect(*requests)
    expect(engine, *requests)


def test_a_row_that_changed_hands_gives_them_to_its_former_holder() -> None:
    engine = SmallEngine(depth=2, max_running=1)
    requests = [ask("first", 5, 9, logprobs=1), ask("second", 5, 4, logprobs=1)]
    engine.submit(*requests)
    engine.plan()
    (first,) = engine.sequences("first")
    engine.engine._reclaim.preempt(first, PreemptionMethod.RECOMPUTE)
    engine.plan()
    assert (engine.engine.num_in_flight, engine.running()) == (2, ["second"])
    engine.run()
    engine.expect(*requests)
    expect(engine, *requests)


@pytest.mark.parametrize("tree", [False, True])
def test_a_verified_draft_brings_one_for_each_of_its_tokens(tree: bool) -> None:
    def drafter() -> FakeDrafter:
        return FakeDrafter(FakeModelSpec(SmallEngine().spec.layout), 0, 3, 0.7, tree)

    engine, request = SmallEngine(draft=drafter), ask("a", 5, 30, logprobs=2)
    engine.submit(request)
    engine.run()
    engine.expect(request)
    assert len(engine.steps) < 30
    expect(engine, request)


def test_what_was_told_before_a_failure_has_them() -> None:
    engine, request = SmallEngine(depth=2), ask("a", 5, 9, logprobs=1)
    engine.submit(request)
    for _ in range(3):
        engine.plan()
        engine.finish()
    engine.plan()
    engine.plan()
    engine.break_off()
    engine.break_off()
    assert engine.ends["a"].output_tokens == 3
    expect(engine, request)


def test_an_output_that_its_client_ends_keeps_those_of_its_tokens() -> None:
    engine, request = SmallEngine(depth=2), ask("a", 5, 30, logprobs=1)
    engine.submit(request)
    for _ in range(9):
        while engine.plan() is not None:
            pass
        engine.finish()
    engine.stop("a", 4)
    engine.run()
    assert len(engine.text(request)) == 4
    expect(engine, request)


@pytest.mark.parametrize("told", [(), (TokenLogprobs(8, -1.0),)])
def test_an_executor_that_owes_them_is_found_out(told: tuple[TokenLogprobs, ...]) -> None:
    engine = SmallEngine()
    engine.submit(ask("a", 5, 1, logprobs=1))
    engine.plan()
    with pytest.raises(InvariantViolation, match="come with log-probabilities of") as caught:
        engine.engine.update(StepResult(0, [7], (), {}, {}, {0: told}), 1.0)
    assert caught.value.name == "logprobs_complete"
