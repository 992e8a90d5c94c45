"""One step of training after the other: AdamW over packed documents."""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from weft.contracts.errors import WeftError
from weft.executor.loading import build_model
from weft.model_specs.model_spec import ModelSpec
from weft.models.decoder import Decoder
from weft.ops.backend import Ops
from weft.training.objective import surprise
from weft.training.packing import Batch
from weft.training.recipe import TrainingConfig
from weft.training.schedule import learning_rate
from weft.training.trainable_weights import TrainableWeights

Batches = Callable[[int, int], Batch]
"""The batch of a step, by the number of the step and its own number in the step."""

MOMENTS = {"first_moments": "exp_avg", "second_moments": "exp_avg_sq"}
"""What AdamW keeps of each parameter: our name and torch's."""


@dataclass(slots=True)
class Progress:
    """How far a run is. `elapsed_s`: that its steps and records took, interruptions left out. `losses`: of the steps
    since the last point of the curve."""

    steps_done: int = 0
    num_tokens: int = 0
    elapsed_s: float = 0.0
    losses: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Record:
    """A point of the curve. `loss`: nats per learnt token, the mean since the last point, each batch before it was
    learnt. `evaluation`: what was found, by name."""

    step: int
    num_tokens: int
    elapsed_s: float
    loss: float
    evaluation: Mapping[str, float]


class TrainingFailed(WeftError):
    """A run that cannot go on. The message says why, and what to change."""


class Trainer:
    """Takes steps; who calls `take_step` decides when to look at the model, to keep it, and to stop.

    `evaluate` gets the model as it is. `max_length_tokens`: of the longest document. `penalty`: what is minimised
    beside the surprise, asked for after each batch went through the model; it is no part of the reported loss.
    """

    def __init__(
        self,
        spec: ModelSpec,
        weights: TrainableWeights,
        ops: Ops,
        batches: Batches,
        evaluate: Callable[[Decoder], Mapping[str, float]],
        config: TrainingConfig,
        max_length_tokens: int,
        penalty: Callable[[], Tensor] | None = None,
    ) -> None:
        self.spec, self.weights, self.config = spec, weights, config
        self.progress = Progress()
        self._ops, self._batches, self._evaluate = ops, batches, evaluate
        self._max_length_tokens, self._penalty = max_length_tokens, penalty
        self.model()
        self._optimizer = _optimizer(weights.parameters, config)

    def model(self) -> Decoder:
        """The model on the weights as they are."""
        return build_model(self.spec, self.weights, self._ops, self._max_length_tokens)

    @property
    def is_done(self) -> bool:
        """Whether all steps were taken."""
        return self.progress.steps_done >= self.config.num_steps

    @property
    def is_record_due(self) -> bool:
        """Whether the step that was just taken ends with a point of the curve."""
        return self.is_done or self.progress.steps_done % self.config.evaluate_every_steps == 0

    def take_step(self) -> float:
        """One step; the loss before it. Raises `TrainingFailed` before anything that is no number is learnt."""
        start_s = time.monotonic()
        step = self.progress.steps_done
        batches = [self._batches(step, part) for part in range(self.config.accumulate)]
        loss = self._gradients(batches)
        self._check(loss, "loss")
        norm = torch.nn.utils.clip_grad_norm_(
            list(self.weights.parameters.values()), self.config.max_gradient_norm
        )
        self._check(norm.item(), "length of the gradient")
        self._update(step)
        self.progress.steps_done += 1
        self.progress.num_tokens += sum(len(batch.tokens_T) for batch in batches)
        self.progress.losses.append(loss)
        self.progress.elapsed_s += time.monotonic() - start_s
        return loss

    def record(self) -> Record:
        """A point of the curve."""
        start_s = time.monotonic()
        with torch.no_grad():
            evaluation = self._evaluate(self.model())
        progress = self.progress
        progress.elapsed_s += time.monotonic() - start_s
        loss = sum(progress.losses) / len(progress.losses)
        progress.losses = []
        return Record(progress.steps_done, progress.num_tokens, progress.elapsed_s, loss, evaluation)

    def tensors(self) -> dict[str, Tensor]:
        """All that the next steps depend on beside `progress`: weights and the optimizer's moments, float32."""
        found = {f"weights.{name}": tensor.detach() for name, tensor in self.weights.parameters.items()}
        for ours, theirs in MOMENTS.items():
            for name, tensor in self.weights.parameters.items():
                kept = self._optimizer.state[tensor].get(theirs)
                found[f"{ours}.{name}"] = torch.zeros_like(tensor) if kept is None else kept
        return found

    def restore(self, tensors: Mapping[str, Tensor], progress: Progress) -> None:
        """Go on from what `tensors` and `progress` once were."""
        self.progress = progress
        for name, tensor in self.weights.parameters.items():
            tensor.detach().copy_(tensors[f"weights.{name}"])
            self._optimizer.state[tensor] = {
                "step": torch.tensor(float(progress.steps_done)),
                **{theirs: tensors[f"{ours}.{name}"] for ours, theirs in MOMENTS.items()},
            }

    def _gradients(self, batches: list[Batch]) -> float:
        """Of the mean over all learnt tokens of the batches, as if they were one; returns that mean."""
        num_learnt = sum(len(batch.targets_N) for batch in batches)
        total = 0.0
        for batch in batches:
            loss = surprise(self.model(), self._ops, batch).sum() / num_learnt
            total += loss.item()
            if self._penalty is not None:
                loss = loss + self._penalty() * (len(batch.targets_N) / num_learnt)
            torch.autograd.backward(loss)
        return total

    def _update(self, step: int) -> None:
        config = self.config
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(
                step, config.num_steps, config.peak_learning_rate, config.warmup_steps, config.final_share
            )
        self._optimizer.step()
        self._optimizer.zero_grad()

    def _check(self, value: float, what: str) -> None:
        if not math.isfinite(value):
            raise TrainingFailed(
                f"the {what} is {value} at step {self.progress.steps_done}; lower the learning rate "
                f"({self.config.peak_learning_rate:g}) or lengthen its warm-up ({self.config.warmup_steps} steps)"
            )


def _optimizer(parameters: dict[str, Tensor], config: TrainingConfig) -> torch.optim.AdamW:
    groups = [
        {"params": [x for x in parameters.values() if x.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [x for x in parameters.values() if x.ndim == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.peak_learning_rate, betas=config.betas, fused=True)
