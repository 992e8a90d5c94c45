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


def facts_of(address: int) -> dict[str, list[str]]:
    """Of the mapping that holds it, by name; see proc(5), smaps."""
    facts: dict[str, list[str]] = {}
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, *rest = line.split()
        if not name.endswith(":"):
            start, end = (int(part, 16) for part in name.split("-"))
            inside = start <= address < end
        elif inside:
            facts[name.removesuffix(":")] = rest
    return facts


def num_huge(tensor: torch.Tensor) -> int:
    """KiB in large pages of the mapping that holds a tensor."""
    return int(facts_of(tensor.data_ptr())["AnonHugePages"][0])


linux = pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage/enabled").exists(), reason="needs Linux with huge pages"
)


@linux
def test_where_pages_cannot_be_collapsed_large_ones_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huge_pages, "_can_collapse", lambda: False)
    tensor = filled(1 << 20, 1)
    assert "hg" in facts_of(tensor.data_ptr())["VmFlags"]
    assert huge_pages.collapse_in_background() is None


@linux
def test_memory_is_not_shared() -> None:
    """Shared memory has pages of its own kind, small ones by default."""
    assert "sh" not in facts_of(filled(1 << 20, 1).data_ptr())["VmFlags"]


@linux
@pytest.mark.skipif(not huge_pages._can_collapse(), reason="needs Linux 6.1")
def test_pages_are_put_together_and_hold_what_they_held() -> None:
    placed = [torch.arange(5 << 20, dtype=torch.int32) + index for index in range(3)]
    kept = [empty_in_huge_pages(each.shape, each.dtype).copy_(each) for each in placed]
    assert num_huge(kept[1]) == 0
    freed = filled(3 << 20, 7)
    del kept[0], freed
    busy = iter([True, True])
    thread = huge_pages.collapse_in_background(lambda: next(busy, False))
    assert thread is not None
    thread.join()
    assert next(busy, None) is None
    assert all(torch.equal(found, wanted) for found, wanted in zip(kept, placed[1:], strict=True))
    assert num_huge(kept[0]) >= 16 << 10
    assert huge_pages.collapse_in_background() is None
    later = filled(1 << 20, 3)
    assert (later == 3).all()
    assert not facts_of(later.data_ptr())["VmFlags"].count("sh")


@pytest.mark.skipif(not huge_pages._can_collapse(), reason="needs Linux 6.1")
def test_who_is_never_idle_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[None] = []
    monkeypatch.setattr(huge_pages, "_pause", lambda: pauses.append(None))
    kept = filled(9 << 20, 1)
    thread = huge_pages.collapse_in_background(lambda: True)
    assert thread is not None
    thread.join()
    assert len(pauses) == huge_pages.MOST_PAUSES
    assert num_huge(kept) > 0
