"""What is learned of recorded steps, and how they are divided."""

from pathlib import Path

import pytest

from tests.papers.recorded import write_points, write_steps
from weft.measurement.validation.deploying import plan_run
from weft.measurement.validation.reading import read_runs
from weft.measurement.validation.recorded_run import RecordedStep
from weft.model_specs.operations import OperationKind
from weft.papers.card import SEEDS, CardError
from weft.papers.ets_itertime import BLOCK_S, ERROR, ERROR_CONSTANT, Division, examples, measure
from weft.papers.step_features import step_features

NUM_BATCH_FEATURES = 3


def test_steps_are_divided_by_blocks_of_time(tmp_path: Path) -> None:
    found = examples(write_steps(tmp_path), "*")
    (run,) = read_runs(tmp_path)
    folds: dict[float, set[int]] = {}
    for step, example in zip(run.steps, found, strict=True):
        folds.setdefault(step.start_s // BLOCK_S, set()).add(example.fold)
    assert all(len(each) == 1 for each in folds.values())
    assert {example.fold for example in found} == set(SEEDS)


def test_it_learns_the_run_that_it_saw(tmp_path: Path) -> None:
    pairs, details = measure(write_steps(tmp_path), Division("known", "*", "*"), 0)
    assert pairs[ERROR].technique < 0.01 < pairs[ERROR].baseline
    assert pairs[ERROR_CONSTANT].technique < 0.1 * pairs[ERROR_CONSTANT].baseline
    assert details["steps fitted"] + details["steps tested"] == 90


def test_it_does_not_know_a_run_that_it_did_not_see(tmp_path: Path) -> None:
    write_steps(tmp_path, "seen")
    write_steps(tmp_path, "other", layer_s=2e-3)
    pairs, _ = measure(tmp_path, Division("other", "seen", "other"), 0)
    assert pairs[ERROR].technique > 0.3


def test_features_count_what_a_layer_does(tmp_path: Path) -> None:
    (run,) = read_runs(write_steps(tmp_path))
    deployment = plan_run(run)
    decode, more = (step_features(RecordedStep(0.0, 1.0, 0, 0, 2, each), deployment) for each in (200, 400))
    prompt = step_features(RecordedStep(0.0, 1.0, 100, 1, 0, 100), deployment)
    assert len(decode) == 2 * len(OperationKind) + NUM_BATCH_FEATURES
    assert decode[-NUM_BATCH_FEATURES:] == (2.0, 0.0, 2.0)
    assert prompt[-NUM_BATCH_FEATURES:] == (100.0, 1.0, 0.0)
    kinds = list(OperationKind)
    matmul, attention = (2 * kinds.index(kind) for kind in (OperationKind.MATMUL, OperationKind.ATTENTION))
    assert prompt[matmul] == 50 * decode[matmul]
    assert more[attention] == 2 * decode[attention]


def test_runs_that_are_not_there_are_named(tmp_path: Path) -> None:
    write_points(tmp_path)
    with pytest.raises(
        CardError, match=r"no recorded steps in runs called \*.* python -m tools\.recorded_runs"
    ):
        examples(tmp_path, "*")
