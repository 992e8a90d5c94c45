"""Weights, activations and blocks on a device."""

from dataclasses import replace

import pytest

from tests.costs.planned_models import HALF, MODELS, PLAIN
from tests.costs.toy_hardware import DEVICE
from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NarrowFormat
from weft.costs.memory import Memory, activation_bytes, divide_memory, weights_bytes
from weft.hardware.catalogue import find_device
from weft.model_specs.catalogue.find import MODELS as PUBLISHED
from weft.model_specs.catalogue.find import find_model
from weft.model_specs.operations import Formats
from weft.model_specs.plan import ONE_DEVICE, Plan
from weft.model_specs.quantization import QUANTIZATIONS
from weft.model_specs.shard import Shard

LLAMA = find_model("llama-3.1-8b")


@pytest.mark.parametrize("name", [*MODELS, *(model.name for model in PUBLISHED)])
def test_one_device_holds_all_parameters(name: str) -> None:
    spec = MODELS[name] if name in MODELS else find_model(name)
    assert weights_bytes(Shard(spec, ONE_DEVICE), 0, HALF) == 2 * spec.num_parameters


@pytest.mark.parametrize("name", MODELS)
def test_stages_share_the_parameters(name: str) -> None:
    spec = MODELS[name]
    shard = Shard(spec, Plan(pp=3))
    total = sum(weights_bytes(shard, stage, HALF) for stage in range(3))
    table_again = spec.ties_embeddings * spec.vocab_size * spec.hidden_size
    assert total == 2 * (spec.num_parameters + table_again)


def test_tensor_parallelism_cuts_products_and_not_norms() -> None:
    whole, half = (weights_bytes(Shard(PLAIN, Plan(tp=tp)), 0, HALF) for tp in (1, 2))
    norms = 2 * (5 * (2 * 256 + 2 * 32) + 256)
    # the vocabulary of 1,001 is padded to two parts of 501
    assert 2 * half == whole + norms + 2 * 2 * 256


@pytest.mark.parametrize("name", MODELS)
def test_every_rank_of_a_context_has_all_weights(name: str) -> None:
    assert weights_bytes(Shard(MODELS[name], Plan(cp=4)), 0, HALF) == 2 * MODELS[name].num_parameters


def test_activations_are_those_of_a_ranks_own_tokens() -> None:
    assert activation_bytes(Shard(PLAIN, Plan(cp=4)), 0, HALF, 400, 40) == activation_bytes(
        Shard(PLAIN, ONE_DEVICE), 0, HALF, 100, 10
    )


def test_activations_are_those_of_the_largest_operation() -> None:
    # gate and up: 100 tokens of 256 numbers in and 1,024 out, or the product of 512 each: 3 * 512; logits: 10 rows
    assert activation_bytes(Shard(PLAIN, ONE_DEVICE), 0, HALF, 100, 10) == 2 * 100 * (3 * 512 + 256)
    # of 100 rows of logits, half precision is read and float32 written
    assert activation_bytes(Shard(PLAIN, ONE_DEVICE), 0, HALF, 100, 100) == 100 * 1001 * 6 + 2 * 100 * 256


def test_quantised_layers_and_tables_that_stay() -> None:
    """Llama-3.1-8B: 32 layers of 218 million numbers in products, two tables of 128,256 rows of 4,096, and norms."""
    spec, shard = LLAMA, Shard(LLAMA, ONE_DEVICE)
    linear = 32 * (4096 * (4096 + 2 * 1024 + 4096) + 3 * 4096 * 14336)
    kept = 2 * (spec.num_parameters - linear)
    found = {
        name: weights_bytes(shard, 0, HALF._replace(quantization=QUANTIZATIONS[name])) - kept
        for name in ("w4a16", "awq", "nvfp4")
    }
    assert found == {
        "w4a16": linear // 2 + 2 * linear // 128,
        "awq": linear // 2 + 20 * linear // 128 // 8,
        "nvfp4": linear // 2 + linear // 16,
    }


def test_a_narrow_cache_has_room_for_more() -> None:
    narrow = HALF._replace(state=NarrowFormat.FLOAT8)
    assert divided(formats=narrow).block_bytes * 2 == divided().block_bytes
    assert divided(formats=narrow).num_blocks // 2 == divided().num_blocks


def divided(
    plan: Plan = ONE_DEVICE, capacity: int = 20_000_000, utilization: float = 0.9, formats: Formats = HALF
) -> Memory:
    device = replace(DEVICE, memory_bytes=capacity)
    return divide_memory(
        PLAIN, plan, device, formats, max_num_batched_tokens=100, max_num_seqs=10, utilization=utilization
    )


def test_state_gets_what_is_left_in_whole_blocks() -> None:
    memory = divided()
    assert memory.weights_bytes + memory.activation_bytes + memory.state_bytes == 18_000_000
    # 16 tokens of 5 layers of keys and values of 2 heads of 32 numbers of 2 bytes
    assert memory.block_bytes == 16 * 5 * 2 * 2 * 32 * 2
    assert memory.num_blocks == memory.state_bytes // memory.block_bytes


def test_the_tightest_stage_decides() -> None:
    plan = Plan(pp=2, layers_per_stage=(4, 1))
    assert divided(plan).num_blocks < divided(Plan(pp=2)).num_blocks


def test_a_model_that_does_not_fit_is_refused_with_numbers() -> None:
    with pytest.raises(
        ConfigurationError, match=r"does not fit on Toy: weights need .* cut it 3 times finer"
    ):
        divided(capacity=3_000_000)
    with pytest.raises(ConfigurationError, match=r"weights need 131.4 GiB .* of the 72.0 GiB"):
        divide_memory(
            find_model("llama-3.1-70b"),
            ONE_DEVICE,
            find_device("h100"),
            HALF,
            max_num_batched_tokens=2048,
            max_num_seqs=256,
        )
    with pytest.raises(ConfigurationError, match=r"utilization is 1.5; it must be above 0"):
        divided(utilization=1.5)


@pytest.mark.parametrize(
    # blocks of 16 tokens that vLLM reported on H100 (inference-sim/inference-sim, recorded runs of February 2026)
    ("model", "tp", "reported_blocks"),
    [("llama-2-70b-hf", 4, 31_356), ("codellama-34b-hf", 2, 26_602)],
)
def test_blocks_are_close_to_what_a_server_reported(model: str, tp: int, reported_blocks: int) -> None:
    memory = divide_memory(
        find_model(model),
        Plan(tp=tp),
        find_device("h100"),
        HALF,
        max_num_batched_tokens=2048,
        max_num_seqs=256,
    )
    assert memory.num_blocks == pytest.approx(reported_blocks, rel=0.05)
