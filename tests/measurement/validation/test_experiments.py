"""A run that the simulator itself could have recorded is predicted without error, and a changed one with it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.measurement.validation.recorded import FACTS, POINT, REQUEST, STEP, write_run
from weft.costs.servers import find_server
from weft.measurement.validation.deploying import plan_run
from weft.measurement.validation.experiment import STEP as STEP_NAME
from weft.measurement.validation.experiment import TPOT, TTFT, run_experiment
from weft.measurement.validation.facts import RunFacts
from weft.measurement.validation.predicting_points import PointLoop, predict_points
from weft.measurement.validation.predicting_requests import predict_requests
from weft.measurement.validation.predicting_steps import predict_steps
from weft.measurement.validation.reading import read_run
from weft.measurement.validation.recorded_run import (
    RecordedPoint,
    RecordedRequest,
    RecordedRun,
    RecordedStep,
)


def recorded(**records: Any) -> RecordedRun:
    facts = {name: records.pop(name) for name in list(records) if name in RunFacts.__slots__}
    return RecordedRun("a run", Path(), RunFacts(**FACTS | facts), **records)


def requests(number: int) -> tuple[RecordedRequest, ...]:
    return tuple(
        RecordedRequest(5.0 + 0.05 * index, 200 + 40 * index, 10 + index % 7, 1.0, 2.0)
        for index in range(number)
    )


def test_simulated_requests_are_predicted_exactly() -> None:
    run = recorded(requests=requests(30))
    found = predict_requests(run, plan_run(run))
    as_measured = tuple(
        found[index]._replace(arrival_s=each.arrival_s) for index, each in enumerate(run.requests)
    )
    experiment = run_experiment(replace(run, requests=as_measured))
    assert [figure.error for figure in experiment.figures] == pytest.approx([0.0] * len(experiment.figures))
    assert {figure.name for figure in experiment.figures} >= {"TTFT p90", "E2E p99", "output tokens/s"}
    assert experiment.num_unanswered == 0
    assert experiment.covered == 1.0


def test_requests_keep_their_lengths_and_arrivals_in_any_order() -> None:
    run = recorded(requests=requests(12)[::-1])
    found = predict_requests(run, plan_run(run))
    for index, each in enumerate(run.requests):
        assert found[index].input_tokens == each.input_tokens
        assert found[index].output_tokens == each.output_tokens
        assert found[index].arrival_s == pytest.approx(each.arrival_s - 5.0)


def test_equal_prefixes_are_computed_once() -> None:
    long = REQUEST | {"arrival_s": 0.0, "input_tokens": 3200, "ttft_s": 0.1, "e2e_s": 9.0}
    shared = RecordedRequest(**long, prefix_hashes=tuple(range(200)))  # type: ignore[arg-type]
    run = recorded(requests=(shared, shared._replace(arrival_s=5.0)))
    found = predict_requests(run, plan_run(run))
    assert found[1].ttft_s < found[0].ttft_s / 3
    alone = recorded(requests=run.requests, prefix_caching=False)
    cold = predict_requests(alone, plan_run(alone))
    assert cold[1].ttft_s == pytest.approx(cold[0].ttft_s)


def test_a_step_costs_what_the_model_says() -> None:
    decode = RecordedStep(**STEP)  # type: ignore[arg-type]
    prefill = decode._replace(prefill_tokens=301, prefill_sequences=2, decode_sequences=0, context_tokens=501)
    both = prefill._replace(decode_sequences=8, context_tokens=4301)
    run = recorded(steps=(decode, prefill, both))
    deployment = plan_run(run)
    costs = deployment.costs
    assert predict_steps(run, deployment) == [
        costs.seconds(8, 8, 8, [4000]),
        costs.seconds(301, 2, 0, [0], [(151, 100), (150, 100)]),
        costs.seconds(309, 10, 8, [4000], [(151, 0), (150, 0)]),
    ]


def test_steps_are_set_beside_a_constant() -> None:
    step = RecordedStep(**STEP)  # type: ignore[arg-type]
    run = recorded(steps=(step, step._replace(duration_s=0.04)))
    (errors,) = run_experiment(run).errors
    assert errors.name == STEP_NAME
    assert errors.constant_median is not None


def test_a_point_is_a_loop_of_its_clients() -> None:
    point = RecordedPoint(**POINT)  # type: ignore[arg-type]
    run = recorded(points=(point, point._replace(concurrency=16), point))
    found = predict_points(run, plan_run(run))
    assert found[0] == found[2]
    assert found[1].tpot_s > found[0].tpot_s
    experiment = run_experiment(replace(run, points=tuple(found)))
    assert [(each.name, each.p90) for each in experiment.errors] == [(TTFT, 0.0), (TPOT, 0.0)]


def test_clients_in_full_swing_do_not_move_in_step() -> None:
    point = RecordedPoint(1000, 100, 10, 0.1, 0.1)
    firsts = [next(iter(session.turns)).output_tokens for session in PointLoop(point, None, 1.0).sessions()]
    assert firsts == list(range(10, 101, 10))


@pytest.mark.parametrize("rounds", [None, 10])
def test_clients_that_have_no_more_to_ask_do_not_count_for_the_rest(rounds: int | None) -> None:
    """While some run out of requests, prompts disturb the others less; a whole run has little of that."""
    run = recorded(points=(RecordedPoint(4000, 60, 8, 0.1, 0.1),), rounds=rounds, least_length_share=0.8)
    (predicted,) = predict_points(run, plan_run(run))
    costs = plan_run(run).costs
    decode_s = costs.seconds(8, 8, 8, [8 * 3600])
    prompt_s = costs.seconds(3607, 8, 7, [7 * 3600], [(3600, 0)]) - decode_s
    assert predicted.tpot_s == pytest.approx(decode_s + 7 / 53 * prompt_s, rel=0.25)


def test_a_loop_that_begins_counts_every_round() -> None:
    loop = PointLoop(RecordedPoint(1000, 100, 3, 0.1, 0.1), 10, 0.8)
    sessions = list(loop.sessions())
    assert [sum(loop.weight(turn) for turn, _ in enumerate(session.turns)) for session in sessions] == [
        10
    ] * 3
    assert [loop.weight(turn) for turn in range(4)] == [1, 1, 7, 1]
    lengths = [turn.prompt.num_tokens for session in sessions for turn in session.turns]
    assert 800 <= min(lengths) < max(lengths) <= 1000


def test_copies_share_requests_and_with_experts_the_experts() -> None:
    run = recorded(requests=requests(4), model="Qwen/Qwen3-30B-A3B", dp=2, ep=2)
    deployment = plan_run(run)
    assert deployment.num_devices == 2
    assert (
        deployment.memory.weights_bytes
        < plan_run(recorded(requests=requests(4), model="Qwen/Qwen3-30B-A3B")).memory.weights_bytes
    )
    assert len(predict_requests(run, deployment)) == 4


def test_the_server_says_what_the_host_costs_and_choices_go_first() -> None:
    run = recorded(steps=(RecordedStep(**STEP),))  # type: ignore[arg-type]
    with_host, without = (
        predict_steps(run, plan_run(run, **choice))[0] for choice in ({}, {"server": "none"})
    )
    assert with_host == pytest.approx(find_server("vllm").seconds(without, 8))


def test_a_host_that_takes_turns_with_the_devices_adds_to_each_step() -> None:
    ahead, in_turns = (
        recorded(points=(RecordedPoint(**POINT),), server=server)  # type: ignore[arg-type]
        for server in ("vllm", "vllm-sync")
    )
    assert (plan_run(ahead).depth, plan_run(in_turns).depth) == (2, 1)
    (sooner,), (later,) = (predict_points(run, plan_run(run)) for run in (ahead, in_turns))
    assert later.tpot_s > sooner.tpot_s


def test_blocks_of_the_server_count() -> None:
    run = recorded(requests=requests(30), kv_blocks=100)
    assert set(plan_run(run).config.num_blocks.values()) == {100}
    scarce = run_experiment(run)
    plenty = run_experiment(replace(run, facts=replace(run.facts, kv_blocks=None)))
    waits = [
        next(figure.predicted for figure in each.figures if figure.name == "TTFT p99")
        for each in (scarce, plenty)
    ]
    assert waits[0] > 2 * waits[1]


@pytest.mark.parametrize(
    "facts", [{"model": "nobody/nothing"}, {"hardware": "abacus"}, {"model": "meta-llama/Llama-3.1-405B"}]
)
def test_what_cannot_be_planned_is_a_refusal(facts: dict[str, Any], tmp_path: Path) -> None:
    write_run(tmp_path, "points", [POINT], facts)
    experiment = run_experiment(read_run(tmp_path, tmp_path))
    assert experiment.refusal
    assert experiment.covered is None
    assert experiment.as_json()["refusal"] == experiment.refusal
