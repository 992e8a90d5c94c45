"""Profiles of raw tables go through what was measured; what cannot be read is told in one line."""

import sys
from pathlib import Path

import pytest

from tests.costs.profiles import hand_made
from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.costs.kernel_ratios import Correction
from weft.costs.profiles.find import table_ratios
from weft.costs.profiles.points import Family
from weft.costs.profiles.tables import Tables, TableSurfaces
from weft.costs.roofline import Ceilings, Roofline
from weft.costs.topology import Topology
from weft.hardware.catalogue import find_cluster
from weft.model_specs.operation_builder import OperationBuilder
from weft.model_specs.operations import Axis, Formats, Operation, OperationKind
from weft.model_specs.plan import Plan

H100 = find_cluster("8xh100")
BF16 = NumberFormat.BFLOAT16
BUILD = OperationBuilder(Formats(BF16, BF16, BF16))
DENSE = ("gpu", "model", "tp", "layer", "tokens", "time_us")
MODELS_ATTENTION = ("gpu", "model", "tp", "prefill_chunk", "kv_prefill", "n_decode", "kv_decode", "time_us")
LLAMA = ("RTX4090", "meta-llama/Llama-3.1-8B", "tp1")
QWEN = "Qwen/Qwen3-30B-A3B-Instruct-2507"


def predicted_s(directory: Path, operation: Operation, notation: str = "8xh100") -> float:
    cluster = find_cluster(notation)
    return Roofline(cluster, ratios=table_ratios(directory, cluster)).machine().seconds(operation)


def product(rows: int, outputs: int = 4096, inputs: int = 1024) -> Operation:
    return BUILD.product("some_product", 0, rows, outputs, inputs)


def test_measured_products_take_what_was_measured(tmp_path: Path) -> None:
    hand_made.gemm(tmp_path, (1, 4096, 1024, 0.006), (64, 4096, 1024, 0.008), (64, 8192, 1024, 0.015))
    assert predicted_s(tmp_path, product(1)) == pytest.approx(6e-6)
    assert predicted_s(tmp_path, product(64)) == pytest.approx(8e-6)
    assert predicted_s(tmp_path, product(64, 8192)) == pytest.approx(15e-6)


def test_outside_the_roofline_is_scaled(tmp_path: Path) -> None:
    hand_made.gemm(tmp_path, (1, 4096, 1024, 0.006), (4096, 4096, 1024, 0.09))
    ceilings, ratios = Ceilings(H100.device), table_ratios(tmp_path, H100)
    start_s, ratio = ratios.of_operation(product(1 << 20))
    inside = ceilings.seconds(product(4096).flops, product(4096).moved_bytes, BF16)
    assert ratio == pytest.approx(90e-6 / (inside + start_s))
    assert ratios.of_operation(product(4096)) == Correction(start_s, ratio)


def test_between_two_shapes_lies_between_their_ratios(tmp_path: Path) -> None:
    hand_made.gemm(tmp_path, (8, 1024, 1024, 0.003), (8, 4096, 1024, 0.020))
    ratios = table_ratios(tmp_path, H100)
    least, middle, most = (ratios.of_operation(product(8, outputs)).ratio for outputs in (1024, 2048, 4096))
    assert middle == pytest.approx((least * most) ** 0.5)


def test_the_newest_version_and_the_nested_folder_are_taken(tmp_path: Path) -> None:
    nested = tmp_path / "aiconfigurator"
    hand_made.gemm(nested, (1, 4096, 1024, 0.009), version="0.9.1")
    hand_made.gemm(nested, (1, 4096, 1024, 0.006), version="0.24.0")
    assert predicted_s(tmp_path, product(1)) == pytest.approx(6e-6)


def test_attention_takes_what_was_measured(tmp_path: Path) -> None:
    hand_made.attention(tmp_path, "generation", (1, 1, 0, 10), (16, 1, 999, 40))
    hand_made.attention(tmp_path, "context", (1, 16, 0, 12), (2, 512, 0, 30), (2, 1, 0, 9))
    tables = Tables(tmp_path, H100)
    for name, at, seconds in (
        ("single_attention bfloat16", (128.0, 4.0, 2.0, 16.0, 1000.0), 40e-6),
        ("chunk_attention bfloat16", (128.0, 4.0, 2.0, 1024.0, 256.5), 30e-6),
    ):
        (measured,) = (each for each in tables.measured(name) if each.point == at)
        surface = TableSurfaces(tables)[name]
        assert measured.seconds == pytest.approx(seconds)
        assert surface.at(at) * (measured.roofline_s + surface.start_s) == pytest.approx(seconds)


