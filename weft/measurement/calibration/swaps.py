"""How long state takes from the device to host memory and back."""

import asyncio
from itertools import count
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from weft.contracts.errors import WeftError
from weft.contracts.state import Tier
from weft.contracts.transfers import BlockMove, Transfer, TransferKind
from weft.measurement.calibration.nonnegative import nonnegative_least_squares

if TYPE_CHECKING:
    from weft.executor.loading import Serving

NUM_BLOCKS = (1, 2, 4, 8, 16, 32, 64)
ROUNDS = 5
LEAST_S = 1e-9
"""Of either time: a link has a latency and a bandwidth, also where they are too good to be measured."""

DIRECTIONS = (
    (TransferKind.SWAP_OUT, Tier.DEVICE, Tier.HOST),
    (TransferKind.SWAP_IN, Tier.HOST, Tier.DEVICE),
)


class SwapTimes(NamedTuple):
    """Seconds that a transfer takes whatever its size, and for each block of all state groups; the slower direction
    decides both, as a simulated link is alike in both."""

    start_s: float
    block_s: float


async def time_swaps(serving: "Serving", budget_s: float) -> SwapTimes:
    """Of transfers beside which no step runs; there must be blocks in host memory."""
    most = min(*serving.config.num_blocks.values(), *serving.config.num_host_blocks.values())
    sizes = [size for size in NUM_BLOCKS if size <= most]
    now, numbers = asyncio.get_running_loop().time, count()
    times_s: dict[int, list[float]] = {size: [] for size in sizes}
    begun_s = now()
    for _ in range(ROUNDS):
        for size in sizes:
            if now() - begun_s < budget_s or not times_s[size]:
                times_s[size].append(await _slower_s(serving, size, numbers))
    medians = [median(times_s[size]) for size in sizes]
    rows = [(1.0 / seconds, size / seconds) for size, seconds in zip(sizes, medians, strict=True)]
    start_s, block_s = nonnegative_least_squares(rows, [1.0] * len(rows))
    return SwapTimes(max(start_s, LEAST_S), max(block_s, LEAST_S))


async def _slower_s(serving: "Serving", num_blocks: int, numbers: "count[int]") -> float:
    now, slower_s = asyncio.get_running_loop().time, 0.0
    groups = range(len(serving.config.layout.groups))
    moves = tuple(BlockMove(group, block, block) for group in groups for block in range(num_blocks))
    for kind, source, target in DIRECTIONS:
        number, begun_s = next(numbers), now()
        result = await serving.executor.transfer(Transfer(number, kind, 0, source, target, moves, 1))
        if result.error is not None:
            raise WeftError(f"the calibration ended: a transfer from {source.value} failed: {result.error}")
        slower_s = max(slower_s, now() - begun_s)
    return slower_s
