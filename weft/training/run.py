"""A whole run: from a recipe to the directory of a model or an adapter, in one go or in several."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Never

import tokenizers
import torch
from tqdm.auto import tqdm

from weft.contracts.errors import WeftError
from weft.models.decoder import Decoder
from weft.ops.torch_ops import TorchOps
from weft.training.adapter_recipe import AdapterRecipe, AnyRecipe
from weft.training.balance import BalancingOps
from weft.training.batches import evaluation_batches, training_batch
from weft.training.curve import Curve
from weft.training.needs import MEBIBYTE, check_needs
from weft.training.objective import bits_per_byte
from weft.training.packing import Batch
from weft.training.products import product_of
from weft.training.recipe import Trained
from weft.training.run_checkpoints import newest_checkpoint, restore_checkpoint, write_checkpoint
from weft.training.run_directory import RunDirectory
from weft.training.stopping import StopRequest, stop_request
from weft.training.trainer import Record, Trainer, TrainingFailed
from weft.training.trial import TIMED_STEPS, WARM_STEPS, steps_within

MOST_KERNELS = 256
"""Several times what one step takes; fewer (64) made steps of `weft-nano` an eighth slower."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a recipe is run. `dtype`: what the model computes in, "float32" or "bfloat16"; weights and moments are
    float32 in any case. `keep_checkpoints`: also when the run is over."""

    dtype: str = "float32"
    num_threads: int = 1
    checkpoint_every_steps: int = 100
    keep_checkpoints: bool = False

    @property
    def torch_dtype(self) -> torch.dtype:
        """As torch calls it."""
        found: torch.dtype = getattr(torch, self.dtype)
        return found


class TrainingInterrupted(WeftError):
    """A signal ended a run in good order. `signal_number`: which."""

    def __init__(self, message: str, signal_number: int) -> None:
        super().__init__(message)
        self.signal_number = signal_number


def train(
    recipe: AnyRecipe, root: Path, options: RunOptions, tell: Tell, *, minutes: float | None = None
) -> None:
    """Make a model or an adapter in `root`, which must not exist or be empty.

    `minutes`: take as many steps as a trial says fit, not the recipe's number. Raises `ConfigurationError` before
    anything is written where the run does not fit into memory or on the disk, `TrainingFailed` where the loss is no
    number, `TrainingInterrupted` after SIGINT or SIGTERM.
    """
    directory = RunDirectory(root)
    directory.check_is_new()
    ops = _ready(recipe, directory, options, tell)
    tokenizer = product_of(recipe).first_tokenizer()
    if minutes is not None:
        recipe = recipe.scaled(_steps_within(minutes, recipe, tokenizer, ops, options))
    directory.begin(recipe, options.dtype, tokenizer)
    _go_on(recipe, directory, tokenizer, ops, options, tell)


def resume(recipe: AnyRecipe, root: Path, options: RunOptions, tell: Tell) -> None:
    """Go on with the run in `root` from its newest checkpoint; with the same number of threads it ends with the bits of
    a run that was never interrupted. Raises as `train` does, and `ConfigurationError` where the recipe differs."""
    directory = RunDirectory(root)
    directory.check_is_the_same(recipe, options.dtype)
    ops = _ready(recipe, directory, options, tell)
    _go_on(recipe, directory, directory.tokenizer(), ops, options, tell)


def as_begun(
    recipe: AnyRecipe, root: Path, *, seed: int | None, num_steps: int | None, dtype: str | None
) -> tuple[AnyRecipe, str]:
    """The recipe and the number format with which the run in `root` was begun, but for what is asked for."""
    recorded = RunDirectory(root).recorded()
    begun = recorded["recipe"]
    recipe = replace(recipe, seed=begun["seed"] if seed is None else seed)
    if isinstance(recipe, AdapterRecipe) and recipe.base is None and begun.get("base"):
        recipe = replace(recipe, base=Path(begun["base"]))
    return recipe.scaled(num_steps or begun["training"]["num_steps"]), dtype or recorded["dtype"]


def _ready(recipe: AnyRecipe, directory: RunDirectory, options: RunOptions, tell: Tell) -> TorchOps:
    """Refuse what does not fit, and say what does."""
    needs = check_needs(recipe, options.torch_dtype, directory.root)
    tell(f"{recipe.name}: needs about {needs.memory // MEBIBYTE:,} MiB of memory, {options.dtype}")
    bound_kernel_cache()
    ops = product_of(recipe).ops(options.num_threads)
    ops.bind_thread()
    return ops


def bound_kernel_cache() -> None:
    """torch's products in bfloat16 are compiled for each shape, and 1,024 of them kept. Batches hardly ever have the
    shape of an earlier one, so that took 16 GB by the end of a run of `weft-tiny`, where processors have AMX. Read when
    the first of them is compiled; a number that is set already stays."""
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(MOST_KERNELS))


def _go_on(
    recipe: AnyRecipe,
    directory: RunDirectory,
    tokenizer: tokenizers.Tokenizer,
    ops: TorchOps,
    options: RunOptions,
    tell: Tell,
) -> None:
    """From the newest checkpoint, or from the beginning, to the result."""
    trainer = make_trainer(recipe, tokenizer, ops, options.torch_dtype)
    newest = newest_checkpoint(directory.checkpoints)
    if newest is not None:
        restore_checkpoint(newest, trainer)
    tell(
        f"{trainer.weights.num_parameters:,} parameters, {trainer.config.num_steps:,} steps of about "
        f"{recipe.batch_tokens * trainer.config.accumulate:,} tokens, {trainer.progress.steps_done:,} of them done"
    )
    _take_steps(trainer, directory, options, tell)
    product_of(recipe).write(directory.root, tokenizer, trainer.weights)
    directory.finish(keep_checkpoints=options.keep_checkpoints)


def _take_steps(trainer: Trainer, directory: RunDirectory, options: RunOptions, tell: Tell) -> None:
    curve = Curve(directory.curve, trainer.progress.steps_done)
    with _bar(trainer) as bar, stop_request() as stop:
        while not trainer.is_done:
            _take_step(trainer, directory, bar)
            if trainer.is_record_due:
                record = trainer.record()
                curve.add(record)
                tell(_line(record))
            _keep(trainer, directory, options, stop)


def _keep(trainer: Trainer, directory: RunDirectory, options: RunOptions, stop: StopRequest) -> None:
    """Write a checkpoint where one is due, and end there if that is wanted."""
    steps_done, number = trainer.progress.steps_done, stop.signal_number
    is_due = steps_done % options.checkpoint_every_steps == 0
    if is_due or trainer.is_done or number is not None:
        write_checkpoint(directory.checkpoints, trainer)
    if number is not None and not trainer.is_done:
        raise TrainingInterrupted(
            f"stopped after step {steps_done}; the same command with --resume goes on", number
        )


def _take_step(trainer: Trainer, directory: RunDirectory, bar: "tqdm[Never]") -> None:
    """One step; where it fails, say also what is left."""
    try:
        loss = trainer.take_step()
    except TrainingFailed as error:
        newest = newest_checkpoint(directory.checkpoints)
        left = "there is no checkpoint yet" if newest is None else f"the last checkpoint is {newest}"
        raise TrainingFailed(f"{error}; {left}") from error
    progress = trainer.progress
    rate = progress.num_tokens / max(progress.elapsed_s, 1e-9)
    bar.set_postfix_str(f"loss {loss:.3f}, {rate:,.0f} tokens/s", refresh=False)
    bar.update()


def _bar(trainer: Trainer) -> "tqdm[Never]":
    """On stderr, where that is a terminal."""
    return tqdm(
        total=trainer.config.num_steps, initial=trainer.progress.steps_done, unit="step", disable=None
    )


def _line(record: Record) -> str:
    found = ", ".join(f"{name} {value:.4f}" for name, value in record.evaluation.items())
    speed = record.num_tokens / record.elapsed_s
    return (
        f"step {record.step}: loss {record.loss:.3f}, {found}, {record.num_tokens:,} tokens, {speed:,.0f}/s"
    )


def make_trainer(
    recipe: AnyRecipe, tokenizer: tokenizers.Tokenizer, ops: TorchOps, dtype: torch.dtype
) -> Trainer:
    """Before its first step."""
    product = product_of(recipe)
    texts = {
        "fresh": evaluation_batches(recipe, tokenizer, held_out=False),
        "held_out": evaluation_batches(recipe, tokenizer, held_out=True),
    }

    def batches(step: int, part: int) -> Batch:
        return training_batch(recipe, tokenizer, step, part)

    def evaluate(model: Decoder) -> Mapping[str, float]:
        found = {
            f"{name}_bits_per_byte": bits_per_byte(model, ops, batches) for name, batches in texts.items()
        }
        for evaluation in recipe.evaluations:
            found |= evaluation(Trained(model, ops, tokenizer, recipe.longest_tokens()))
        return found

    spec, weights = product.spec_with(tokenizer), product.weights(dtype)
    penalty = ops.take_penalty if isinstance(ops, BalancingOps) else None
    return Trainer(spec, weights, ops, batches, evaluate, recipe.training, recipe.longest_tokens(), penalty)


def _steps_within(
    minutes: float, recipe: AnyRecipe, tokenizer: tokenizers.Tokenizer, ops: TorchOps, options: RunOptions
) -> int:
    # In so many steps that even the shortest stage has as many as are timed.
    shortest = min(stage.share for stage in recipe.stages)
    roomy = recipe.scaled(max(recipe.training.num_steps, int((WARM_STEPS + TIMED_STEPS + 1) / shortest)))
    return steps_within(minutes, roomy, make_trainer(roomy, tokenizer, ops, options.torch_dtype))
