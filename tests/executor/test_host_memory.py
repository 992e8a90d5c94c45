"""Memory that is taken only as it is used."""

import mmap
from pathlib import Path

import pytest
import torch

from weft.contracts.errors import ConfigurationError
from weft.executor.host_memory import zeros_on_demand

STATM = Path("/proc/self/statm")


def resident_pages() -> int:
    return int(STATM.read_text().split()[1])


def test_it_is_zeros_that_can_be_written() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        x = zeros_on_demand((2, 3, 5), dtype)
        assert torch.equal(x, torch.zeros(2, 3, 5, dtype=dtype))
        x[1] += 2.0
        assert x.sum().item() == 30.0
    assert zeros_on_demand((0, 3), torch.float32).shape == (0, 3)


@pytest.mark.skipif(not STATM.exists(), reason="the system does not tell how much is resident")
def test_what_is_not_used_is_not_taken() -> None:
    before = resident_pages()
    x = zeros_on_demand((1 << 7, 1 << 20), torch.bfloat16)  # 256 MiB
    x[-1, -1] = 3.0
    assert x[-1, -2:].tolist() == [0.0, 3.0]
    assert (resident_pages() - before) * mmap.PAGESIZE < 1 << 26


def test_more_than_there_can_be_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="ask for less"):
        zeros_on_demand((1 << 30, 1 << 30), torch.bfloat16)
