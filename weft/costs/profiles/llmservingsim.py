"""Tables in the layout of casys-kaist/LLMServingSim (MIT): kernels of whole models on two GPUs, in microseconds.

`kv_prefill` and `kv_decode` are tokens before those that are computed. Of rows of chunks and decodes together
is taken what decodes add to the chunks. Residual additions are part of the norms; norms of queries and keys are one
kernel.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from weft.contracts.errors import ConfigurationError
from weft.contracts.formats import NumberFormat
from weft.costs.profiles.bench import Bench, ExpertLayer, Heads, Measured
from weft.costs.profiles.points import Family
from weft.costs.profiles.table_files import Conditions, rows
from weft.hardware.cluster import Cluster
from weft.model_specs.catalogue.find import find_model
from weft.model_specs.model_spec import ModelSpec
from weft.model_specs.operation_builder import OperationBuilder
from weft.model_specs.operations import Formats
from weft.model_specs.plan import Plan
from weft.model_specs.shard import Shard

GPUS = {"RTX 4090": "RTX4090", "RTX PRO 6000 Blackwell Server": "RTXPRO6000"}
"""Values of the column `gpu` by the name of the device."""

LEAST_CHUNK_TOKENS = 64
"""Beside shorter ones a step is hardly different from one of decodes alone."""

_BFLOAT16 = NumberFormat.BFLOAT16
_MOVING = {
    Family.NORM: "layernorm",
    Family.HEAD_NORM: "qk_norm",
    Family.ROTARY: "rotary_emb",
    Family.ACTIVATION: "act_fn",
    Family.EMBEDDING: "embedding",
}

_Row = tuple[Heads, int, int]
"""A rank's heads and two of the numbers of a row."""


@dataclass(frozen=True)
class LlmServingSimTables:
    """Those of one device in a folder with perf_dense.parquet and others."""

    directory: Path
    cluster: Cluster

    def measured(self, family: Family, number: str) -> Iterator[Measured]:
        """Of a family; everything is in 16 bits."""
        read = _READERS.get(family)
        if number == "bfloat16" and read is not None and self.cluster.device.name in GPUS:
            yield from read(self, Bench(self.cluster))
        elif number == "bfloat16" and family in _MOVING and self.cluster.device.name in GPUS:
            yield from self._moving(family, Bench(self.cluster))

    def files(self) -> list[Path]:
        """All that is read."""
        names = ("dense", "attention", "per_sequence", "moe")
        paths = (self.directory / f"perf_{name}.parquet" for name in names)
        return [path for path in paths if path.exists()]

    def _rows(
        self, name: str, columns: tuple[str, ...], where: Conditions
    ) -> Iterator[tuple[Shard, tuple[int, ...], float]]:
        """Of each row the model as one rank has it, the columns, and seconds."""
        path, shards = self.directory / f"perf_{name}.parquet", dict[tuple[str, str], Shard]()
        if not path.exists():
            return
        where = {"gpu": GPUS[self.cluster.device.name], **where}
        for model, tp, *values, us in rows(path, ("model", "tp", *columns, "time_us"), where):
            if (model, tp) not in shards:
                shards[model, tp] = _shard(path, model, tp)
            yield shards[model, tp], tuple(values), us / 1e6

    def _products(self, bench: Bench) -> Iterator[Measured]:
        for layer, sizes in _PRODUCTS.items():
            for shard, (tokens,), seconds in self._rows("dense", ("tokens",), {"layer": layer}):
                yield bench.product(tokens, *sizes(shard), seconds)
        for shard, (sequences,), seconds in self._rows("per_sequence", ("sequences",), {"layer": "lm_head"}):
            yield bench.product(sequences, shard.vocab_size, shard.spec.hidden_size, seconds)

    def _experts(self, bench: Bench) -> Iterator[Measured]:
        for shard, (tokens, distinct), seconds in self._rows("moe", ("tokens", "activated_experts"), {}):
            experts = shard.spec.experts
            assert experts is not None, "experts were measured of a model that has some"
            sizes = (experts.inner_size, experts.num_experts, experts.num_chosen, shard.plan.tp)
            layer = ExpertLayer(shard.spec.hidden_size, *sizes)
            yield bench.experts(layer, tokens, seconds, distinct)

    def _single_attention(self, bench: Bench) -> Iterator[Measured]:
        columns = ("n_decode", "kv_decode")
        for shard, (sequences, before), seconds in self._rows("attention", columns, {"prefill_chunk": 0}):
            yield bench.single_attention(_heads(shard), sequences, before + 1, seconds)

    def _chunk_attention(self, bench: Bench) -> Iterator[Measured]:
        columns = ("prefill_chunk", "kv_prefill")
        for shard, (tokens, before), seconds in self._rows("attention", columns, {"n_decode": 0}):
            yield bench.chunk_attention(_heads(shard), 1, tokens, before, seconds)

    def _attention_beside(self, bench: Bench) -> Iterator[Measured]:
        """The median over chunks of what these took with the decodes and without."""
        columns = ("prefill_chunk", "kv_prefill", "n_decode", "kv_decode")
        alone, together = dict[_Row, float](), defaultdict[_Row, list[tuple[_Row, float]]](list)
        for shard, (tokens, before, sequences, context), seconds in self._rows("attention", columns, {}):
            heads = _heads(shard)
            if not sequences:
                alone[heads, tokens, before] = seconds
            elif tokens >= LEAST_CHUNK_TOKENS:
                together[heads, sequences, context].append(((heads, tokens, before), seconds))
        for (heads, sequences, context), rows_of in together.items():
            added = [seconds - alone[chunk] for chunk, seconds in rows_of if chunk in alone]
            if added and median(added) > 0.0:
                yield bench.single_attention(heads, sequences, context + 1, median(added))

    def _sampling(self, bench: Bench) -> Iterator[Measured]:
        for shard, (sequences,), seconds in self._rows("per_sequence", ("sequences",), {"layer": "sampler"}):
            conversion = _BUILD.float32_conversion("logits_conversion", sequences, shard.spec.vocab_size)
            yield bench.moving(conversion.moved_bytes, seconds)

    def _moving(self, family: Family, bench: Bench) -> Iterator[Measured]:
        layer = _MOVING[family]
        for shard, (tokens,), seconds in self._rows("dense", ("tokens",), {"layer": layer}):
            yield bench.moving(_MOVED_BYTES[layer](shard, tokens), seconds)