def test_rows_of_experts_are_shared_out(tmp_path: Path) -> None:
    path = tmp_path / "h100_sxm/moe/vllm/0.24.0/moe_perf.parquet"
    rows = (
        ("bfloat16", "power_law_1.01", 64, 2048, 768, 128, 8, *cut, 0.05) for cut in ((1, 1), (2, 1), (1, 4))
    )
    others = (
        ("bfloat16", "balanced", 64, 2048, 768, 128, 8, 1, 1, 0.05),
        ("bfloat16", "power_law_1.01", 64, 2048, 768, 128, 8, 1, 128, 0.05),
    )
    hand_made.write(path, hand_made.MOE, *rows, *others)
    points = [each.point for each in Tables(tmp_path, H100).measured("experts bfloat16")]
    assert points == [(2048, 768, 126, 512), (2048, 384, 126, 512), (2048, 768, 31, 128)]


def test_experts_with_wide_inputs_are_apart(tmp_path: Path) -> None:
    path = tmp_path / "h100_sxm/moe/vllm/0.24.0/moe_perf.parquet"
    sizes = (64, 2880, 2880, 128, 4, 1, 1)
    dtypes = {"w4a16_mxfp4": 0.5, "int4_wo": 0.25, "fp8": 0.125}
    rows = ((dtype, "power_law_1.01", *sizes, ms) for dtype, ms in dtypes.items())
    hand_made.write(path, hand_made.MOE, *rows)
    tables = Tables(tmp_path, H100)
    widened, narrow = (
        [each.seconds for each in tables.measured(name)]
        for name in ("widened_experts float4", "experts float8")
    )
    assert (widened, narrow) == ([0.0005, 0.00025], [0.000125])
    assert not list(tables.measured("widened_experts bfloat16"))


def test_collectives_count_numbers_of_two_bytes(tmp_path: Path) -> None:
    hand_made.write(
        tmp_path / "h100_sxm/comm/vllm/0.24.0/custom_allreduce_perf.parquet",
        ("backend", "num_gpus", "message_size", "latency"),
        ("vllm_graph", 2, 1024, 0.004),
        ("vllm_eager", 2, 1024, 0.020),
    )
    hand_made.write(
        tmp_path / "h100_sxm/comm/nccl/2.29.2/nccl_perf.parquet",
        ("op_name", "nccl_dtype", "num_gpus", "message_size", "latency"),
        ("all_reduce", "half", 2, 1 << 26, 0.8),
        ("all_reduce", "int8", 2, 1 << 26, 0.4),
        ("all_gather", "half", 2, 4096, 0.007),
    )
    ratios = table_ratios(tmp_path, H100)
    for kind, numbers, seconds in (
        (OperationKind.ALL_REDUCE, 1024, 4e-6),
        (OperationKind.ALL_REDUCE, 1 << 26, 800e-6),
        (OperationKind.ALL_GATHER, 4096, 7e-6),
    ):
        operation = BUILD.communication(kind, "collective", 0, (Axis.TENSOR, 2), numbers)
        bound_s = Topology(H100, Plan(tp=2)).seconds(operation)
        assert ratios.of_operation(operation).seconds(bound_s) == pytest.approx(seconds)


