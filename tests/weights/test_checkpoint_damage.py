"""Whatever is done to a file's header, the outcome is its tensors or a ConfigurationError: nothing else, ever."""

import json
import random
import struct
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.weights.checkpoints import opened, read_all, same, some_tensors, write
from weft.contracts.errors import ConfigurationError

LENGTH_BYTES = 8


def is_one_line(error: ConfigurationError) -> bool:
    assert "\n" not in str(error)
    return True


class Damaged:
    """A valid file, and what comes of variations of it."""

    def __init__(self, directory: Path) -> None:
        self.tensors = some_tensors()
        self.path = write(directory, self.tensors)
        self.data = self.path.read_bytes()
        self.header_end = LENGTH_BYTES + struct.unpack_from("<Q", self.data)[0]

    def is_refused(self, data: bytes) -> bool:
        """Whether reading all is refused; if it is not, the tensors must be the right ones."""
        self.path.write_bytes(data)
        try:
            found = read_all(self.path.parent, self.tensors)
        except ConfigurationError as error:
            return is_one_line(error)
        assert same(found, self.tensors), "a damaged header was read as other tensors"
        return False

    def with_header(self, header: bytes | Mapping[str, object]) -> bytes:
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + self.data[self.header_end :]


@pytest.fixture
def damaged(tmp_path: Path) -> Damaged:
    return Damaged(tmp_path)


def test_the_whole_file_is_read(damaged: Damaged) -> None:
    assert not damaged.is_refused(damaged.data)


def test_truncated_anywhere(damaged: Damaged) -> None:
    for length in range(len(damaged.data)):
        assert damaged.is_refused(damaged.data[:length])


def test_bytes_after_the_end(damaged: Damaged) -> None:
    assert damaged.is_refused(damaged.data + b"\0")


def test_every_bit_of_the_header_flipped(damaged: Damaged) -> None:
    num_refused = 0
    for place in range(damaged.header_end):
        for bit in range(8):
            data = bytearray(damaged.data)
            data[place] ^= 1 << bit
            num_refused += damaged.is_refused(bytes(data))
    # The rest are in the metadata text and the padding.
    assert num_refused > 0.9 * 8 * damaged.header_end


def test_many_bytes_of_the_header_changed(damaged: Damaged) -> None:
    stream = random.Random(3)
    for _ in range(1000):
        data = bytearray(damaged.data)
        for _ in range(stream.randint(1, 6)):
            data[stream.randrange(damaged.header_end)] = stream.choice(b'0123456789[]{}",:FBU\x00\xff')
        damaged.is_refused(bytes(data))


@pytest.mark.parametrize("length", [0, 1, 7, 2**20, 100_000_001, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1])
def test_wrong_lengths_of_the_header(damaged: Damaged, length: int) -> None:
    assert damaged.is_refused(struct.pack("<Q", length) + damaged.data[LENGTH_BYTES:])


def test_every_near_length_of_the_header(damaged: Damaged) -> None:
    for length in range(1, damaged.header_end + 100):
        if length != damaged.header_end - LENGTH_BYTES:
            assert damaged.is_refused(struct.pack("<Q", length) + damaged.data[LENGTH_BYTES:])


ENTRY = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}" * 2,
        b"\xff" * 50,
        b'{"a":' + b"[" * 100_000,
        b'{"\\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        {"a": None},
        {"a": {"dtype": "F32"}},
        {"__metadata__": {"a": 1}},
        {"": ENTRY},
        {"a": ENTRY | {"dtype": "Q4"}},
        {"a": ENTRY | {"shape": [-1]}},
        {"a": ENTRY | {"shape": [2**62, 2**62]}},
        {"a": ENTRY | {"shape": [0, 2**63], "data_offsets": [0, 0]}},
        {"a": ENTRY | {"shape": [1.5]}},
        {"a": ENTRY | {"shape": [1] * 10_000}},
        {"a": ENTRY | {"data_offsets": [4, 0]}},
        {"a": ENTRY | {"data_offsets": [0, 2**64]}},
        {"a": ENTRY, "b": ENTRY},
        {"a" * 200_000: ENTRY},
        {"a\nb": ENTRY},
    ],
    ids=range(23),
)
def test_headers_made_up(damaged: Damaged, header: bytes | dict[str, object]) -> None:
    assert damaged.is_refused(damaged.with_header(header))


@pytest.mark.parametrize("shape", [[0, 2**63], [2**63 - 1, 0]], ids=str)
def test_a_shape_without_numbers_that_no_tensor_can_have(damaged: Damaged, shape: list[int]) -> None:
    """Such a header tiles the file: it opens, and the shape is refused before the tensor is made."""
    header = {"a": ENTRY | {"shape": shape, "data_offsets": [0, 0]}}
    text = json.dumps(header).encode()
    damaged.path.write_bytes(struct.pack("<Q", len(text)) + text)
    with pytest.raises(ConfigurationError, match="has shape"):
        opened(damaged.path.parent).read("a", (0, 4))


def test_numbers_at_odd_places(damaged: Damaged) -> None:
    """Headers of other writers are not padded, so numbers may lie at any byte."""
    text = damaged.data[LENGTH_BYTES : damaged.header_end].rstrip()
    for padding in range(9):
        assert not damaged.is_refused(damaged.with_header(text + b" " * padding))


def test_a_wrong_tensor_would_be_found(damaged: Damaged) -> None:
    """The check can fail: numbers that changed behind an intact header are not what was written."""
    changed = bytearray(damaged.data)
    changed[-1] ^= 0x01
    with pytest.raises(AssertionError, match="read as other tensors"):
        damaged.is_refused(bytes(changed))


def test_formats_of_equal_width_do_not_pass_for_each_other(damaged: Damaged) -> None:
    """float32 read as int32 would fit every offset."""
    assert damaged.is_refused(damaged.data.replace(b"F32", b"I32", 1))