_READERS: dict[Family, Callable[[LlmServingSimTables, Bench], Iterator[Measured]]] = {
    Family.PRODUCT: LlmServingSimTables._products,
    Family.EXPERTS: LlmServingSimTables._experts,
    Family.SINGLE_ATTENTION: LlmServingSimTables._single_attention,
    Family.CHUNK_ATTENTION: LlmServingSimTables._chunk_attention,
    Family.ATTENTION_BESIDE: LlmServingSimTables._attention_beside,
    Family.SAMPLING: LlmServingSimTables._sampling,
}

_BUILD = OperationBuilder(Formats(_BFLOAT16, _BFLOAT16, _BFLOAT16))


def _query_size(shard: Shard) -> int:
    return shard.num_heads * shard.spec.head_dim


def _all_heads(shard: Shard) -> int:
    return shard.num_heads + shard.num_kv_heads


_PRODUCTS: dict[str, Callable[[Shard], tuple[int, int]]] = {
    "qkv_proj": lambda shard: (_query_size(shard) + shard.state_size, shard.spec.hidden_size),
    "o_proj": lambda shard: (shard.spec.hidden_size, _query_size(shard)),
    "gate_up_proj": lambda shard: (2 * shard.intermediate_size, shard.spec.hidden_size),
    "down_proj": lambda shard: (shard.spec.hidden_size, shard.intermediate_size),
}
"""Outputs and inputs by layer."""

_MOVED_BYTES: dict[str, Callable[[Shard, int], int]] = {
    # a fused addition and norm reads two operands and writes two
    "layernorm": lambda shard, tokens: 2 * 4 * tokens * shard.spec.hidden_size,
    "qk_norm": lambda shard, tokens: 2 * 2 * tokens * _all_heads(shard) * shard.spec.head_dim,
    "rotary_emb": lambda shard, tokens: (
        _BUILD.rotary(0, tokens, _all_heads(shard), shard.spec.head_dim).moved_bytes
    ),
    "act_fn": lambda shard, tokens: _BUILD.of_two("", 0, tokens, shard.intermediate_size).moved_bytes,
    "embedding": lambda shard, tokens: 2 * 2 * tokens * shard.spec.hidden_size,
}


def _heads(shard: Shard) -> Heads:
    return Heads(shard.num_heads, shard.num_kv_heads, shard.spec.head_dim)


def _shard(path: Path, model: str, tp: str) -> Shard:
    degree = tp.removeprefix("tp")
    if not degree.isdecimal():
        raise ConfigurationError(f"{path}: tp is {tp!r}; write tp1, tp2 and so on")
    return Shard(_model(path, model), Plan(tp=int(degree)))


def _model(path: Path, name: str) -> ModelSpec:
    """Trained further, a model has the sizes that it had."""
    try:
        return find_model(re.sub(r"-(Instruct|Thinking).*$", "", name))
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None
