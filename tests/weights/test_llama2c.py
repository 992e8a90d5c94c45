"""llama2.c files: every wrong header is an error, and a right one gives the same model as transformers sees."""

import random
import struct
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from tests.weights.llama2c_files import RandomModel, Sizes, logits, random_model
from weft.contracts.errors import ConfigurationError
from weft.weights.llama2c import Llama2cTensors, half_rotated, llama2c_config, read_header
from weft.weights.save import save_checkpoint

TOKENS = [1, 4, 10, 0, 7, 3, 3, 9]


def converted(path: Path) -> dict[str, Tensor]:
    return dict(Llama2cTensors(path, read_header(path)))


def logits_of_transformers(path: Path, directory: Path) -> Tensor:
    header = read_header(path)
    save_checkpoint(directory, llama2c_config(header), Llama2cTensors(path, header))
    model = LlamaForCausalLM.from_pretrained(directory, dtype=torch.float64)
    with torch.no_grad():
        found: Tensor = model(torch.tensor([TOKENS])).logits[0]
    return found


@pytest.mark.parametrize("is_tied", [True, False])
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_the_same_model_in_both_formats(tmp_path: Path, is_tied: bool, kv_heads: int) -> None:
    model = random_model(is_tied=is_tied, sizes=Sizes(kv_heads=kv_heads))
    found = logits_of_transformers(model.write(tmp_path), tmp_path / "out")
    assert torch.allclose(found, logits(model, TOKENS), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["wq", "wk", "wv", "w1", "w2"])
def test_the_comparison_would_see_a_swap_of_rows(tmp_path: Path, kind: str) -> None:
    """The reference is told of two rows exchanged, the file not: w1 alone could be permuted along with others."""
    model = random_model(is_tied=True)
    found = logits_of_transformers(model.write(tmp_path), tmp_path / "out")
    swapped = model.layers[kind].clone()
    swapped[:, [0, 1]] = swapped[:, [1, 0]]
    wrong = logits(replace(model, layers=model.layers | {kind: swapped}), TOKENS)
    assert (found - wrong).abs().max() > 0.01


def test_rows_of_each_head_are_put_in_halves() -> None:
    rows = half_rotated(torch.arange(12.0).view(12, 1), heads=2)
    assert rows.flatten().tolist() == [0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]


def test_names_and_config(tmp_path: Path) -> None:
    model = random_model(is_tied=False)
    header = read_header(model.write(tmp_path))
    tensors = Llama2cTensors(tmp_path / "model.bin", header)
    assert len(tensors) == 3 + 2 * 9
    assert torch.equal(tensors["lm_head.weight"], model.classifier)
    assert torch.equal(tensors["model.layers.1.mlp.down_proj.weight"], model.layers["w2"][1])
    config = llama2c_config(header)
    assert config["vocab_size"] == 11
    assert config["tie_word_embeddings"] is False
    assert (config["bos_token_id"], config["eos_token_id"]) == (1, 2)
    with pytest.raises(KeyError):
        tensors["absent"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        *(
            (Sizes(**{name: value}), f": {name}={value} in")
            for name in ("dim", "layers", "seq")
            for value in (0, -3)
        ),
        (Sizes(hidden=0), ": hidden=0 in"),
        (Sizes(heads=0), ": heads=0 in"),
        (Sizes(kv_heads=-1), ": kv_heads=-1 in"),
        (Sizes(vocab=0), ": vocab=0 in"),
        (Sizes(heads=5), "dim=16 is no multiple of heads=5"),
        (Sizes(heads=16), "odd head size 1"),
        (Sizes(kv_heads=3), "heads=4 is no multiple of kv_heads=3"),
        (Sizes(kv_heads=8), "heads=4 is no multiple of kv_heads=8"),
        (Sizes(seq=9), "asks for"),
        (Sizes(layers=2**31 - 1, hidden=2**31 - 1), "asks for"),
        (Sizes(dim=0x616B3432, hidden=1), "versioned llama2.c file (it begins with 'ak42', version 1)"),
    ],
)
def test_wrong_headers(tmp_path: Path, change: Sizes, problem: str) -> None:
    model = random_model(is_tied=True)
    wrong = replace(model, sizes=change)
    (tmp_path / "model.bin").write_bytes(wrong.to_bytes())
    with pytest.raises(ConfigurationError) as caught:
        read_header(tmp_path / "model.bin")
    assert problem in str(caught.value)


def test_a_tie_that_the_length_denies(tmp_path: Path) -> None:
    tied, untied = random_model(is_tied=True), random_model(is_tied=False)
    for model in (replace(tied, is_tied=False), replace(untied, is_tied=True)):
        claimed = model.to_bytes()[:28]
        body = (untied if model.is_tied else tied).to_bytes()[28:]
        (tmp_path / "model.bin").write_bytes(claimed + body)
        with pytest.raises(ConfigurationError, match=r"asks for \d+"):
            read_header(tmp_path / "model.bin")


def test_truncated_anywhere(tmp_path: Path) -> None:
    data = random_model(is_tied=True).to_bytes()
    path = tmp_path / "model.bin"
    for length in [*range(200), *range(200, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(ConfigurationError, match="bytes"):
            read_header(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(ConfigurationError, match="bytes"):
        read_header(path)


def outcome(path: Path, data: bytes) -> dict[str, Tensor] | None:
    path.write_bytes(data)
    try:
        return converted(path)
    except ConfigurationError:
        return None


def test_random_bytes(tmp_path: Path) -> None:
    """Also with a header that fits: the numbers behind it are then hardly ever all finite."""
    stream = random.Random(5)
    path = tmp_path / "model.bin"
    data = random_model(is_tied=True).to_bytes()
    for _ in range(300):
        assert outcome(path, stream.randbytes(stream.randrange(300))) is None
        small = struct.pack("<7i", *(stream.randint(-2, 9) for _ in range(7)))
        outcome(path, small + stream.randbytes(stream.randrange(2000)))
    for _ in range(20):
        outcome(path, data[:28] + stream.randbytes(len(data) - 28))


def test_every_bit_of_the_header_flipped(tmp_path: Path) -> None:
    """The format has no check of its own, so a flip may give another model of the same length, never a crash."""
    data = random_model(is_tied=True).to_bytes()
    refused = 0
    for bit in range(28 * 8):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        refused += outcome(tmp_path / "model.bin", bytes(changed)) is None
    assert refused >= 28 * 8 - 2


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_none(tmp_path: Path, value: float) -> None:
    model = random_model(is_tied=True)
    model.layers["w2"][1, 3, 4] = value
    with pytest.raises(
        ConfigurationError, match=r"'model.layers.1.mlp.down_proj.weight' at byte \d+ holds NaN"
    ):
        converted(model.write(tmp_path))


def test_files_that_change_or_go_while_they_are_read(tmp_path: Path) -> None:
    path = random_model(is_tied=True).write(tmp_path)
    tensors = Llama2cTensors(path, read_header(path))
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ConfigurationError, match="ended early"):
        dict(tensors)
    path.unlink()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        dict(tensors)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_header(path)


def test_the_random_model_is_what_its_bytes_say() -> None:
    model: RandomModel = random_model(is_tied=False)
    assert len(model.to_bytes()) == 28 + 4 * (
        2 * 11 * 16 + 2 * (2 * 16 + 2 * 16 * 16 + 2 * 8 * 16 + 3 * 24 * 16) + 16 + 8 * 4
    )
