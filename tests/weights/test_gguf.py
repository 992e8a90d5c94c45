"""GGUF files: floats, blocks without loss, and files that are damaged."""

import struct
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.ops.cpu.layers import Example, bound, expected, numbers
from tests.weights.gguf_writing import Stored, text, write
from weft.contracts.errors import ConfigurationError
from weft.ops.cpu.library import levels
from weft.ops.cpu.products import Products
from weft.weights.gguf_blocks import Blocks, floats_of_q6_k, pack_blocks, quantised_blocks
from weft.weights.gguf_file import GgufFile

TYPE_NUMBERS = {4: 2, 8: 8}
BITS = [4, 8]


def random_blocks(outputs: int, num_blocks: int, bits: int, seed: int = 0) -> bytes:
    """Any bytes, with scales from the smallest half to large ones."""
    stream = torch.Generator().manual_seed(seed)
    found = b""
    for index in range(outputs * num_blocks):
        scale = float(torch.randn((), generator=stream)) * 2.0 ** -(index % 26)
        content = torch.randint(0, 256, (4 * bits,), generator=stream, dtype=torch.uint8)
        found += struct.pack("<e", scale) + bytes(content.tolist())
    return found


def dequantised(content: bytes, outputs: int, bits: int) -> Tensor:
    """In float64, one block after the other as the format describes it."""
    size = 2 + 4 * bits
    values: list[float] = []
    for at in range(0, len(content), size):
        (scale,), stored = struct.unpack_from("<e", content, at), content[at + 2 : at + size]
        if bits == 8:
            values += [scale * number for number in struct.unpack("<32b", stored)]
        else:
            values += [scale * ((byte & 15) - 8) for byte in stored]
            values += [scale * ((byte >> 4) - 8) for byte in stored]
    return torch.tensor(values, dtype=torch.float64).view(outputs, -1)


def random_q6_k(outputs: int, num_blocks: int, seed: int = 0) -> bytes:
    """Any bytes, with scales of ordinary size."""
    stream = torch.Generator().manual_seed(seed)
    found = b""
    for _ in range(outputs * num_blocks):
        content = torch.randint(0, 256, (208,), generator=stream, dtype=torch.uint8)
        found += bytes(content.tolist()) + struct.pack("<e", float(torch.randn((), generator=stream)))
    return found


