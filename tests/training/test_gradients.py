"""Loss and gradients of packed documents equal those that transformers computes, one document at a time."""

from itertools import islice
from pathlib import Path

import pytest
import torch

from tests.models.oracle import VARIANTS, Oracle
from weft.executor.loading import build_model
from weft.model_specs.families import read_spec
from weft.ops.torch_ops import TorchOps
from weft.training.objective import surprise
from weft.training.packing import make_batch
from weft.training.text.documents import TokenDocument
from weft.training.trainable_weights import TrainableWeights
from weft.weights.checkpoint import CheckpointWeights


def some_documents() -> list[TokenDocument]:
    stream = torch.Generator().manual_seed(0)
    documents = []
    for length in (5, 17, 9):
        tokens = torch.randint(3, 97, (length,), generator=stream).tolist()
        learnt = [position % 3 != 1 for position in range(length)]
        documents.append(TokenDocument(tokens, learnt, length))
    return documents


@pytest.mark.parametrize("variant", ["qwen3-tied-windows", "llama-biases"])
def test_gradients_are_those_of_transformers(variant: str, tmp_path: Path) -> None:
    oracle = Oracle(VARIANTS[variant], tmp_path)
    ops = TorchOps(1)
    weights = TrainableWeights(CheckpointWeights(tmp_path, torch.float32, torch.device("cpu")))
    model = build_model(read_spec(tmp_path), weights, ops, 64)
    loss = surprise(model, ops, make_batch(some_documents())).mean()
    torch.autograd.backward(loss)
    expected = _oracle_loss(oracle)
    torch.autograd.backward(expected)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    compared = 0
    for name, parameter in oracle.model.named_parameters():
        if name in weights.parameters:
            torch.testing.assert_close(weights.parameters[name].grad, parameter.grad, atol=1e-4, rtol=1e-4)
            compared += 1
    assert compared == len(weights.parameters) > 20


def _oracle_loss(oracle: Oracle) -> torch.Tensor:
    losses = []
    for document in some_documents():
        logits = oracle.model(torch.tensor([document.token_ids])).logits[0]
        for position in range(1, len(document.token_ids)):
            if document.learnt[position]:
                target = torch.tensor(document.token_ids[position])
                losses.append(torch.nn.functional.cross_entropy(logits[position - 1], target))
    return torch.stack(losses).mean()


def test_values_are_copies_and_reading_twice_gives_the_same_tensor() -> None:
    from tests.training.small_recipe import random_weights

    weights = random_weights()
    tensor = weights.read("a.weight", (4, 3))
    assert weights.read("a.weight", (4, 3)) is tensor
    assert weights.num_parameters == 12
    copied = weights.values(torch.bfloat16)["a.weight"]
    with torch.no_grad():
        tensor.zero_()
    assert copied.dtype == torch.bfloat16
    assert copied.abs().sum() > 0
    assert not list(islice((x for x in [copied] if x.requires_grad), 1))
