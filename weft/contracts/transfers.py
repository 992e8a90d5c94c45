"""Movements of state that run beside steps."""

from enum import Enum
from typing import NamedTuple

from weft.contracts.state import Tier


class TransferKind(Enum):
    """Why state moves."""

    SWAP_OUT = "swap out"
    SWAP_IN = "swap in"
    MIGRATE = "migrate"
    RESTORE = "restore"
    REPLICATE = "replicate"
    LOAD_ADAPTER = "load adapter"


class Granularity(Enum):
    """The unit after which the target may start to use what has arrived."""

    BLOCK = "block"
    LAYER = "layer"


class BlockMove(NamedTuple):
    """One block of the state group at index `group`: from block `source` to block `target`."""

    group: int
    source: int
    target: int


class Transfer(NamedTuple):
    """A movement of blocks from one tier to another.

    Source and target blocks are pinned until the result is known. `num_units`: how many units (tokens) of
    the sequence the moved state stands for. `expected_checksum`: what the bytes must sum up to on arrival,
    where an earlier transfer told; None checks nothing.
    """

    transfer_id: int
    kind: TransferKind
    sequence_number: int
    source: Tier
    target: Tier
    moves: tuple[BlockMove, ...]
    num_units: int
    granularity: Granularity = Granularity.BLOCK
    expected_checksum: int | None = None


class TransferResult(NamedTuple):
    """How a transfer ended: `error` is None where all blocks arrived intact."""

    transfer_id: int
    checksum: int | None = None
    error: str | None = None
