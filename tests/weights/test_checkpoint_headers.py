"""A checkpoint judged by its headers: what is missing, too much, of another shape or format; no number is read."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.executor.tiny_serving import save_tiny
from weft.contracts.errors import ConfigurationError
from weft.executor.inspection import inspect_checkpoint

HEAD, EMBEDDING = "lm_head.weight", "model.embed_tokens.weight"


def change(directory: Path, **tensors: Any) -> None:
    """Write the checkpoint again with other tensors; None takes one away. Dots are written as double underscores."""
    file = directory / "model.safetensors"
    changed = load_file(file) | {name.replace("__", "."): tensor for name, tensor in tensors.items()}
    save_file({name: tensor for name, tensor in changed.items() if tensor is not None}, file)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(save_tiny(tmp_path / "tiny", 1))


def test_a_whole_one(model: Path) -> None:
    spec = inspect_checkpoint(model)
    assert spec.num_parameters == sum(t.numel() for t in load_file(model / "model.safetensors").values())


def test_numbers_are_not_looked_at(model: Path) -> None:
    change(model, model__norm__weight=torch.full((16,), float("nan")))
    inspect_checkpoint(model)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"model__norm__weight": None}, "holds no tensor 'model.norm.weight'"),
        ({"model__norm__weight": torch.zeros(17)}, r"has shape \[17\], but config.json asks for \[16\]"),
        (
            {"model__norm__weight": torch.zeros(16, dtype=torch.int8)},
            "is stored as I8, which Weft does not read",
        ),
        ({"model__layers__2__norm": torch.zeros(1)}, "1 tensors that the model does not use"),
    ],
)
def test_a_broken_one(model: Path, tensors: dict[str, Any], message: str) -> None:
    change(model, **tensors)
    with pytest.raises(ConfigurationError, match=message):
        inspect_checkpoint(model)


def test_a_tied_head_may_be_stored(tmp_path: Path) -> None:
    model = Path(save_tiny(tmp_path / "tied", 1, tie_word_embeddings=True))
    tensors = load_file(model / "model.safetensors")
    assert HEAD not in tensors
    inspect_checkpoint(model)
    change(model, lm_head__weight=tensors[EMBEDDING].clone())
    inspect_checkpoint(model)
