"""Files of packed weights give what was packed, or an error; never other numbers."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.weights.packed_models import CPU, Noted, build, opened, packed, packed_bytes, same
from weft.weights.packed import PackedFormat, PackedLinear
from weft.weights.packed_files import PackedFile
from weft.weights.packed_index import PAGE_BYTES, PREAMBLE, PackedFileError, preamble
from weft.weights.packed_writer import layer_name
from weft.weights.random_weights import RandomWeights

INT4 = packed_bytes()


@pytest.mark.parametrize("kind", ["none", "int8", "int4", "int4-128"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("changes", [{}, {"tie_word_embeddings": True}])
def test_a_file_gives_what_was_packed(
    kind: str, dtype: torch.dtype, changes: dict[str, Any], tmp_path: Path
) -> None:
    noted = Noted(packed(kind, dtype))
    build(noted, **changes)
    found = opened(tmp_path / "f", packed_bytes(kind, dtype, **changes), **changes)
    assert same(found, noted.found)
    assert any(isinstance(each, PackedLinear) for each in found)


def test_what_routes_to_experts_keeps_its_numbers(tmp_path: Path) -> None:
    from weft.weights.packed_writer import PackedWriter

    names = ["model.layers.0.mlp.gate", "model.layers.0.mlp.experts.0.up_proj"]
    with (tmp_path / "f").open("wb") as file:
        writer = PackedWriter(packed("int8"), file, "experts")
        for name in names:
            writer.linear([name], [4], 8)
        writer.close()
    weights = PackedFile(tmp_path / "f")
    found = [weights.linear([name], [4], 8) for name in names]
    weights.finish()
    assert same([*found], [packed("int8").linear([name], [4], 8) for name in names])
    formats = [each.format for each in found if isinstance(each, PackedLinear)]
    assert formats == [PackedFormat.FLOAT32, PackedFormat.INT8]


def test_a_file_serves_activations_as_they_are_too(tmp_path: Path) -> None:
    assert packed_bytes("int4-32-a16") == packed_bytes("int4-32")
    noted, found = Noted(packed("int4-32-a16")), Noted(PackedFile(_written(tmp_path), "int4-32-a16"))
    build(noted)
    build(found)
    assert same(found.found, noted.found)
    assert {each.format for each in found.found if isinstance(each, PackedLinear)} == {PackedFormat.INT4_A16}


@pytest.mark.parametrize("kind", ["int8", "int4-64-a16", "none"])
def test_a_file_in_another_format_is_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(PackedFileError, match=f"it asks for {kind}, and this is int4-32$"):
        PackedFile(_written(tmp_path), kind)


def _written(directory: Path) -> Path:
    (directory / "f").write_bytes(packed_bytes("int4-32"))
    return directory / "f"


def test_blocks_begin_with_a_page(tmp_path: Path) -> None:
    layers = [each for each in opened(tmp_path / "f", INT4) if isinstance(each, PackedLinear)]
    assert layers
    assert all(layer.blocks.data_ptr() % PAGE_BYTES == 0 for layer in layers)


def test_a_file_that_is_replaced_is_still_read(tmp_path: Path) -> None:
    found = opened(tmp_path / "f", INT4)
    (tmp_path / "g").write_bytes(b"other")
    (tmp_path / "g").replace(tmp_path / "f")
    noted = Noted(packed("int4"))
    build(noted)
    assert same(found, noted.found)


@given(st.integers(0, len(INT4) * 8 - 1))
def test_any_flipped_bit_is_found(tmp_path_factory: pytest.TempPathFactory, bit: int) -> None:
    damaged = bytearray(INT4)
    damaged[bit // 8] ^= 1 << bit % 8
    path = tmp_path_factory.getbasetemp() / "flipped"
    if PREAMBLE.size <= bit // 8 < PAGE_BYTES:  # which nobody reads
        opened(path, bytes(damaged))
    else:
        with pytest.raises(PackedFileError):
            opened(path, bytes(damaged))


@given(st.one_of(st.integers(0, len(INT4) - 1), st.sampled_from([0, 1, 63, 64, 4095, 4096, len(INT4) - 1])))
def test_any_truncated_file_is_found(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    with pytest.raises(PackedFileError):
        opened(tmp_path_factory.getbasetemp() / "truncated", INT4[:length])


@given(st.binary(max_size=300))
def test_no_other_file_is_taken_for_one(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    for start in (b"", b"WEFTPACK", INT4[:24], INT4[:64]):
        with pytest.raises(PackedFileError):
            opened(tmp_path_factory.getbasetemp() / "other", start + content)


INDEX_START = INT4.rindex(b'{"dtype"')


def forged(change: Any) -> bytes:
    """The file with another index, with all digests right: as somebody would write it who means harm."""
    fields = json.loads(INT4[INDEX_START:])
    change(fields)
    index = json.dumps(fields).encode()
    start = preamble(index, INDEX_START)
    return start + INT4[len(start) : INDEX_START] + index


BLOCKS = "model.layers.0.self_attn.o_proj.blocks"


@pytest.mark.parametrize(
    "value",
    [
        ["uint8", [1, 1], PAGE_BYTES],
        ["uint8", [1, 320], PAGE_BYTES + 64],
        ["uint8", [1, 320], -PAGE_BYTES],
        ["uint8", [1, 320], 1 << 40],
        ["uint8", [1 << 62, 1 << 62], PAGE_BYTES],
        ["uint8", [True, 320], PAGE_BYTES],
        ["uint8", [1, 320], 4096.0],
        ["object", [1, 320], PAGE_BYTES],
        [["uint8"], [1, 320], PAGE_BYTES],
        ["uint8", 3, PAGE_BYTES],
        ["uint8"],
        "uint8",
        None,
    ],
)
def test_no_number_of_the_index_is_trusted(value: Any, tmp_path: Path) -> None:
    with pytest.raises(PackedFileError):
        opened(tmp_path / "f", forged(lambda fields: fields["arrays"].update({BLOCKS: value})))


@pytest.mark.parametrize(
    "change",
    [
        {"quantization": "int8"},
        {"quantization": "int3"},
        {"dtype": "float16"},
        {"dtype": 3},
        {"arrays": []},
        {"checksums": []},
        {"checksums": ["x"]},
        {"checksums": [0]},
    ],
)
def test_an_index_that_does_not_fit_is_refused(change: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(PackedFileError):
        opened(tmp_path / "f", forged(lambda fields: fields.update(change)))


def test_other_versions_say_which(tmp_path: Path) -> None:
    later = bytearray(INT4)
    later[8] += 1
    with pytest.raises(PackedFileError, match=r"is of version 4\.\d+, and this Weft reads 3\.\d+"):
        opened(tmp_path / "f", bytes(later))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"num_hidden_layers": 1}, "it does not ask for 'model.layers.1"),
        ({"num_hidden_layers": 3}, "it asks for 'model.layers.2"),
        ({"intermediate_size": 40}, r"it asks for '.*' as uint8 \[5, "),
        ({"attention_bias": False}, "it does not ask for '.*bias'"),
    ],
)
def test_another_model_is_refused(changes: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(PackedFileError, match=f"made for another model or by another Weft: {problem}"):
        opened(tmp_path / "f", INT4, **changes)


def test_a_missing_file_is_no_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        PackedFile(tmp_path / "none")
    with pytest.raises(PackedFileError, match="cannot be read"):
        PackedFile(tmp_path)


def test_rows_in_another_order_are_another_layer() -> None:
    order_O = torch.tensor([2, 0, 1])
    assert layer_name(["a", "b"]) == "a+b"
    assert layer_name(["a", "b"], order_O) == layer_name(["a", "b"], order_O.clone())
    assert len({layer_name(["a"]), layer_name(["a"], order_O), layer_name(["a"], order_O.flip(0))}) == 3


def test_rows_are_put_in_order_with_their_biases() -> None:
    source, order_O = RandomWeights(0, torch.float32, CPU), torch.arange(7, -1, -1)
    plain = source.linear(["a"], [8], 4, bias=True)
    turned = source.linear(["a"], [8], 4, bias=True, order_O=order_O)
    assert turned.bias_O is not None
    assert plain.bias_O is not None
    assert torch.equal(turned.weight_OI, plain.weight_OI.flip(0))
    assert torch.equal(turned.bias_O, plain.bias_O.flip(0))
