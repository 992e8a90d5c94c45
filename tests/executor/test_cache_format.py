"""Formats of the cache: what they take, and that scales go wherever their numbers go."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.executor.tiny_serving import CONFIG, OPTIONS, tiny_serving
from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.contracts.state import PagedGroup, Tier
from weft.contracts.steps import BlockCopy
from weft.contracts.transfers import BlockMove, Transfer, TransferKind
from weft.executor.cache_format import choose_cache_format
from weft.executor.state_pools import StatePools
from weft.model_specs.families import spec_from_config
from weft.model_specs.model_spec import ModelSpec

SPEC = replace(spec_from_config(CONFIG, "the test's config"), layer_windows=(None, 5))
INT8 = choose_cache_format(NumberFormat.BFLOAT16, replace(OPTIONS, backend="cpu", kv_cache_dtype="int8"))


def pools(spec: ModelSpec = SPEC) -> StatePools:
    groups = len(spec.layer_groups)
    return StatePools(spec, 4, [5] * groups, [3] * groups, INT8, torch.device("cpu"))


def test_a_token_takes_its_numbers_and_its_scales() -> None:
    plain = choose_cache_format(NumberFormat.BFLOAT16, OPTIONS)
    for cache, head_bytes in ((plain, 4 * 2), (INT8, 4 + 4)):
        layout = cache.layout(SPEC, 4)
        assert layout.groups == (
            PagedGroup("attention", 2 * 2 * head_bytes),
            PagedGroup("attention_window_5", 2 * 2 * head_bytes, 5),
        )
    made = pools()
    for layer, group in zip(made.layers, INT8.layout(SPEC, 4).groups, strict=True):
        assert isinstance(group, PagedGroup)
        assert layer.keys_SGE.nbytes + layer.values_SGE.nbytes == 5 * 4 * group.bytes_per_token


@pytest.mark.parametrize("head_dim", [4, 6])
def test_blocks_are_copied_moved_and_checked_with_their_scales(head_dim: int) -> None:
    made = pools(spec_from_config(CONFIG | {"head_dim": head_dim}, "the test's config"))
    layer = made.layers[0]
    blocks = layer.keys_SGE.view(5, -1)
    blocks[1] = torch.arange(blocks.shape[1], dtype=torch.int8)
    made.copy([BlockCopy(0, 1, 3)])
    assert torch.equal(blocks[3], blocks[1])
    move = (BlockMove(0, 3, 2),)
    out = made.move(Transfer(1, TransferKind.SWAP_OUT, 1, Tier.DEVICE, Tier.HOST, move, 4))
    blocks[3] = 0
    move = (BlockMove(0, 2, 4),)
    back = Transfer(
        2, TransferKind.SWAP_IN, 1, Tier.HOST, Tier.DEVICE, move, 4, expected_checksum=out.checksum
    )
    assert made.move(back).error is None
    assert torch.equal(blocks[4], blocks[1])
    made.host[0][0, 0, 2, 0, 0, -1] += 1
    assert "expected" in str(made.move(back).error)


def test_fingerprints_name_the_format() -> None:
    found = []
    for kv_cache_dtype in ("auto", "int8"):
        serving = tiny_serving(backend="cpu", kv_cache_dtype=kv_cache_dtype)
        found.append(serving.executor.numeric_fingerprint)
        serving.close()
    assert found[1] == f"{found[0]}-kv-int8"


def test_more_sequences_fit() -> None:
    counts = []
    for name in ("auto", "int8"):
        serving = tiny_serving(
            backend="cpu",
            dtype="float32",
            kv_cache_dtype=name,
            kv_cache_memory_bytes=1 << 14,
            max_model_len=32,
        )
        counts.append(serving.config.num_blocks["attention"])
        serving.close()
    assert 2 * counts[0] <= counts[1] <= 2 * counts[0] + 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"backend": "torch", "kv_cache_dtype": "int8"},
            "'int8', which backend 'torch' does not have; choose backend 'cpu'",
        ),
        ({"backend": "reference", "kv_cache_dtype": "int8"}, "backend 'reference' does not have"),
        ({"backend": "cpu", "kv_cache_dtype": "int4"}, "kv_cache_dtype is 'int4'; choose from auto, int8"),
    ],
)
def test_what_cannot_be_kept_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        tiny_serving(**changes)
