"""How a fake device computes units: it reads what a row sees and writes what a row leaves, through tables."""

from weft.contracts.state import ConstantGroup, PagedGroup
from weft.contracts.steps import HOLE, EncodeEntry
from weft.simulator.fake_model import (
    FakeModelSpec,
    encoder_entry,
    encoder_groups,
    media_content,
    mix,
    state_entry,
    state_salt,
    text_groups,
)
from weft.simulator.fake_row import Row
from weft.simulator.fake_state import BlockStore, WriteClaims


class FakeCompute:
    """The arithmetic of a fake device over its blocks. `weights_version` enters whatever is computed."""

    def __init__(self, spec: FakeModelSpec, store: BlockStore) -> None:
        self.spec = spec
        self.store = store
        self.weights_version = 0
        self.block_tokens = spec.layout.block_tokens
        self.text_groups = text_groups(spec.layout)
        self.encoder_groups = encoder_groups(spec.layout)

    def group(self, index: int) -> PagedGroup | ConstantGroup:
        """A state group of the text."""
        group = self.spec.layout.groups[index]
        assert isinstance(group, PagedGroup | ConstantGroup)
        return group

    def claim_units(self, claims: WriteClaims, row: Row, start: int, end: int) -> None:
        """Claim all slots that computing positions `start` to `end` (exclusive) writes."""
        for group in self.text_groups:
            if isinstance(self.group(group), ConstantGroup):
                claims.claim(group, row.live_block(group), 0, row.number, keeps_content=True)
                continue
            for block, slot, end_slot in row.runs(group, start, end, self.block_tokens):
                for written in range(slot, end_slot):
                    claims.claim(group, block, written, row.number)

    def units(self, row: Row, count: int) -> list[int]:
        """Compute a row's next `count` units; returns the views at the last of them."""
        start, salt = row.computed, state_salt(self.spec, row.request, self.weights_version)
        views = [self._view_before(row, group, start) for group in self.text_groups]
        for position in range(start, start + count):
            if position > start:
                self._slide(row, views, position)
            before, content = mix(*views), self._content(row, position)
            for index, group in enumerate(self.text_groups):
                entry = state_entry(group, content, position, salt, before)
                views[index] = self._leave(row, group, position, entry, views[index])
        row.computed = start + count
        return views

    def _leave(self, row: Row, group: int, position: int, entry: int, view: int) -> int:
        """Write an entry; returns the group's view with it."""
        if isinstance(self.group(group), ConstantGroup):
            self.store.block(group, row.live_block(group))[0] = entry
            return entry
        self.write(row, group, position, entry)
        return view + entry

    def _view_before(self, row: Row, group: int, position: int) -> int:
        if isinstance(self.group(group), PagedGroup):
            return self.visible_sum(row, group, position, position)
        # What a live block held before its sequence began is nobody's state.
        return self.store.block(group, row.live_block(group))[0] if position else 0

    def _slide(self, row: Row, views: list[int], position: int) -> None:
        """Take out of the views the entry that `position` no longer sees and the position before it saw."""
        for index, number in enumerate(self.text_groups):
            group = self.group(number)
            if isinstance(group, PagedGroup) and group.window_tokens is not None:
                left = position - group.window_tokens
                if left >= 0:
                    views[index] -= self.read(row, number, left)

    def first_visible(self, group: int, position: int) -> int:
        """The first position of a paged group that a token at `position` sees."""
        paged = self.group(group)
        window = paged.window_tokens if isinstance(paged, PagedGroup) else None
        return 0 if window is None else max(0, position - window + 1)

    def visible_sum(self, row: Row, group: int, position: int, end: int) -> int:
        """Sum of the entries below position `end` that a token at `position` sees, read through the table."""
        runs = row.runs(group, self.first_visible(group, position), end, self.block_tokens)
        return sum(sum(self.store.block(group, block)[slot:end_slot]) for block, slot, end_slot in runs)

    def read(self, row: Row, group: int, position: int) -> int:
        """The entry of a position in a paged group."""
        block, slot = row.locate(group, position, self.block_tokens)
        return self.store.block(group, block)[slot]

    def write(self, row: Row, group: int, position: int, entry: int) -> None:
        """Put an entry where the table says that a position of a paged group lies."""
        block, slot = row.locate(group, position, self.block_tokens)
        self.store.block(group, block)[slot] = entry

    def _content(self, row: Row, position: int) -> int:
        place = row.media_at(position)
        if place is None:
            return row.token(position)
        item, offset, first_block = place
        if not self.encoder_groups:
            return media_content(self.spec, item, offset, self.weights_version)
        return sum(self._encoded(row, group, first_block, offset) for group in self.encoder_groups)

    def _encoded(self, row: Row, group: int, first_block: int, offset: int) -> int:
        index, slot = divmod(offset, self.block_tokens)
        table = row.tables[group]
        if first_block + index >= len(table) or table[first_block + index] == HOLE:
            raise row.violation(
                "encoder_missing", f"no encoder output at index {first_block + index} of {table}"
            )
        return self.store.block(group, table[first_block + index])[slot]

    def encode(self, row: Row, entry: EncodeEntry, claims: WriteClaims) -> int:
        """Encode a media item into its blocks; returns its length in tokens."""
        media = row.request.prompt.media
        if entry.group not in self.encoder_groups or not 0 <= entry.item < len(media):
            raise row.violation("encoder_missing", f"no item {entry.item} or no encoder group {entry.group}")
        item = media[entry.item]
        if len(entry.blocks) != -(-item.num_tokens // self.block_tokens):
            raise row.violation(
                "table_too_short", f"{len(entry.blocks)} blocks for {item.num_tokens} media tokens"
            )
        for offset in range(item.num_tokens):
            index, slot = divmod(offset, self.block_tokens)
            claims.claim(entry.group, entry.blocks[index], slot, row.number)
            encoded = encoder_entry(self.spec, entry.group, item, offset, self.weights_version)
            self.store.block(entry.group, entry.blocks[index])[slot] = encoded
        return item.num_tokens
