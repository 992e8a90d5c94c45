"""A saved model reads what is written: how much each token surprises it, and what it would have said instead."""

from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

import torch

from weft.contracts.formats import NumberFormat
from weft.contracts.options import ServingOptions
from weft.executor.backend_choice import choose_backend
from weft.executor.loading import build_model, longest_sequence
from weft.model_specs.families import read_spec
from weft.ops.backend import PackedBatch
from weft.ops.torch_ops import TorchOps
from weft.training.objective import surprise
from weft.training.packing import Batch, make_batch
from weft.training.text.documents import TokenDocument
from weft.weights.checkpoint import CheckpointWeights


class ReadingModel:
    """The model of a directory without a cache: it computes a document whole, each time anew.

    It computes with the backend `torch`, whatever `options` say: of these it takes the device, the threads and how
    long a sequence may be. `number` is the format of weights and arithmetic. In a document, the tokens that are
    `learnt` are those that are asked about; the first has nothing before it and is never asked about. Raises
    `ConfigurationError` for what keeps the model from being loaded.
    """

    def __init__(self, directory: Path, options: ServingOptions, number: NumberFormat) -> None:
        spec = read_spec(directory)
        self._ops, self._device = choose_backend(replace(options, backend=TorchOps.name))
        self.max_model_len, self.vocab_size = longest_sequence(spec, options), spec.vocab_size
        weights = CheckpointWeights(directory, getattr(torch, number.value), self._device)
        self._model = build_model(spec, weights, self._ops, self.max_model_len)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @torch.no_grad()
    def nats(self, document: TokenDocument) -> list[float]:
        """The surprise of each token that is asked about, in order."""
        self._ops.bind_thread()
        found: list[float] = surprise(self._model, self._ops, self._batch(document)).double().tolist()
        return found

    @torch.no_grad()
    def likeliest(self, document: TokenDocument) -> list[int]:
        """The token that the model holds likeliest in the place of each that is asked about, in order."""
        self._ops.bind_thread()
        batch = self._batch(document)
        plan = self._ops.plan_attention(PackedBatch(batch.lengths, self._model.spec.layer_windows))
        hidden_TD = self._model.forward(batch.tokens_T, batch.positions_T, plan)
        found: list[int] = self._model.logits(hidden_TD[batch.predicting_N]).argmax(-1).tolist()
        return found

    def close(self) -> None:
        """End the threads; the memory goes with the last reference."""
        self._ops.close()

    def _batch(self, document: TokenDocument) -> Batch:
        batch = make_batch([document])
        return batch._replace(
            tokens_T=batch.tokens_T.to(self._device),
            positions_T=batch.positions_T.to(self._device),
            predicting_N=batch.predicting_N.to(self._device),
            targets_N=batch.targets_N.to(self._device),
        )
