"""Tensors in regions of huge pages: the same, aligned, apart from each other, and freed with the last of a region."""

import gc
import weakref
from pathlib import Path

import pytest
import torch

from weft.weights import huge_pages
from weft.weights.huge_pages import empty_in_huge_pages


@pytest.fixture(autouse=True)
def small_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huge_pages, "REGION_BYTES", 1 << 20)
    monkeypatch.setattr(huge_pages, "LEAST_BYTES", 1 << 10)
    monkeypatch.setattr(huge_pages, "_REGIONS", huge_pages._Regions())


def filled(size: int, value: int, dtype: torch.dtype = torch.uint8) -> torch.Tensor:
    return empty_in_huge_pages((size,), dtype).fill_(value)


def test_tensors_do_not_overlap() -> None:
    sizes = [1 << 10, 300_001, (1 << 20) + 5, 700_000, 500_000, 1 << 11]
    placed = [filled(size, index) for index, size in enumerate(sizes)]
    for index, tensor in enumerate(placed):
        assert tensor.shape == (sizes[index],)
        assert (tensor == index).all()
        assert tensor.data_ptr() % 64 == 0


def test_shapes_and_formats_are_those_asked_for() -> None:
    tensor = empty_in_huge_pages((30, 70), torch.bfloat16)
    assert (tensor.shape, tensor.dtype) == ((30, 70), torch.bfloat16)
    assert tensor.is_contiguous()


def test_small_tensors_are_torch_s() -> None:
    assert filled(100, 1).sum() == 100
    assert empty_in_huge_pages((0, 7), torch.float32).shape == (0, 7)
    assert huge_pages._REGIONS._region is None


def test_a_region_is_freed_with_its_last_tensor() -> None:
    first = filled(400_000, 1, torch.float32)
    assert huge_pages._REGIONS._region is not None
    region = weakref.ref(huge_pages._REGIONS._region)
    second = filled(400_000, 1, torch.float32)
    gc.collect()
    assert region() is None
    assert first.sum() == second.sum() == 400_000


ENABLED = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def flags_of(address: int) -> list[str]:
    """Of the mapping that holds it; see proc(5), smaps."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, *rest = line.split()
        if not name.endswith(":"):
            start, end = (int(part, 16) for part in name.split("-"))
            inside = start <= address < end
        elif inside and name == "VmFlags:":
            return rest
    return []


@pytest.mark.skipif(not ENABLED.exists(), reason="needs Linux with huge pages")
def test_the_system_is_asked_for_huge_pages_of_our_own() -> None:
    flags = flags_of(filled(1 << 20, 1).data_ptr())
    assert "hg" in flags
    assert "sh" not in flags, "shared memory has pages of its own kind, small ones by default"
