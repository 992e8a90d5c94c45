"""Compact fits of measured kernels: ratios on a coarse grid, and how far they are from what was measured.

The logarithm of a ratio is taken to be multilinear between knots, so a fit is a linear regression. Its weights favour
the median over outliers (iteratively reweighted least squares, Holland and Welsch, Commun. Stat. A6, 1977), and a small
penalty on differences between neighbouring knots settles those that nothing was measured near.
"""

import hashlib
from collections.abc import Iterable, Sequence
from math import prod
from statistics import median
from typing import Any, NamedTuple

import torch

from weft.costs.profiles.bench import Measured
from weft.costs.profiles.interpolation import Surface
from weft.costs.profiles.points import Family, compact_point
from weft.costs.profiles.tables import ratio_of, start_of

HELD_OUT = 5
"""One in so many configurations is not fitted to."""

ROUNDS = 6
SMOOTHING = 0.01
ACROSS = 0.01
"""Of the smoothing, along all coordinates but the last: what happens along that is a matter of size, along others of
kind. Sizes of experts lie on no grid, so many of their knots have nothing near, and all coordinates count alike."""
LEAST_RESIDUAL = 0.02

_SIZES = (256, 1024, 4096, 16384, 65536)
_COLLECTIVE = {"ranks": (2, 4, 8), "bytes": tuple(256 * 2**step for step in range(23))}
_MOVING = {"bytes": tuple(4096 * 4**step for step in range(9))}
KNOTS: dict[Family, dict[str, tuple[float, ...]]] = {
    Family.PRODUCT: {
        "outputs": _SIZES,
        "inputs": _SIZES,
        "rows": (1, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192),
    },
    Family.EXPERTS: {
        "hidden": (1024, 4096, 8192),
        "inner": (64, 256, 1024, 4096),
        "experts": (1, 8, 64, 256),
        "rows_per_expert": (1, 8, 32, 128, 512, 4096),
    },
    Family.WIDENED_EXPERTS: {
        "hidden": (2880, 3584, 7168),
        "inner": (128, 512, 3072),
        "experts": (4, 16, 64, 128, 512),
        "rows_per_expert": (1, 4, 16, 64, 256, 1024, 4096),
    },
    Family.SINGLE_ATTENTION: {
        "group": (1, 5, 8),
        "sequences_x_kv_heads": (1, 4, 16, 32, 64, 96, 128, 256, 512, 1024, 4096),
        "context": (16, 64, 256, 512, 1024, 2048, 4096, 8192, 32768, 131072),
    },
    Family.ATTENTION_BESIDE: {
        "group": (4, 8),
        "sequences_x_kv_heads": (2, 8, 16, 32, 64, 128, 256, 512, 1024, 2048),
        "context": (16, 64, 256, 512, 1024, 2048, 4096, 8192, 16384),
    },
    Family.CHUNK_ATTENTION: {
        "group": (1, 4, 8),
        "tokens_x_heads": (256, 1024, 4096, 8192, 16384, 32768, 65536, 262144, 1048576),
        "keys": (8, 32, 64, 128, 256, 512, 1024, 2048, 8192),
    },
    Family.ALL_REDUCE: _COLLECTIVE,
    Family.LARGE_ALL_REDUCE: _COLLECTIVE,
    Family.ALL_GATHER: _COLLECTIVE,
    Family.ALL_TO_ALL: _COLLECTIVE,
    Family.NORM: _MOVING,
    Family.HEAD_NORM: _MOVING,
    Family.ROTARY: _MOVING,
    Family.ACTIVATION: _MOVING,
    Family.EMBEDDING: _MOVING,
    Family.SAMPLING: _MOVING,
}
"""Of the compact form, in its coordinates."""


class Errors(NamedTuple):
    """Of predictions as shares of what was measured, without sign."""

    number: int
    median: float
    of_four_fifths: float
    of_nine_tenths: float


def is_held_out(measured: Measured) -> bool:
    """By a digest of the configuration, so that repeated measurements stay together."""
    return hashlib.sha256(repr(measured.point).encode()).digest()[0] % HELD_OUT == 0


def is_served(family: Family, measured: Measured) -> bool:
    """Whether the configuration is one that is fitted to: of sizes that models have on a device."""
    if family is Family.PRODUCT:
        return min(measured.point[:2]) >= _SIZES[0]
    if family in (Family.SINGLE_ATTENTION, Family.ATTENTION_BESIDE, Family.CHUNK_ATTENTION):
        return measured.point[0] == 128.0
    return True


