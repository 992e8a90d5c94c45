"""Kernel ratios out of nothing: some that depend on everything that they are told, and some that are all the same."""

from dataclasses import dataclass

from weft.costs.kernel_ratios import AttentionCorrections, Correction
from weft.model_specs.operations import Operation, OperationKind

PROFILE = "toy kernels"


@dataclass(frozen=True)
class ToyAttention:
    seed: int

    def single(self, num_sequences: int, visible_tokens: float) -> Correction:
        return Correction(1e-6 * (self.seed % 5), 1.1 + num_sequences / 7 + visible_tokens / 9e4)

    def single_beside_chunks(self, num_sequences: int, visible_tokens: float) -> Correction:
        return Correction(1e-6 * (self.seed % 3), 1.9 + num_sequences / 5 + visible_tokens / 7e4)

    def waits_for_longest(self, num_sequences: int, beside_chunks: bool) -> bool:
        return beside_chunks or num_sequences > 3

    def chunks(self, num_chunks: int, num_tokens: int, visible_tokens: float, pairs: float) -> Correction:
        ratio = 1.2 + num_chunks / 11 + num_tokens / 3e3 + visible_tokens / 8e4 + pairs / 1e7
        return Correction(1e-6 * (self.seed % 7), ratio)


@dataclass(frozen=True)
class ToyRatios:
    relative_error: float | None = 0.25
    profile: str = PROFILE

    def of_operation(self, operation: Operation) -> Correction:
        assert operation.kind is not OperationKind.ATTENTION
        numbers = (*(size.value for size in operation.shape), operation.flops, operation.moved_bytes)
        sent = 0 if operation.communication is None else operation.communication.num_bytes
        start_s = 1e-6 * (1 + len(operation.name) % 4)
        return Correction(start_s, 1.0 + sum(number % 1009 for number in (*numbers, sent)) / 5e3)

    def of_attention(self, example: Operation) -> AttentionCorrections:
        sizes, formats = dict(example.shape), dict(example.formats)
        heads = sizes["heads"] + 3 * sizes["kv_heads"] + 5 * sizes["head_dim"]
        state = formats.get("state", formats["input"])
        return ToyAttention(heads + len(state.value))


@dataclass(frozen=True)
class Same:
    """One correction of everything."""

    start_s: float
    ratio: float
    relative_error: float | None = None
    profile: str = "all the same"

    def of_operation(self, operation: Operation) -> Correction:
        return Correction(self.start_s, self.ratio)

    def of_attention(self, example: Operation) -> AttentionCorrections:
        return self

    def single(self, num_sequences: int, visible_tokens: float) -> Correction:
        return Correction(self.start_s, self.ratio)

    def single_beside_chunks(self, num_sequences: int, visible_tokens: float) -> Correction:
        return Correction(self.start_s, self.ratio)

    def waits_for_longest(self, num_sequences: int, beside_chunks: bool) -> bool:
        return False

    def chunks(self, num_chunks: int, num_tokens: int, visible_tokens: float, pairs: float) -> Correction:
        return Correction(self.start_s, self.ratio)
