"""The `reference` backend: the plain formulas in float32, bit for bit the same whatever else is in a step."""

import torch
from torch import Tensor

from weft.contracts.errors import ConfigurationError
from weft.ops.backend import AttentionPlan, PackedBatch, PagedBatch
from weft.ops.experts import Routing, route_by_tile
from weft.ops.tiled_attention import TiledPlan, attend_tiled, plan_tiled
from weft.ops.tiles import TILE_ROWS, Workers, bind_thread, by_tile, tile, tile_starts
from weft.ops.torch_ops import TorchOps
from weft.weights.linear import Linear

OUTPUT_COLUMNS = 512
"""Outputs of a linear layer that one thread computes at once."""


class ReferenceOps(TorchOps):
    """See `Ops`. `num_threads`: how many tiles are computed at once; it does not change a bit.

    Weights and state are float32.
    """

    name = "reference"

    def __init__(self, num_threads: int) -> None:
        super().__init__(num_threads)
        self._workers = Workers(num_threads)

    @property
    def fingerprint(self) -> str:
        return f"reference-2-{super().fingerprint}"

    def bind_thread(self) -> None:
        bind_thread()

    def close(self) -> None:
        """End the threads."""
        self._workers.close()

    def rms_norm(self, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        def norm(tile_rows: Tensor) -> Tensor:
            return super(ReferenceOps, self).rms_norm(tile_rows, weight, eps)

        return by_tile(norm, x, workers=self._workers)

    def linear(self, x_TI: Tensor, linear: Linear) -> Tensor:
        num_rows, num_outputs = x_TI.shape[0], linear.weight_OI.shape[0]
        tiles = [tile(x_TI, start) for start in tile_starts(num_rows)]
        y_TO = torch.empty(len(tiles) * TILE_ROWS, num_outputs)
        pieces = [
            (index, column) for column in range(0, num_outputs, OUTPUT_COLUMNS) for index in range(len(tiles))
        ]

        def compute(piece: tuple[int, int]) -> None:
            index, column = piece
            columns = slice(column, column + OUTPUT_COLUMNS)
            product = _product(tiles[index], linear.weight_OI[columns])
            if linear.bias_O is not None:
                product += linear.bias_O[columns]
            y_TO[index * TILE_ROWS : (index + 1) * TILE_ROWS, columns] = product

        self._workers.each(compute, pieces)
        return y_TO[:num_rows]

    def gate(self, both_TO: Tensor) -> Tensor:
        return by_tile(_gate, *both_TO.chunk(2, dim=-1), workers=self._workers)

    def route(self, scores_TN: Tensor, num_chosen: int, sums_to_one: bool) -> Routing:
        return route_by_tile(scores_TN, num_chosen, sums_to_one)

    def plan_attention(self, batch: PagedBatch | PackedBatch) -> AttentionPlan:
        if isinstance(batch, PackedBatch):
            raise ConfigurationError(
                "the reference backend keeps state in blocks; train with backend 'torch'"
            )
        return plan_tiled(batch)

    def attention(
        self, q_THE: Tensor, k_TGE: Tensor, v_TGE: Tensor, layer: int, plan: AttentionPlan
    ) -> Tensor:
        assert isinstance(plan, TiledPlan)
        return attend_tiled(q_THE, k_TGE, v_TGE, layer, plan, self._workers)


def _product(rows_TI: Tensor, weight_OI: Tensor) -> Tensor:
    """Narrow products are widened: with 2 to 11 outputs, the place of a row in its tile may change its bits."""
    num_outputs = weight_OI.shape[0]
    if num_outputs >= TILE_ROWS:
        return rows_TI @ weight_OI.T
    return (rows_TI @ tile(weight_OI, 0).T)[:, :num_outputs]


def _gate(gate_TF: Tensor, up_TF: Tensor) -> Tensor:
    """Written with exp, because torch's own silu treats the last elements of an array differently."""
    return gate_TF / (1.0 + torch.exp(-gate_TF)) * up_TF