def dequantised_q6_k(content: bytes, outputs: int) -> Tensor:
    """Number by number, as the format describes it."""
    values: list[float] = []
    for at in range(0, len(content), 210):
        steps, (scale,) = (
            struct.unpack_from("<16b", content, at + 192),
            struct.unpack_from("<e", content, at + 208),
        )
        for index in range(256):
            half, quarter, place = index // 128, index % 128 // 32, index % 32
            low = content[at + 64 * half + 32 * (quarter % 2) + place] >> 4 * (quarter // 2) & 15
            high = content[at + 128 + 32 * half + place] >> 2 * quarter & 3
            values.append(scale * steps[index // 16] * ((low | high << 4) - 32))
    return torch.tensor(values, dtype=torch.float64).view(outputs, -1)


@given(outputs=st.integers(1, 4), num_blocks=st.integers(1, 3), seed=st.integers(0, 99))
def test_blocks_of_q6_k_become_the_floats_that_they_stand_for(
    outputs: int, num_blocks: int, seed: int
) -> None:
    content = random_q6_k(outputs, num_blocks, seed)
    found = floats_of_q6_k(as_rows(content, outputs))
    torch.testing.assert_close(found.double(), dequantised_q6_k(content, outputs), rtol=2**-23, atol=0)


def as_rows(content: bytes, outputs: int) -> Tensor:
    return torch.tensor(list(content), dtype=torch.uint8).view(outputs, -1)


@pytest.mark.parametrize("bits", BITS)
@given(outputs=st.integers(1, 20), num_blocks=st.integers(1, 6), seed=st.integers(0, 99))
def test_blocks_keep_their_values_exactly(bits: int, outputs: int, num_blocks: int, seed: int) -> None:
    content = random_blocks(outputs, num_blocks, bits, seed)
    values_OI = quantised_blocks(as_rows(content, outputs), bits).values()
    assert torch.equal(values_OI, dequantised(content, outputs, bits))


@pytest.mark.parametrize("level", levels())
@pytest.mark.parametrize("bits", BITS)
def test_products_with_packed_blocks(level: str, bits: int) -> None:
    products = Products(2, level)
    for outputs, num_blocks in ((16, 1), (33, 5), (40, 8)):
        content, bias_O = random_blocks(outputs, num_blocks, bits), numbers(outputs)
        rows = as_rows(content, outputs)
        made = Example(
            pack_blocks([Blocks(rows, bits)], bias_O),
            dequantised(content, outputs, bits),
            quantised_blocks(rows, bits),
        )
        x_TI = numbers(11, 32 * num_blocks, seed=1)
        y_TO = products(x_TI, made.packed)
        assert ((y_TO.double() - expected(made, x_TI)).abs() <= bound(made, x_TI)).all()
        assert torch.equal(y_TO[4:7], products(x_TI[4:7], made.packed))


def test_groups_of_bytes_have_the_same_bits_on_all_levels() -> None:
    packed = pack_blocks([Blocks(as_rows(random_blocks(50, 7, 8), 50), 8)])
    x_TI = numbers(9, 224)
    first, *others = (Products(1, level)(x_TI, packed) for level in levels())
    assert all(torch.equal(first, other) for other in others)


@pytest.mark.parametrize("bits", BITS)
def test_the_largest_integers_of_blocks_are_exact(bits: int) -> None:
    """-128 is allowed in Q8_0, though nobody writes it."""
    lowest = bytes([0x80] * 32) if bits == 8 else bytes(16)
    packed = pack_blocks([Blocks(as_rows((struct.pack("<e", 1.0) + lowest) * 3, 1), bits)])
    x_TI = torch.full((2, 96), 127.0)
    x_TI[1] = -127.0
    for level in levels():
        wanted = -(2.0 ** (bits - 1)) * 127 * 96
        assert Products(1, level)(x_TI, packed).flatten().tolist() == [wanted, -wanted]


def small_file(path: Path, alignment: int = 32) -> Path:
    floats = torch.arange(6).float()
    return write(
        path,
        {
            "f32": Stored((2, 3), 0, floats.numpy().tobytes()),
            "f16": Stored((6,), 1, floats.half().numpy().tobytes()),
            "bf16": Stored((6,), 30, floats.bfloat16().view(torch.int16).numpy().tobytes()),
            "q4": Stored((3, 64), 2, random_blocks(3, 2, 4)),
            "q8": Stored((3, 64), 8, random_blocks(3, 2, 8)),
            "q6": Stored((1, 256), 14, random_q6_k(1, 1)),
        },
        {
            "general.alignment": struct.pack("<II", 4, alignment),
            "general.name": struct.pack("<I", 8) + text("small"),
            "lengths": struct.pack("<IIQ2h", 9, 3, 2, -1, 7),
            "texts": struct.pack("<IIQ", 9, 8, 2) + text("a") + text("ü"),
            "true": struct.pack("<I?", 7, True),
        },
        alignment,
    )


@pytest.mark.parametrize("alignment", [32, 64, 8])
def test_tensors_and_values_of_a_file(tmp_path: Path, alignment: int) -> None:
    file = GgufFile(small_file(tmp_path / "small.gguf", alignment))
    assert list(file.names) == ["f32", "f16", "bf16", "q4", "q8", "q6"]
    assert file.header.metadata == {
        "general.alignment": alignment,
        "general.name": "small",
        "lengths": [-1, 7],
        "texts": ["a", "ü"],
        "true": True,
    }
    assert all_floats(file, "f32").tolist() == [[0, 1, 2], [3, 4, 5]]
    for name in ("f16", "bf16"):
        assert all_floats(file, name).flatten().tolist() == [0, 1, 2, 3, 4, 5]
    for name, bits in (("q4", 4), ("q8", 8)):
        assert file.format(name).name == f"Q{bits}_0"
        wanted = dequantised(random_blocks(3, 2, bits), 3, bits)
        assert torch.equal(all_floats(file, name).double(), wanted)
        blocks = file.blocks(name)
        assert blocks is not None
        assert torch.equal(quantised_blocks(*blocks).values(), wanted)
    assert all_floats(file, "q6").shape == (1, 256)
    assert file.blocks("q6") is file.blocks("f32") is None


def all_floats(file: GgufFile, name: str) -> Tensor:
    return torch.cat(list(file.floats(name)))


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    file = GgufFile(small_file(tmp_path / "small.gguf"))
    with pytest.raises(ConfigurationError, match="no tensor 'other'"):
        file.rows("other")
    for number, problem in ((12, "stored as Q4_K"), (77, "stored as ggml's type 77")):
        with pytest.raises(ConfigurationError, match=rf"tensor 'a' is {problem}, which Weft does not read"):
            GgufFile(write(tmp_path / "other.gguf", {"a": Stored((1, 256), number, bytes(300))}))
    shapes: list[tuple[int, tuple[int, ...]]] = [(8, (64,)), (8, (2, 16)), (0, (0, 2)), (0, ())]
    for number, shape in shapes:
        with pytest.raises(ConfigurationError, match=r"tensor 'a' is said to be (Q8_0|F32) of shape"):
            GgufFile(write(tmp_path / "other.gguf", {"a": Stored(shape, number, bytes(300))}))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        GgufFile(tmp_path / "none.gguf")
    (tmp_path / "other").write_bytes(b"something else")
    with pytest.raises(ConfigurationError, match="not a GGUF file"):
        GgufFile(tmp_path / "other")
    (tmp_path / "old").write_bytes(b"GGUF" + struct.pack("<IQQ", 1, 0, 0))
    with pytest.raises(ConfigurationError, match="version 1"):
        GgufFile(tmp_path / "old")
    with pytest.raises(ConfigurationError, match="whole blocks"):
        quantised_blocks(torch.zeros(1, 19, dtype=torch.uint8), 4)
    with pytest.raises(ConfigurationError, match="not finite"):
        quantised_blocks(as_rows(struct.pack("<e", float("inf")) + bytes(32), 1), 8)


def failure(path: Path) -> str | None:
    """What is said against reading all tensors."""
    try:
        file = GgufFile(path)
        for name in file.names:
            all_floats(file, name)
    except ConfigurationError as error:
        return str(error)
    return None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_refused_or_read(tmp_path: Path, data: st.DataObject) -> None:
    """Whatever is cut off or changed: an error of ours, or tensors, and never another end."""
    content = small_file(tmp_path / "small.gguf").read_bytes()
    changed = bytearray(content[: data.draw(st.integers(1, len(content)))])
    for _ in range(data.draw(st.integers(0, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "changed.gguf"
    path.write_bytes(changed)
    message = failure(path)
    assert message is None or "changed.gguf" in message