def test_kernels_of_whole_models(tmp_path: Path) -> None:
    models = tmp_path / "llmservingsim"
    hand_made.write(
        models / "perf_dense.parquet",
        DENSE,
        (*LLAMA, "o_proj", 64, 48.8),
        (*LLAMA, "qkv_proj", 64, 60.0),
        (*LLAMA, "layernorm", 64, 2.4),
        ("RTXPRO6000", LLAMA[1], "tp1", "o_proj", 64, 20.0),
    )
    hand_made.write(
        models / "perf_per_sequence.parquet",
        ("gpu", "model", "tp", "layer", "sequences", "time_us"),
        (*LLAMA, "lm_head", 8, 1114.0),
        (*LLAMA, "sampler", 8, 29.3),
    )
    hand_made.write(
        models / "perf_attention.parquet",
        MODELS_ATTENTION,
        (*LLAMA, 0, 0, 16, 1023, 99.0),
        (*LLAMA, 512, 100, 0, 0, 45.0),
        (*LLAMA, 512, 100, 16, 1023, 150.0),
    )
    tables = Tables(tmp_path, find_cluster("rtx-4090"))
    points = {
        name: [each.point for each in tables.measured(name)] for name in ("product bfloat16", "sampling")
    }
    assert points["product bfloat16"] == [(6144, 4096, 64), (4096, 4096, 64), (128256, 4096, 8)]
    assert points["sampling"] == [(8 * 128256 * 6,)]
    assert [each.point[3:] for each in tables.measured("single_attention bfloat16")] == [(16, 1024)]
    assert [each.point[3:] for each in tables.measured("chunk_attention bfloat16")] == [(512, 356.5)]
    assert predicted_s(tmp_path, product(64, 4096, 4096), "rtx-4090") == pytest.approx(48.8e-6)


def test_keys_of_single_tokens_that_come_from_a_cache_do_not_count(tmp_path: Path) -> None:
    """What 64 sequences of 2,048 tokens keep takes the memory 336 us."""
    columns = {"kv_cache_dtype": "bfloat16", "window_size": 0, "head_dim": 128, "batch_size": 64, "isl": 1}
    loop = [
        {"num_heads": heads, "num_key_value_heads": 8, "step": 2047, "latency": us / 1e3}
        for heads, us in ((32, 400.0), (40, 300.0), (40, 420.0))
    ]
    rows = [tuple((columns | row)[name] for name in hand_made.ATTENTION) for row in loop]
    system = tmp_path / "aiconfigurator/rtx_pro_6000_server/attention/vllm/0.24.0"
    hand_made.write(system / "generation_attention_perf.parquet", hand_made.ATTENTION, *rows)
    served = (("RTXPRO6000", *LLAMA[1:], 0, 0, 64, 2047, us) for us in (450.0, 200.0))
    hand_made.write(tmp_path / "llmservingsim/perf_attention.parquet", MODELS_ATTENTION, *served)
    found = list(Tables(tmp_path, find_cluster("rtx-pro-6000")).measured("single_attention bfloat16"))
    assert [round(each.seconds * 1e6) for each in found] == [420, 450]
    assert {each.point[1] for each in found} == {5.0, 4.0}


@pytest.mark.parametrize(
    ("system", "notation", "found"), [("h100_sxm", "h100", 1), ("rtx_pro_6000_server", "rtx-pro-6000", 0)]
)
def test_an_all_reduce_that_servers_do_not_use_is_not_read(
    tmp_path: Path, system: str, notation: str, found: int
) -> None:
    columns = ("backend", "num_gpus", "message_size", "latency")
    path = tmp_path / system / "comm/vllm/0.24.0/custom_allreduce_perf.parquet"
    hand_made.write(path, columns, ("vllm_graph", 2, 5120, 0.005))
    assert len(list(Tables(tmp_path, find_cluster(notation)).measured("all_reduce"))) == found


def test_what_decodes_add_to_chunks_is_their_median(tmp_path: Path) -> None:
    hand_made.write(tmp_path / "perf_dense.parquet", DENSE, (*LLAMA, "o_proj", 64, 48.8))
    alone = ((*LLAMA, tokens, 0, 0, 0, 10.0 * tokens) for tokens in (32, 64, 128, 256))
    added = {32: 1000.0, 64: 20.0, 128: 90.0, 256: 30.0, 512: 7.0}
    together = ((*LLAMA, tokens, 0, 16, 1023, 10.0 * tokens + us) for tokens, us in added.items())
    hidden = ((*LLAMA, tokens, 0, 1, 15, 10.0 * tokens - 0.1) for tokens in (64, 128))
    hand_made.write(tmp_path / "perf_attention.parquet", MODELS_ATTENTION, *alone, *together, *hidden)
    tables = Tables(tmp_path, find_cluster("rtx-4090"))
    (measured,) = tables.measured("attention_beside_chunks bfloat16")
    assert measured.seconds == pytest.approx(30e-6)
    assert list(measured.point) == [128, 4, 8, 16, 1024]
    hand_made.gemm(tmp_path, (1, 4096, 1024, 0.006))
    assert list(Tables(tmp_path, H100).measured("attention_beside_chunks bfloat16")) == []


