"""The training loop: AdamW over packed documents."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from tqdm.auto import tqdm

from weft.contracts.errors import WeftError
from weft.executor.loading import build_model
from weft.model_specs.model_spec import ModelSpec
from weft.models.decoder import Decoder
from weft.ops.backend import Ops
from weft.training.objective import surprise
from weft.training.packing import Batch
from weft.training.schedule import learning_rate
from weft.training.trainable_weights import TrainableWeights


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How to train.

    `betas`, `weight_decay`: of AdamW (arXiv 1711.05101); the decay spares norms. `max_gradient_norm`: longer
    gradients are shortened to this (arXiv 1211.5063). `final_share`: of the peak learning rate, at the end.
    """

    num_steps: int
    peak_learning_rate: float = 4e-3
    warmup_steps: int = 60
    final_share: float = 0.02
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.1
    max_gradient_norm: float = 1.0
    evaluate_every_steps: int = 500


@dataclass(frozen=True, slots=True)
class Record:
    """A point of the curve. `loss`: nats per learnt token, the mean since the last point, each batch before it was
    learnt. `evaluation`: what `evaluate` found."""

    step: int
    num_tokens: int
    elapsed_s: float
    loss: float
    evaluation: float


class TrainingFailed(WeftError):
    """A run that cannot go on. The message says why, and what to change."""


class Trainer:
    """One run. `batches` must last for all steps; `evaluate` gets the model as it is."""

    def __init__(
        self,
        spec: ModelSpec,
        weights: TrainableWeights,
        ops: Ops,
        batches: Iterator[Batch],
        evaluate: Callable[[Decoder], float],
        config: TrainingConfig,
    ) -> None:
        self._spec, self._weights, self._ops, self._config = spec, weights, ops, config
        self._batches, self._evaluate = batches, evaluate
        self.model()
        self._optimizer = _optimizer(weights.parameters, config)
        self._num_tokens = 0
        self._losses: list[float] = []

    def model(self) -> Decoder:
        """The model on the weights as they are."""
        return build_model(self._spec, self._weights, self._ops, self._spec.max_length_tokens)

    def run(self, report: Callable[[Record], None], *, progress: bool = True) -> None:
        """All steps; `report` gets the points of the curve. Raises `TrainingFailed`."""
        start_s = time.monotonic()
        with tqdm(total=self._config.num_steps, unit="step", disable=not progress) as bar:
            for step in range(self._config.num_steps):
                self._losses.append(self._step(step))
                elapsed_s = time.monotonic() - start_s
                rate = self._num_tokens / max(elapsed_s, 1e-9)
                bar.set_postfix_str(f"loss {self._losses[-1]:.3f}, {rate:,.0f} tokens/s", refresh=False)
                bar.update()
                if self._is_due(step + 1):
                    report(self._record(step + 1, elapsed_s))

    def _is_due(self, steps_done: int) -> bool:
        return steps_done % self._config.evaluate_every_steps == 0 or steps_done == self._config.num_steps

    def _record(self, steps_done: int, elapsed_s: float) -> Record:
        loss = sum(self._losses) / len(self._losses)
        self._losses = []
        return Record(steps_done, self._num_tokens, elapsed_s, loss, self._evaluate(self.model()))

    def _step(self, step: int) -> float:
        """One step; the loss before it."""
        config = self._config
        batch = next(self._batches)
        loss = surprise(self.model(), self._ops, batch).mean()
        value = loss.item()
        if not math.isfinite(value):
            raise TrainingFailed(
                f"the loss is {value} at step {step}; lower the learning rate ({config.peak_learning_rate:g}) or "
                f"lengthen its warm-up ({config.warmup_steps} steps)"
            )
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(list(self._weights.parameters.values()), config.max_gradient_norm)
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(
                step, config.num_steps, config.peak_learning_rate, config.warmup_steps, config.final_share
            )
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._num_tokens += len(batch.tokens_T)
        return value


def _optimizer(parameters: dict[str, Tensor], config: TrainingConfig) -> torch.optim.AdamW:
    groups = [
        {"params": [x for x in parameters.values() if x.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [x for x in parameters.values() if x.ndim == 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.peak_learning_rate, betas=config.betas, fused=True)
