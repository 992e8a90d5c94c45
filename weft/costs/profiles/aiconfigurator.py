"""Tables in the layout of ai-dynamo/aiconfigurator (Apache-2.0), whose latencies are in milliseconds.

A folder per system with gemm/, attention/, moe/ and comm/, below these one per framework and version. Messages are
counted in numbers, and `step` of single attention is how many tokens a sequence had before. Tables of MLA,
products with scales per block and with 4-bit weights and wide inputs are not read. Rows of attention with a window
are not either: how much a token sees tells of windows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from weft.costs.profiles.bench import WIDENED, Bench, ExpertLayer, Heads, Measured
from weft.costs.profiles.points import GRAPH_BYTES, Family
from weft.costs.profiles.table_files import Conditions, newest, rows
from weft.hardware.cluster import Cluster
from weft.model_specs.operations import OperationKind

SYSTEMS = {
    "A100 SXM 80 GB": "a100_sxm",
    "H100 SXM": "h100_sxm",
    "H200 SXM": "h200_sxm",
    "B200 SXM": "b200_sxm",
    "L40S": "l40s",
    "RTX PRO 6000 Blackwell Server": "rtx_pro_6000_server",
}
"""Folders by the name of the device."""

FRAMEWORKS = ("vllm", "sglang", "trtllm")
"""Whose kernels are taken, the first that there are."""

ROUTING = "power_law_1.01"
"""How rows were given to experts when these were measured: nearly as real routers do, of what there is."""

MOST_EXPERT_RANKS = 16
"""Tables go on to 256, where a rank has one expert and few rows."""

NCCL_ALONE = ("RTX PRO 6000 Blackwell Server",)
"""Devices on which servers do not use vLLM's own all-reduce, whatever was measured of it: it fails while a graph is
captured on compute capability 12 (vllm-project/vllm, pull request 47751), and is off for more than two devices without
NVLink on any."""

_DTYPES = {"bfloat16": "bfloat16", "float8": "fp8", "float4": "nvfp4"}
_EXPERT_DTYPES = {"float8": ("fp8_block", "fp8")}
"""Published mixtures in FP8 have scales by block, whose kernels differ up to threefold; what comes first is taken."""

_WIDENED_DTYPES = ("w4a16_mxfp4", "int4_wo")
"""Of different models, so that both can be had."""


@dataclass(frozen=True)
class AiconfiguratorTables:
    """Those of one device below a folder of systems."""

    directory: Path
    cluster: Cluster

    @property
    def system(self) -> Path:
        """Its folder, whether or not it is there."""
        return self.directory / SYSTEMS.get(self.cluster.device.name, "(none for this device)")

    def measured(self, family: Family, number: str) -> Iterator[Measured]:
        """Of a family in a format (a name of `format_class`)."""
        read = _READERS.get(family)
        if read is not None:
            yield from read(self, Bench(self.cluster, number))

    def files(self) -> list[Path]:
        """All that is read."""
        names = (
            "gemm/{}/*/gemm_perf",
            "moe/{}/*/moe_perf",
            "attention/{}/*/context_attention_perf",
            "attention/{}/*/generation_attention_perf",
            "comm/{}/*/custom_allreduce_perf",
        )
        found = [self._file(f"{name}.parquet") for name in names]
        found.append(newest(self.system, "comm/nccl/*/nccl_perf.parquet"))
        return [path for path in found if path is not None]

    def _file(self, pattern: str) -> Path | None:
        found = (newest(self.system, pattern.format(framework)) for framework in FRAMEWORKS)
        return next((path for path in found if path is not None), None)

    def _rows(self, pattern: str, columns: tuple[str, ...], where: Conditions) -> Iterator[tuple[int, ...]]:
        """Counts, and the latency as the last column."""
        path = self._file(pattern)
        return iter(()) if path is None else rows(path, (*columns, "latency"), where)

    def _products(self, bench: Bench) -> Iterator[Measured]:
        where: Conditions = {"gemm_dtype": _DTYPES[bench.number]}
        for m, n, k, ms in self._rows("gemm/{}/*/gemm_perf.parquet", ("m", "n", "k"), where):
            yield bench.product(m, n, k, ms / 1e3)

    def _experts(self, bench: Bench) -> Iterator[Measured]:
        for dtype in _EXPERT_DTYPES.get(bench.number, (_DTYPES[bench.number],)):
            found = list(self._experts_in(bench, dtype))
            yield from found
            if found:
                return

    def _widened_experts(self, bench: Bench) -> Iterator[Measured]:
        if bench.number == "float4":
            for dtype in _WIDENED_DTYPES:
                yield from self._experts_in(Bench(bench.cluster, WIDENED), dtype)

    def _experts_in(self, bench: Bench, dtype: str) -> Iterator[Measured]:
        sizes = ("hidden_size", "inter_size", "num_experts", "topk", "moe_tp_size", "moe_ep_size")
        where: Conditions = {"moe_dtype": dtype, "distribution": ROUTING}
        for tokens, *layer, ms in self._rows("moe/{}/*/moe_perf.parquet", ("num_tokens", *sizes), where):
            if layer[-1] <= MOST_EXPERT_RANKS:
                yield bench.experts(ExpertLayer(*layer), tokens, ms / 1e3)

    def _single_attention(self, bench: Bench) -> Iterator[Measured]:
        for heads, sequences, _, before, ms in self._attention("generation", bench.number):
            yield bench.single_attention(heads, sequences, before + 1, ms / 1e3)

    def _chunk_attention(self, bench: Bench) -> Iterator[Measured]:
        for heads, chunks, tokens, before, ms in self._attention("context", bench.number):
            if tokens > 1:
                yield bench.chunk_attention(heads, chunks, tokens, before, ms / 1e3)

    def _attention(self, kind: str, number: str) -> Iterator[tuple[Heads, int, int, int, float]]:
        columns = ("num_heads", "num_key_value_heads", "head_dim", "batch_size", "isl", "step")
        where: Conditions = {"kv_cache_dtype": _DTYPES[number], "window_size": 0}
        path = f"attention/{{}}/*/{kind}_attention_perf.parquet"
        for heads, kv_heads, head_dim, *sizes, ms in self._rows(path, columns, where):
            sequences, tokens, before = sizes
            yield Heads(heads, kv_heads or heads, head_dim), sequences, tokens, before, ms

    def _graph_all_reduce(self, bench: Bench) -> Iterator[Measured]:
        if self.cluster.device.name in NCCL_ALONE:
            return
        path = "comm/{}/*/custom_allreduce_perf.parquet"
        columns = ("backend", "num_gpus", "message_size")
        for backend, ranks, numbers, ms in self._rows(path, columns, {}):
            if str(backend).endswith("graph") and 2 * numbers <= 2 * GRAPH_BYTES:
                yield bench.collective(OperationKind.ALL_REDUCE, ranks, numbers, ms / 1e3)

    def _collectives(self, kind: OperationKind, bench: Bench) -> Iterator[Measured]:
        path = newest(self.system, "comm/nccl/*/nccl_perf.parquet")
        where: Conditions = {"op_name": _NCCL_NAMES[kind], "nccl_dtype": "half"}
        columns = ("num_gpus", "message_size", "latency")
        for ranks, numbers, ms in iter(()) if path is None else rows(path, columns, where):
            yield bench.collective(kind, ranks, numbers, ms / 1e3)


_NCCL_NAMES = {
    OperationKind.ALL_REDUCE: "all_reduce",
    OperationKind.ALL_GATHER: "all_gather",
    OperationKind.ALL_TO_ALL: "alltoall",
}


def _by_nccl(kind: OperationKind) -> Callable[[AiconfiguratorTables, Bench], Iterator[Measured]]:
    return lambda tables, bench: tables._collectives(kind, bench)


_READERS: dict[Family, Callable[[AiconfiguratorTables, Bench], Iterator[Measured]]] = {
    Family.PRODUCT: AiconfiguratorTables._products,
    Family.EXPERTS: AiconfiguratorTables._experts,
    Family.WIDENED_EXPERTS: AiconfiguratorTables._widened_experts,
    Family.SINGLE_ATTENTION: AiconfiguratorTables._single_attention,
    Family.CHUNK_ATTENTION: AiconfiguratorTables._chunk_attention,
    Family.ALL_REDUCE: AiconfiguratorTables._graph_all_reduce,
    Family.LARGE_ALL_REDUCE: _by_nccl(OperationKind.ALL_REDUCE),
    Family.ALL_GATHER: _by_nccl(OperationKind.ALL_GATHER),
    Family.ALL_TO_ALL: _by_nccl(OperationKind.ALL_TO_ALL),
}
