"""The fake model's physical state: blocks of 64-bit entries, poisoned until written."""

from collections.abc import Mapping

from weft.contracts.errors import ConfigurationError, InvariantViolation
from weft.contracts.state import ConstantGroup, StateLayout, Tier
from weft.simulator.fake_model import digest, mix


class BlockStore:
    """All blocks of one tier, per state group.

    A block of a paged or encoder group has one entry per token, one of a constant group a single entry.
    What was never written is poison: a value that differs from slot to slot and from every real entry.
    """

    def __init__(self, layout: StateLayout, tier: Tier, num_blocks: Mapping[str, int]) -> None:
        names = [group.name for group in layout.groups]
        unknown = [name for name in num_blocks if name not in names]
        if unknown:
            raise ConfigurationError(f"num_blocks names state groups {unknown}; the layout has {names}")
        self._tier = tier
        self._tier_digest = digest(tier.value)
        self._sizes = [num_blocks.get(group.name, 0) for group in layout.groups]
        self._widths = [
            1 if isinstance(group, ConstantGroup) else layout.block_tokens for group in layout.groups
        ]
        self._touched: list[dict[int, list[int]]] = [{} for _ in layout.groups]

    def block(self, group: int, number: int) -> list[int]:
        """The entries of a block, to read or write. Raises `InvariantViolation` `block_unknown`."""
        if not 0 <= group < len(self._sizes):
            raise InvariantViolation("block_unknown", f"state group {group} of {len(self._sizes)}")
        block = self._touched[group].get(number)
        return self._first_touch(group, number) if block is None else block

    def _first_touch(self, group: int, number: int) -> list[int]:
        size = self._sizes[group]
        if not 0 <= number < size:
            detail = f"block {number} of group {group}; the {self._tier.value} has {size}"
            raise InvariantViolation("block_unknown", detail)
        block = [self._poison(group, number, slot) for slot in range(self._widths[group])]
        self._touched[group][number] = block
        return block

    def _poison(self, group: int, number: int, slot: int) -> int:
        return mix(self._tier_digest, group, number, slot)

    def copy(self, group: int, source: int, target: int) -> None:
        """Block `target` becomes equal to block `source`."""
        self.block(group, target)[:] = self.block(group, source)

    def poison(self, group: int, number: int, slot: int) -> None:
        """Make one entry worthless."""
        self.block(group, number)[slot] = self._poison(group, number, slot)

    def poison_block(self, group: int, number: int) -> None:
        """Make all entries of a block worthless."""
        for slot in range(len(self.block(group, number))):
            self.poison(group, number, slot)

    def checksum(self, group: int, number: int) -> int:
        """64 bits that depend on every entry of a block, but not on the block's number."""
        return mix(group, *self.block(group, number))


class WriteClaims:
    """Who writes what in one step. No slot may have two writers.

    What is claimed is poisoned, so that a row that reads another's slot before it is written shows.
    """

    def __init__(self, store: BlockStore) -> None:
        self._store = store
        self._rows: dict[tuple[int, int, int], int] = {}

    def claim(self, group: int, number: int, slot: int, row: int, keeps_content: bool = False) -> None:
        """Slot `slot` of a block will be written by `row`; raises `InvariantViolation` `write_shared`.

        `keeps_content`: the row reads the old content first, as with recurrent state.
        """
        slots = self._store.block(group, number)
        if not 0 <= slot < len(slots):
            raise InvariantViolation("block_unknown", f"slot {slot} of block {number}, group {group}")
        key = (group, number, slot)
        if key in self._rows:
            writers = f"rows {self._rows[key]} and {row}"
            raise InvariantViolation(
                "write_shared", f"{writers} write slot {slot} of block {number}, group {group}"
            )
        self._rows[key] = row
        if not keeps_content:
            self._store.poison(group, number, slot)
