"""Loss and gradients of a mixture of experts equal those of transformers, expert by expert."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.models.oracle import VARIANTS, Oracle, prompts
from weft.executor.loading import build_model
from weft.model_specs.families import read_spec
from weft.ops.backend import PackedBatch
from weft.ops.torch_ops import TorchOps
from weft.training.trainable_weights import TrainableWeights
from weft.weights.checkpoint import CheckpointWeights

LENGTHS = (5, 17, 9)


@pytest.mark.parametrize("variant", ["qwen3-moe", "qwen3-moe-some-layers"])
def test_gradients_are_those_of_transformers(variant: str, tmp_path: Path) -> None:
    oracle, ops, texts = Oracle(VARIANTS[variant], tmp_path), TorchOps(1), prompts(LENGTHS)
    weights = TrainableWeights(CheckpointWeights(tmp_path, torch.float32, torch.device("cpu")))
    spec = read_spec(tmp_path)
    model = build_model(spec, weights, ops, 64)
    plan = ops.plan_attention(PackedBatch(LENGTHS, spec.layer_windows))
    tokens_T = torch.tensor([token for text in texts for token in text])
    positions_T = torch.cat([torch.arange(length) for length in LENGTHS])
    losses = _losses(
        model.logits(model.forward(tokens_T, positions_T, plan)).split_with_sizes(LENGTHS), texts
    )
    expected = _losses([oracle.model(torch.tensor([text])).logits[0] for text in texts], texts)
    torch.autograd.backward(losses)
    torch.autograd.backward(expected)
    torch.testing.assert_close(losses, expected, rtol=1e-5, atol=1e-5)
    gradients = _by_checkpoint_name(oracle)
    assert gradients.keys() == weights.parameters.keys()
    for name, parameter in weights.parameters.items():
        torch.testing.assert_close(parameter.grad, gradients[name], atol=1e-4, rtol=1e-4)


def _losses(logits: list[Tensor] | tuple[Tensor, ...], texts: list[tuple[int, ...]]) -> Tensor:
    pairs = zip(logits, texts, strict=True)
    return torch.stack(
        [
            torch.nn.functional.cross_entropy(scores_TV[:-1], torch.tensor(text[1:]))
            for scores_TV, text in pairs
        ]
    ).mean()


def _by_checkpoint_name(oracle: Oracle) -> dict[str, Tensor]:
    """Transformers keeps all experts of a layer in one tensor, and saves them one by one."""
    found: dict[str, Tensor] = {}
    for name, parameter in oracle.model.named_parameters():
        layer, _, part = name.partition(".experts.")
        if not part:
            found[name] = parameter.grad
            continue
        for expert, gradient in enumerate(parameter.grad):
            parts = gradient.chunk(2) if part == "gate_up_proj" else (gradient,)
            names = ("gate_proj", "up_proj") if part == "gate_up_proj" else ("down_proj",)
            for projection, half in zip(names, parts, strict=True):
                found[f"{layer}.experts.{expert}.{projection}.weight"] = half
    return found
