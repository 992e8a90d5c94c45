"""Tensors in regions of huge pages: the same, aligned, apart from each other, and freed with the last of a region."""

import gc
import weakref

import pytest
import torch

from weft.weights import huge_pages
from weft.weights.huge_pages import in_huge_pages


@pytest.fixture(autouse=True)
def small_regions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huge_pages, "REGION_BYTES", 1 << 20)
    monkeypatch.setattr(huge_pages, "LEAST_BYTES", 1 << 10)
    monkeypatch.setattr(huge_pages, "_REGIONS", huge_pages._Regions())


def test_tensors_are_the_same_and_do_not_overlap() -> None:
    sizes = [1 << 10, 300_001, (1 << 20) + 5, 700_000, 500_000, 1 << 11]
    tensors = [torch.full((size,), index, dtype=torch.uint8) for index, size in enumerate(sizes)]
    placed = [in_huge_pages(tensor) for tensor in tensors]
    for tensor, copy in zip(tensors, placed, strict=True):
        assert torch.equal(copy, tensor)
        assert copy.data_ptr() % 64 == 0
        assert copy.data_ptr() != tensor.data_ptr()


def test_shapes_and_formats_stay() -> None:
    tensor = torch.randn(30, 70).bfloat16()
    assert torch.equal(in_huge_pages(tensor), tensor)
    assert in_huge_pages(tensor).shape == (30, 70)


def test_small_tensors_stay_where_they_are() -> None:
    tensor = torch.zeros(100)
    assert in_huge_pages(tensor) is tensor


def test_a_region_is_freed_with_its_last_tensor() -> None:
    first = in_huge_pages(torch.ones(400_000))
    assert huge_pages._REGIONS._region is not None
    region = weakref.ref(huge_pages._REGIONS._region)
    second = in_huge_pages(torch.ones(400_000))
    gc.collect()
    assert region() is None
    assert first.sum() == second.sum() == 400_000
