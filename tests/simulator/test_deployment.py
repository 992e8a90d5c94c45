"""What is planned for a service, and what cannot be."""

from typing import Any

import pytest

from tests.simulator.simulated_service import MODEL, deployment
from weft.contracts.errors import ConfigurationError
from weft.contracts.options import ServingOptions
from weft.simulator.deployment import plan_deployment
from weft.simulator.deployment_options import DeploymentOptions

LARGE = "meta-llama/Llama-3.1-70B"


def test_a_name_without_counts_is_as_many_devices_as_a_replica_needs() -> None:
    planned = plan_deployment(LARGE, DeploymentOptions(hardware="h100", tp=8, pp=2, replicas=3))
    assert planned.cluster.num_devices == 16
    assert planned.cluster.num_nodes == 2
    assert planned.num_devices == 48
    assert planned.price_per_hour == pytest.approx(48 * 4.916)


def test_counts_bound_all_replicas_together() -> None:
    options = DeploymentOptions(hardware="8xh100", tp=4, replicas=2)
    assert plan_deployment(LARGE, options).cluster.num_devices == 8
    with pytest.raises(ConfigurationError, match=r"3 replicas of 4 devices .* need 12, and 8xh100 has 8"):
        plan_deployment(LARGE, DeploymentOptions(hardware="8xh100", tp=4, replicas=3))


def test_narrow_formats_make_room_and_are_faster() -> None:
    wide, narrow = (
        plan_deployment(
            LARGE, DeploymentOptions(tp=4, quantization=name, kv_cache_dtype=cache, profiles="none")
        )
        for name, cache in ((None, "auto"), ("fp8", "fp8"))
    )
    assert narrow.memory.weights_bytes < 0.55 * wide.memory.weights_bytes
    assert narrow.block_bytes == tuple(each // 2 for each in wide.block_bytes)
    assert narrow.memory.num_blocks > 2.5 * wide.memory.num_blocks
    step = (2048, 1, 0, (0,), [(2048, 0)])
    assert narrow.costs.seconds(*step) < 0.75 * wide.costs.seconds(*step)  # attention and sums stay


def test_ranks_along_a_context_share_its_state() -> None:
    alone, shared = (plan_deployment(LARGE, DeploymentOptions(tp=4, cp=cp, profiles="none")) for cp in (1, 2))
    assert (shared.num_devices, shared.cluster.num_devices) == (8, 8)
    assert shared.memory.weights_bytes == alone.memory.weights_bytes
    assert shared.block_bytes == tuple(each // 2 for each in alone.block_bytes)
    assert 2 * alone.memory.num_blocks <= shared.memory.num_blocks < 2.1 * alone.memory.num_blocks
    step = (2048, 1, 0, (0,), [(2048, 60_000)])
    assert shared.costs.seconds(*step) < 0.6 * alone.costs.seconds(*step)


def test_a_tighter_cache_and_memory_for_swapping_are_counted_in_blocks() -> None:
    block = 2 * 8 * 128 * 2 * 32 * 16  # keys and values, heads, their size, bytes, layers, tokens
    planned = deployment(
        kv_cache_memory_bytes=500 * block + 1, swap_memory_bytes=20 * block, max_model_len=4000
    )
    assert planned.block_bytes == (block,)
    assert planned.config.num_blocks == {"attention": 500}
    assert planned.config.num_host_blocks == {"attention": 20}
    assert planned.config.preempt == "latest_first_swap"
    assert deployment().config.preempt == "latest_first"


def test_each_device_of_a_plan_holds_its_part_of_a_block() -> None:
    whole = plan_deployment(MODEL, DeploymentOptions()).block_bytes[0]
    cut = plan_deployment(MODEL, DeploymentOptions(tp=2, pp=2)).block_bytes[0]
    assert cut * 4 == whole


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (LARGE, {}, "does not fit on H100"),
        (LARGE, {"tp": 3}, "tp is 3; it must divide the 64"),
        (MODEL, {"hardware": "h10"}, "did you mean h100"),
        (MODEL, {"hardware": "l4"}, "set max_model_len to at most"),
        (MODEL, {"server": "none at all"}, "server"),
        (MODEL, {"serving": ServingOptions(max_model_len=200_000)}, "at most 131072"),
        (MODEL, {"serving": ServingOptions(kv_cache_memory_bytes=2**40)}, "are left on a device"),
        ("llama-9", {}, "catalogue"),
    ],
)
def test_what_cannot_be_is_named(model: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        plan_deployment(model, DeploymentOptions(**options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replicas": 0}, "replicas is 0"),
        ({"mtbf_s": 60.0}, "requests of one that fails go on at others"),
        ({"replicas": 2, "cold_start_s": 5.0}, "nothing fails; add mtbf_s, or leave it out"),
        ({"replicas": 2, "lost_after_s": 0.1}, "lost_after_s is 0.1"),
        ({"router": "fastest"}, "no route policy is named 'fastest'; known are round_robin"),
        ({"serving": ServingOptions(max_num_seqs=70_000, max_num_batched_tokens=70_000)}, "at most 65536"),
    ],
)
def test_options_that_cannot_be_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        DeploymentOptions(**options)
