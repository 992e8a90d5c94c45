"""The loop: loss falls, a run repeats, a broken run says so; what it saves can be served."""

import math
from pathlib import Path

import pytest
import torch

from tests.training import small_recipe
from tests.training.small_recipe import SMALL
from weft.contracts.options import ServingOptions
from weft.executor.loading import load_serving
from weft.model_specs.families import spec_from_config
from weft.ops.torch_ops import TorchOps
from weft.training import first_model
from weft.training.first_model import evaluate_directory, train_first_model, training_batches
from weft.training.schedule import learning_rate
from weft.training.trainable_weights import TrainableWeights
from weft.training.trainer import Record, Trainer, TrainingConfig, TrainingFailed

CONFIG = TrainingConfig(num_steps=30, warmup_steps=5, evaluate_every_steps=10)


def small_trainer(weights: TrainableWeights, config: TrainingConfig = CONFIG) -> Trainer:
    tokenizer = small_recipe.tokenizer()
    spec = spec_from_config(SMALL.model_config(tokenizer), "a test")
    return Trainer(spec, weights, TorchOps(1), training_batches(SMALL, tokenizer), lambda model: 0.0, config)


def run(weights: TrainableWeights) -> list[Record]:
    records: list[Record] = []
    small_trainer(weights).run(records.append, progress=False)
    return records


def test_the_loss_falls_and_a_run_repeats() -> None:
    one, other = small_recipe.random_weights(), small_recipe.random_weights()
    records, again = run(one), run(other)
    assert [record.step for record in records] == [10, 20, 30]
    assert records[-1].loss < records[0].loss - 0.5
    assert [record.loss for record in records] == [record.loss for record in again]
    assert all(torch.equal(one.parameters[name], other.parameters[name]) for name in one.parameters)


def test_a_loss_that_is_no_number_stops_the_run() -> None:
    weights = small_recipe.random_weights()
    trainer = small_trainer(weights)
    with torch.no_grad():
        weights.parameters["model.norm.weight"].fill_(math.nan)
    with pytest.raises(TrainingFailed, match=r"the loss is nan at step 0; lower the learning rate \(0.004\)"):
        trainer.run(lambda record: None, progress=False)


def test_the_learning_rate_rises_then_falls() -> None:
    rates = [learning_rate(step, 100, 1.0, 10, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10] == max(rates) == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.1, abs=0.01)


def test_the_whole_recipe_makes_a_model_that_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_model, "TOKENIZER_DOCUMENTS", 200)
    monkeypatch.setattr(first_model, "TIMED_STEPS", 2)
    records: list[Record] = []
    target = tmp_path / "model"
    train_first_model(SMALL, target, minutes=0.002, num_steps=None, report=records.append)
    assert records[-1].step >= 1
    # The stored weights are rounded to bfloat16, so the value is near, not equal.
    assert evaluate_directory(target, SMALL, held_out=True) == pytest.approx(records[-1].evaluation, rel=0.02)
    serving = load_serving(target, ServingOptions(num_threads=1, kv_cache_memory_bytes=1 << 24))
    assert serving.max_model_len == first_model.CONTEXT_TOKENS
    serving.close()
