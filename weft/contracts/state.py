"""The state a model keeps between steps, and who may own blocks of it.

A model declares state groups. The engine keeps tables, counts and indexes of blocks as plain Python;
the tensors behind the block numbers live only in the executor.
"""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from weft.contracts.errors import ConfigurationError

DEFAULT_BLOCK_TOKENS = 16


@dataclass(frozen=True, slots=True)
class PagedGroup:
    """State that grows by a slot per token (keys and values of attention), in blocks of tokens.

    `window_tokens`: a token sees itself and the `window_tokens - 1` before it; None sees everything.
    """

    name: str
    bytes_per_token: int
    window_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class ConstantGroup:
    """State of fixed size that each token overwrites (recurrent layers).

    A copy taken at every `snapshot_blocks`-th block boundary makes prefixes reusable.
    """

    name: str
    bytes_per_sequence: int
    snapshot_blocks: int = 1


@dataclass(frozen=True, slots=True)
class EncoderGroup:
    """Outputs of a media encoder, one slot per media token, shared by content hash."""

    name: str
    bytes_per_token: int


StateGroup = PagedGroup | ConstantGroup | EncoderGroup


@dataclass(frozen=True, slots=True)
class StateLayout:
    """All state groups of a model and the block size in tokens that they share."""

    groups: tuple[StateGroup, ...]
    block_tokens: int = DEFAULT_BLOCK_TOKENS

    def __post_init__(self) -> None:
        if self.block_tokens < 1:
            raise ConfigurationError(f"block_tokens is {self.block_tokens}; it must be at least 1")
        names = [group.name for group in self.groups]
        if not names or len(dict.fromkeys(names)) != len(names):
            raise ConfigurationError(f"state groups {names}: name at least one, and each differently")
        for group in self.groups:
            if isinstance(group, PagedGroup) and group.window_tokens is not None and group.window_tokens < 1:
                raise ConfigurationError(
                    f"group {group.name!r}: window_tokens is {group.window_tokens}, below 1"
                )
            if isinstance(group, ConstantGroup) and group.snapshot_blocks < 1:
                raise ConfigurationError(
                    f"group {group.name!r}: snapshot_blocks is {group.snapshot_blocks}, below 1"
                )


class OwnerKind(Enum):
    """What a block is held for."""

    SEQUENCE = "sequence"
    SNAPSHOT = "snapshot"
    ENCODER_OUTPUT = "encoder output"
    ADAPTER = "adapter"


class Owner(NamedTuple):
    """Who a block was allocated for: a kind, and the number or name of the one."""

    kind: OwnerKind
    name: int | str


class Tier(Enum):
    """Where a block's bytes are."""

    DEVICE = "device"
    HOST = "host"
    DISK = "disk"
    REMOTE = "remote"