def fit(family: Family, measured: Sequence[Measured]) -> dict[str, Any]:
    """A surface of the compact form, as it is written."""
    knots, start_s = KNOTS[family], float(f"{start_of(measured):.3g}")
    points = [compact_point(family, each.point) for each in measured]
    weights = _weights(list(knots.values()), torch.tensor(points, dtype=torch.float64))
    wanted = torch.tensor([ratio_of(each, start_s) for each in measured], dtype=torch.float64).log()
    across = 1.0 if family in (Family.EXPERTS, Family.WIDENED_EXPERTS) else ACROSS
    logs = _regression(weights, wanted, _differences([len(places) for places in knots.values()], across))
    inside = logs.clamp(wanted.min(), wanted.max())
    ratios = [float(f"{ratio:.3g}") for ratio in inside.exp().tolist()]
    return {
        "start_s": start_s,
        "knots": {name: list(places) for name, places in knots.items()},
        "ratios": ratios,
    }


def _weights(axes: Sequence[Sequence[float]], points_ND: torch.Tensor) -> torch.Tensor:
    """How much each knot of the grid counts at each point."""
    found = torch.ones(len(points_ND), 1, dtype=torch.float64)
    for places, column in zip(axes, points_ND.unbind(1), strict=True):
        of_axis = _axis_weights(torch.tensor(places, dtype=torch.float64).log(), column.log())
        found = (found[:, :, None] * of_axis[:, None, :]).flatten(1)
    return found


def _axis_weights(knots_K: torch.Tensor, places_N: torch.Tensor) -> torch.Tensor:
    inside = places_N.clamp(knots_K[0], knots_K[-1])
    index = (torch.searchsorted(knots_K, inside, right=True) - 1).clamp(0, len(knots_K) - 2)
    share = (inside - knots_K[index]) / (knots_K[index + 1] - knots_K[index])
    found = torch.zeros(len(places_N), len(knots_K), dtype=torch.float64)
    found.scatter_(1, index[:, None], 1.0 - share[:, None])
    return found.scatter_(1, index[:, None] + 1, share[:, None])


def _differences(sizes: Sequence[int], across: float) -> torch.Tensor:
    """The matrix whose quadratic form is the weighted sum of squared differences between neighbouring knots."""
    total = torch.zeros(prod(sizes), prod(sizes), dtype=torch.float64)
    numbers = torch.arange(prod(sizes)).reshape(list(sizes))
    for axis, size in enumerate(sizes):
        low, high = numbers.narrow(axis, 0, size - 1).flatten(), numbers.narrow(axis, 1, size - 1).flatten()
        weight = torch.tensor(1.0 if axis == len(sizes) - 1 else across, dtype=torch.float64)
        for one, other, sign in ((low, low, 1), (high, high, 1), (low, high, -1), (high, low, -1)):
            total.index_put_((one, other), sign * weight, accumulate=True)
    return total


def _regression(weights_NK: torch.Tensor, wanted_N: torch.Tensor, smoothing_KK: torch.Tensor) -> torch.Tensor:
    trust_N = torch.ones(len(wanted_N), dtype=torch.float64)
    found = torch.zeros(weights_NK.shape[1], dtype=torch.float64)
    for _ in range(ROUNDS):
        trusted = weights_NK * trust_N[:, None]
        matrix = trusted.T @ weights_NK + SMOOTHING * smoothing_KK
        matrix += 1e-9 * torch.eye(len(matrix), dtype=torch.float64)
        found = torch.linalg.solve(matrix, trusted.T @ wanted_N)
        trust_N = 1.0 / (wanted_N - weights_NK @ found).abs().clamp(min=LEAST_RESIDUAL)
        trust_N /= trust_N.mean()
    return found


def compact_errors(family: Family, surface: Surface, measured: Iterable[Measured]) -> list[float]:
    """Predicted over measured less 1."""
    return errors_at(surface, ((compact_point(family, each.point), each) for each in measured))


def errors_at(surface: Surface, placed: Iterable[tuple[tuple[float, ...], Measured]]) -> list[float]:
    """As above, of measurements at coordinates of the surface."""
    return [surface.ratios.at(point) / ratio_of(each, surface.start_s) - 1.0 for point, each in placed]


def summary(errors: Sequence[float]) -> Errors:
    """Of at least one error."""
    ordered = sorted(abs(each) for each in errors)
    last = len(ordered) - 1
    return Errors(len(ordered), median(ordered), ordered[round(0.8 * last)], ordered[round(0.9 * last)])
