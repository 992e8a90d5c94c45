"""Whole runs: what they leave can be served, interrupted ones end with the same bits, hopeless ones do not begin."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.training.interrupting import stop_at
from tests.training.small_recipe import small
from weft.contracts.errors import ConfigurationError
from weft.contracts.options import ServingOptions
from weft.executor.loading import load_serving
from weft.training import needs, run
from weft.training.curve import read_curve
from weft.training.run import RunOptions, TrainingInterrupted, resume, train
from weft.training.run_checkpoints import newest_checkpoint
from weft.training.trainer import TrainingFailed

OPTIONS = RunOptions(checkpoint_every_steps=6)


def silent(line: str) -> None:
    assert "\n" not in line


def curve_without_times(root: Path) -> list[dict[str, str]]:
    rows = read_curve(root / "training" / "curve.csv")
    return [{name: value for name, value in row.items() if name != "elapsed_s"} for row in rows]


def assert_same_run(one: Path, other: Path) -> None:
    assert curve_without_times(one) == curve_without_times(other)
    weights, others = (load_file(root / "model.safetensors") for root in (one, other))
    assert weights.keys() == others.keys()
    assert all(torch.equal(tensor, others[name]) for name, tensor in weights.items())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody interrupted."""
    root = tmp_path_factory.mktemp("whole") / "model"
    train(small(), root, OPTIONS, silent)
    return root


def test_the_model_is_served_and_the_curve_is_there(whole: Path) -> None:
    serving = load_serving(whole, ServingOptions(num_threads=1, kv_cache_memory_bytes=1 << 24))
    assert serving.max_model_len == 256
    serving.close()
    assert sorted(path.name for path in (whole / "training").iterdir()) == ["curve.csv", "recipe.json"]
    rows = curve_without_times(whole)
    assert [row["step"] for row in rows] == ["5", "10", "15", "20"]
    assert list(rows[0]) == ["step", "num_tokens", "loss", "fresh_bits_per_byte", "held_out_bits_per_byte"]
    assert float(rows[-1]["fresh_bits_per_byte"]) < float(rows[0]["fresh_bits_per_byte"])


@pytest.mark.parametrize(("step", "number"), [(3, signal.SIGINT), (12, signal.SIGTERM)])
def test_a_stopped_run_goes_on_and_ends_with_the_same_bits(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, number: int
) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, step, number)
        with pytest.raises(TrainingInterrupted, match=f"stopped after step {step + 1}; .* --resume") as stop:
            train(small(), tmp_path / "model", OPTIONS, silent)
    assert stop.value.signal_number == number
    assert not (tmp_path / "model" / "config.json").exists()
    resume(small(), tmp_path / "model", OPTIONS, silent)
    assert_same_run(tmp_path / "model", whole)


def test_a_signal_in_the_last_step_does_not_keep_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at(monkeypatch, 1)
    train(small().scaled(2), tmp_path / "model", OPTIONS, silent)
    assert (tmp_path / "model" / "config.json").exists()


KILLED_RUN = """
import sys, pathlib
from tests.training.small_recipe import small
from weft.training.run import RunOptions, train
train(small().scaled(4000), pathlib.Path(sys.argv[1]), RunOptions(checkpoint_every_steps=6), lambda line: None)
"""


def test_a_killed_run_loses_only_the_steps_since_its_last_checkpoint(tmp_path: Path) -> None:
    root = tmp_path / "model"
    process = subprocess.Popen([sys.executable, "-c", KILLED_RUN, root], cwd=Path(__file__).parents[2])
    while process.poll() is None and newest_checkpoint(root / "training" / "checkpoints") is None:
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    newest = newest_checkpoint(root / "training" / "checkpoints")
    assert newest is not None
    recipe, dtype = run.as_begun(small(), root, seed=None, num_steps=None, dtype=None)
    assert (recipe, dtype) == (small().scaled(4000), "float32")
    told: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, int(newest.stem.split("-")[1]) + 1)
        with pytest.raises(TrainingInterrupted):
            resume(recipe, root, OPTIONS, told.append)
    assert f"{int(newest.stem.split('-')[1]):,} of them done" in told[1]
    assert len(list((root / "training" / "checkpoints").iterdir())) <= 2