def test_activated_experts_are_those_that_are_read(tmp_path: Path) -> None:
    hand_made.write(tmp_path / "perf_dense.parquet", DENSE, (*LLAMA, "o_proj", 64, 48.8))
    hand_made.write(
        tmp_path / "perf_moe.parquet",
        ("gpu", "model", "tp", "tokens", "activated_experts", "time_us"),
        ("RTXPRO6000", QWEN, "tp1", 32, 16, 134.3),
    )
    (measured,) = Tables(tmp_path, find_cluster("rtx-pro-6000")).measured("experts bfloat16")
    assert measured.point == (2048, 768, 16, 256)


def test_other_devices_borrow_what_two_alone_were_measured_on(tmp_path: Path) -> None:
    hand_made.gemm(tmp_path / "aiconfigurator", (1, 4096, 1024, 0.006))
    hand_made.write(
        tmp_path / "llmservingsim/perf_dense.parquet",
        DENSE,
        (*LLAMA, "rotary_emb", 64, 2.4),
        (*LLAMA, "rotary_emb", 2048, 26.0),
    )
    (h100, rtx) = (Tables(tmp_path, find_cluster(name)) for name in ("h100", "rtx-4090"))
    assert list(h100.measured("rotary")) == list(rtx.measured("rotary"))
    assert (h100.borrows(Family.ROTARY), rtx.borrows(Family.ROTARY)) == (True, False)
    assert not h100.borrows(Family.PRODUCT)
    assert sorted(TableSurfaces(h100)) == ["product bfloat16", "rotary"]
    assert len(TableSurfaces(h100)) == 2


@pytest.mark.parametrize(
    ("notation", "looked_for"),
    [
        ("h100", "no tables of H100 SXM; looked for h100_sxm/gemm/*/*/gemm_perf.parquet"),
        ("rtx-4090", "no tables of RTX 4090; looked for perf_dense.parquet"),
        ("mi300x", "tables are known of A100 SXM 80 GB, H100 SXM"),
    ],
)
def test_what_was_looked_for_is_told(tmp_path: Path, notation: str, looked_for: str) -> None:
    with pytest.raises(ConfigurationError, match=looked_for.replace("*", r"\*")):
        table_ratios(tmp_path, find_cluster(notation))


def test_a_table_without_a_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "h100_sxm/gemm/vllm/0.24.0/gemm_perf.parquet"
    hand_made.write(path, ("m", "n", "latency"), (1, 2, 0.3))
    with pytest.raises(ConfigurationError, match="it has no column k, only m, n, latency"):
        table_ratios(tmp_path, H100).of_operation(product(1))


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    hand_made.gemm(tmp_path, (1, 4096, 1024, 0.006)).write_bytes(b"PAR1 no table PAR1")
    with pytest.raises(ConfigurationError, match=r"gemm_perf\.parquet: it cannot be read as Parquet"):
        table_ratios(tmp_path, H100).of_operation(product(1))


def test_without_pyarrow_advice_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hand_made.gemm(tmp_path, (1, 4096, 1024, 0.006))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ConfigurationError, match="pip install 'weft"):
        table_ratios(tmp_path, H100).of_operation(product(1))


def test_a_model_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    hand_made.write(
        tmp_path / "perf_dense.parquet", DENSE, ("RTX4090", "some/model", "tp1", "o_proj", 64, 48.8)
    )
    with pytest.raises(ConfigurationError, match=r"perf_dense\.parquet: model 'some/model'"):
        predicted_s(tmp_path, product(1), "rtx-4090")
    hand_made.write(tmp_path / "perf_dense.parquet", DENSE, (*LLAMA[:2], "two", "o_proj", 64, 48.8))
    with pytest.raises(ConfigurationError, match="tp is 'two'; write tp1, tp2"):
        predicted_s(tmp_path, product(1), "rtx-4090")
