"""What a fake device was told of a sequence that holds a row."""

from collections.abc import Iterator

from weft.contracts.errors import InvariantViolation
from weft.contracts.prompts import MediaItem
from weft.contracts.steps import HOLE, Admission, TableChange
from weft.simulator.fake_model import FakeModelSpec, prompt_token


class Row:
    """A sequence on the device: its tokens, its tables, and how many units are computed.

    `outputs` are the output tokens known here: admitted, emitted, or chosen by a client.
    """

    __slots__ = ("_media", "_spec", "computed", "number", "outputs", "request", "sample_index", "tables")

    def __init__(self, admission: Admission, spec: FakeModelSpec) -> None:
        self.number = admission.row
        self.request = admission.request
        self.sample_index = admission.sample_index
        self.outputs = list(admission.output_tokens)
        self.computed = admission.num_computed
        self.tables = [list(table) for table in admission.tables]
        self._spec = spec
        self._media = _media_positions(self.request.prompt.media, spec.layout.block_tokens)
        if len(self.tables) != len(spec.layout.groups):
            raise self.violation(
                "table_too_short", f"{len(self.tables)} tables, one per state group is needed"
            )
        if not 0 <= self.computed <= self.num_known:
            raise self.violation(
                "position_gap", f"{self.computed} units computed, {self.num_known} tokens known"
            )

    def violation(self, name: str, detail: str) -> InvariantViolation:
        """An error about this row."""
        return InvariantViolation(name, f"row {self.number} ({self.request.request_id!r}): {detail}")

    @property
    def prompt_tokens(self) -> int:
        """Length of the prompt in tokens."""
        return self.request.prompt.num_tokens

    @property
    def num_known(self) -> int:
        """Tokens known, prompt included."""
        return self.prompt_tokens + len(self.outputs)

    def token(self, position: int) -> int:
        """The token at a position; raises `token_unknown` where nobody has told it yet."""
        index = position - self.prompt_tokens
        if index < 0:
            return prompt_token(self._spec, self.request, position)
        if index >= len(self.outputs):
            raise self.violation(
                "token_unknown", f"nothing has emitted or chosen the token at position {position}"
            )
        return self.outputs[index]

    def media_at(self, position: int) -> tuple[MediaItem, int, int] | None:
        """Where a position lies in a media item: the item, the offset in it, its first block in the table."""
        return self._media.get(position)

    def choose(self, start: int, tokens: tuple[int, ...]) -> None:
        """A client has chosen the tokens from position `start` on."""
        for position, token in enumerate(tokens, start):
            index = position - self.prompt_tokens
            if not 0 <= index <= len(self.outputs):
                raise self.violation("token_unknown", f"a token chosen at position {position} leaves a gap")
            self.outputs[index : index + 1] = [token]

    def emit(self, token: int) -> None:
        """Append what was sampled after the last computed unit; raises `token_known` if that is not new."""
        if self.computed != self.num_known:
            raise self.violation(
                "token_known", f"emits at position {self.computed} of {self.num_known} known"
            )
        self.outputs.append(token)

    def change_table(self, change: TableChange) -> None:
        """Replace a table from an index on; raises `table_gap` where that leaves entries undefined."""
        if not 0 <= change.group < len(self.tables):
            raise self.violation("block_unknown", f"state group {change.group} of {len(self.tables)}")
        table = self.tables[change.group]
        if not 0 <= change.first <= len(table):
            raise self.violation(
                "table_gap", f"group {change.group}: index {change.first} after {len(table)} blocks"
            )
        table[change.first :] = change.blocks

    def locate(self, group: int, position: int, block_tokens: int) -> tuple[int, int]:
        """Block and slot of a position in a paged group; raises `table_too_short` where none is held."""
        index, slot = divmod(position, block_tokens)
        table = self.tables[group]
        if index >= len(table) or table[index] == HOLE:
            raise self.violation("table_too_short", f"group {group} holds no block for position {position}")
        return table[index], slot

    def runs(self, group: int, low: int, end: int, block_tokens: int) -> Iterator[tuple[int, int, int]]:
        """Positions `low` to `end` (exclusive) of a paged group, as (block, first slot, end slot)."""
        while low < end:
            block, slot = self.locate(group, low, block_tokens)
            end_slot = min(block_tokens, slot + end - low)
            yield block, slot, end_slot
            low += end_slot - slot

    def live_block(self, group: int) -> int:
        """The block of a constant group; raises `table_too_short` where none is held."""
        table = self.tables[group]
        if len(table) != 1 or table[0] == HOLE:
            raise self.violation(
                "table_too_short", f"group {group} holds blocks {table}; a constant one needs 1"
            )
        return table[0]


def _media_positions(
    items: tuple[MediaItem, ...], block_tokens: int
) -> dict[int, tuple[MediaItem, int, int]]:
    positions: dict[int, tuple[MediaItem, int, int]] = {}
    first_block = 0
    for item in items:
        for offset in range(item.num_tokens):
            positions[item.start + offset] = (item, offset, first_block)
        first_block += -(-item.num_tokens // block_tokens)
    return positions