def test_another_recipe_is_not_taken_for_the_one_that_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_at(monkeypatch, 1)
    with pytest.raises(TrainingInterrupted):
        train(small(), tmp_path / "model", OPTIONS, silent)
    with pytest.raises(ConfigurationError, match=r"recipe.seed is 2, and was 1"):
        resume(replace(small(), seed=2), tmp_path / "model", OPTIONS, silent)
    with pytest.raises(ConfigurationError, match="dtype is 'bfloat16', and was 'float32'"):
        resume(small(), tmp_path / "model", replace(OPTIONS, dtype="bfloat16"), silent)
    with pytest.raises(ConfigurationError, match="has a run that is not over; add --resume"):
        train(small(), tmp_path / "model", OPTIONS, silent)


def test_there_must_be_something_to_resume_and_no_model_in_the_way(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is over; there is nothing to resume"):
        resume(small(), whole, OPTIONS, silent)
    with pytest.raises(ConfigurationError, match="leave --resume out"):
        resume(small(), tmp_path / "none", OPTIONS, silent)
    with pytest.raises(ConfigurationError, match="exists and is not an empty directory"):
        train(small(), whole, OPTIONS, silent)


def test_a_damaged_checkpoint_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, 7)
        with pytest.raises(TrainingInterrupted):
            train(small(), tmp_path / "model", OPTIONS, silent)
    checkpoints = tmp_path / "model" / "training" / "checkpoints"
    newest = newest_checkpoint(checkpoints)
    assert newest == checkpoints / "step-00000008.safetensors"
    newest.write_bytes(newest.read_bytes()[:-100])
    with pytest.raises(ConfigurationError, match="delete it to go on from the one before"):
        resume(small(), tmp_path / "model", OPTIONS, silent)
    newest.unlink()
    resume(small(), tmp_path / "model", OPTIONS, silent)


def test_a_broken_run_names_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stop_at(patch, 7)
        with pytest.raises(TrainingInterrupted):
            train(small(), tmp_path / "model", OPTIONS, silent)
    newest = newest_checkpoint(tmp_path / "model" / "training" / "checkpoints")
    assert newest is not None
    tensors = load_file(newest)
    tensors["weights.model.norm.weight"].fill_(torch.nan)
    progress = {"steps_done": 8, "num_tokens": 9, "elapsed_s": 1.0, "losses": [1.0]}
    save_file(tensors, newest, metadata={"progress": json.dumps(progress)})
    with pytest.raises(TrainingFailed, match=f"loss is nan at step 8; .*; the last checkpoint is {newest}"):
        resume(small(), tmp_path / "model", OPTIONS, silent)
    assert newest.exists()


def test_minutes_choose_the_number_of_steps(tmp_path: Path) -> None:
    started_s = time.monotonic()
    train(small(), tmp_path / "model", OPTIONS, silent, minutes=0.02)
    assert time.monotonic() - started_s < 20
    recorded = json.loads((tmp_path / "model" / "training" / "recipe.json").read_text())
    assert 1 <= recorded["recipe"]["training"]["num_steps"] < 2000


def test_what_does_not_fit_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = replace(small(), batch_tokens=1 << 20)
    with monkeypatch.context() as patch:
        patch.setattr(needs, "available_memory_bytes", lambda: 1 << 28)
        with pytest.raises(
            ConfigurationError,
            match=r"about [\d,]+ MiB of memory .* 256 MiB are free; set batch_tokens to at",
        ):
            train(wide, tmp_path / "model", OPTIONS, silent)
        patch.setattr(needs, "available_memory_bytes", lambda: 1 << 16)
        with pytest.raises(ConfigurationError, match="choose a smaller model or shorter documents"):
            train(small(), tmp_path / "model", OPTIONS, silent)
    huge = replace(small(), shape=replace(small().shape, intermediate_size=1 << 30))
    monkeypatch.setattr(needs, "available_memory_bytes", lambda: 1 << 60)
    with pytest.raises(ConfigurationError, match=r"of checkpoints and model, and .* are free where"):
        train(huge, tmp_path / "model", OPTIONS, silent)
    assert not (tmp_path / "model").exists()


def test_compiled_products_are_bounded_unless_somebody_said_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", raising=False)
    run.bound_kernel_cache()
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == str(run.MOST_KERNELS)
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "9")
    run.bound_kernel_cache()
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "9"
