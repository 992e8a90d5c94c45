"""Steps: loss falls, a run repeats, several batches are as one, a broken run says so."""

import math
from dataclasses import replace

import pytest
import torch

from tests.training import small_recipe
from tests.training.small_recipe import small
from weft.model_specs.families import spec_from_config
from weft.ops.torch_ops import TorchOps
from weft.training.batches import training_batch
from weft.training.model_directory import model_config
from weft.training.packing import Batch, make_batch
from weft.training.recipe import TrainingConfig
from weft.training.schedule import learning_rate
from weft.training.text.documents import TokenDocument
from weft.training.trainable_weights import TrainableWeights
from weft.training.trainer import Batches, Record, Trainer, TrainingFailed

CONFIG = TrainingConfig(num_steps=30, warmup_steps=5, evaluate_every_steps=10)


def some_batch(step: int, part: int) -> Batch:
    return training_batch(small().scaled(30), small_recipe.tokenizer(), step, part)


def trainer_on(
    weights: TrainableWeights, config: TrainingConfig = CONFIG, batches: Batches = some_batch
) -> Trainer:
    spec = spec_from_config(model_config(small(), small_recipe.tokenizer().get_vocab_size()), "a test")
    return Trainer(spec, weights, TorchOps(1), batches, lambda model: {"found": 1.5}, config, 128)


def run(weights: TrainableWeights) -> list[Record]:
    trainer, records = trainer_on(weights), []
    while not trainer.is_done:
        trainer.take_step()
        if trainer.is_record_due:
            records.append(trainer.record())
    return records


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_loss_falls_and_a_run_repeats(dtype: torch.dtype) -> None:
    one, other = (small_recipe.random_weights(dtype=dtype) for _ in range(2))
    records, again = run(one), run(other)
    assert [record.step for record in records] == [10, 20, 30]
    assert records[-1].loss < records[0].loss
    assert records[-1].evaluation == {"found": 1.5}
    assert [record.loss for record in records] == [record.loss for record in again]
    assert all(torch.equal(one.parameters[name], other.parameters[name]) for name in one.parameters)
    assert {tensor.dtype for tensor in one.parameters.values()} == {torch.float32}


def test_narrow_arithmetic_comes_near_to_the_wide_one() -> None:
    wide, narrow = (run(small_recipe.random_weights(dtype=each)) for each in (torch.float32, torch.bfloat16))
    assert narrow[-1].loss == pytest.approx(wide[-1].loss, rel=0.02)
    assert narrow[-1].loss != wide[-1].loss


def test_batches_one_after_the_other_are_as_one_large_batch() -> None:
    documents = [
        TokenDocument(list(range(3, 3 + n)), [n % 2 == 1 or i > 5 for i in range(n)], n) for n in (9, 30)
    ]
    parts = [make_batch([document]) for document in documents]
    in_parts, at_once = small_recipe.random_weights(), small_recipe.random_weights()
    config = replace(CONFIG, accumulate=2)
    losses = [
        trainer_on(in_parts, config, lambda step, part: parts[part]).take_step(),
        trainer_on(at_once, CONFIG, lambda step, part: make_batch(documents)).take_step(),
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for name, tensor in in_parts.parameters.items():
        torch.testing.assert_close(tensor, at_once.parameters[name], atol=2e-5, rtol=1e-4)


def test_what_was_restored_goes_on_with_the_same_bits() -> None:
    one, other = (trainer_on(small_recipe.random_weights(seed)) for seed in (0, 1))
    for _ in range(4):
        one.take_step()
    kept = {name: tensor.clone() for name, tensor in one.tensors().items()}
    other.restore(kept, replace(one.progress, losses=list(one.progress.losses)))
    assert [one.take_step() for _ in range(3)] == [other.take_step() for _ in range(3)]
    assert one.progress.num_tokens == other.progress.num_tokens
    assert all(torch.equal(tensor, other.tensors()[name]) for name, tensor in one.tensors().items())


def test_a_loss_that_is_no_number_stops_the_run_before_it_is_learnt() -> None:
    weights = small_recipe.random_weights()
    trainer = trainer_on(weights)
    with torch.no_grad():
        weights.parameters["model.norm.weight"][0] = math.nan
    embedding = weights.parameters["model.embed_tokens.weight"].detach().clone()
    with pytest.raises(TrainingFailed, match=r"the loss is nan at step 0; lower the learning rate \(0.004\)"):
        trainer.take_step()
    assert torch.equal(weights.parameters["model.embed_tokens.weight"], embedding)
    assert trainer.progress.steps_done == 0


def test_a_gradient_that_is_no_number_stops_the_run_too(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_on(small_recipe.random_weights())
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda tensors, limit: torch.tensor(math.inf))
    with pytest.raises(TrainingFailed, match="the length of the gradient is inf"):
        trainer.take_step()
    assert trainer.progress.steps_done == 0


def test_the_learning_rate_rises_then_falls() -> None:
    rates = [learning_rate(step, 100, 1.0, 10, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10] == max(rates) == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.1, abs=0.01)
