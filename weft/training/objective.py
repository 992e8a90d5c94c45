"""What is minimised, and what is reported: the surprise of the learnt tokens."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional

from weft.models.decoder import Decoder
from weft.ops.backend import Ops, PackedBatch
from weft.training.packing import Batch


def surprise(model: Decoder, ops: Ops, batch: Batch) -> Tensor:
    """Nats for each learnt token of a batch: [N]."""
    return functional.cross_entropy(learnt_logits(model, ops, batch), batch.targets_N, reduction="none")


def learnt_logits(model: Decoder, ops: Ops, batch: Batch) -> Tensor:
    """What the model says in place of each learnt token: [N, vocabulary]."""
    plan = ops.plan_attention(PackedBatch(batch.lengths, model.spec.layer_windows))
    hidden_TD = model.forward(batch.tokens_T, batch.positions_T, plan)
    # Only these rows have a target, so no others go through the widest product.
    return model.logits(hidden_TD[batch.predicting_N])


@torch.no_grad()
def bits_per_byte(model: Decoder, ops: Ops, batches: Iterable[Batch]) -> float:
    """Bits that the model needs for the learnt text, over the bytes of that text.

    The tokens that end an answer or a story cost bits and have no bytes.
    """
    nats, num_bytes = 0.0, 0
    for batch in batches:
        nats += surprise(model, ops, batch).double().sum().item()
        num_bytes += batch.learnt_bytes
    return nats / math.log(2) / num_bytes
