"""Drives a fake device by hand-made steps, without an engine, a loop or a clock."""

import random

from weft.contracts.prompts import MediaItem, TokenPrompt
from weft.contracts.record import replaced
from weft.contracts.requests import Request, SamplingParams
from weft.contracts.state import ConstantGroup, EncoderGroup, PagedGroup, StateLayout
from weft.contracts.steps import Admission, EncodeEntry, Step, StepEntry, StepResult
from weft.simulator.fake_device import FakeDevice
from weft.simulator.fake_model import FakeModelSpec

BLOCK_TOKENS = 4

_FULL = PagedGroup("full", 8)
_WINDOW = PagedGroup("window", 8, window_tokens=6)
_NARROW = PagedGroup("narrow", 8, window_tokens=1)
_STATE = ConstantGroup("state", 64)
_ENCODER = EncoderGroup("encoder", 8)

LAYOUTS = {
    "paged": StateLayout((_FULL,), BLOCK_TOKENS),
    "windowed": StateLayout((_FULL, _WINDOW), BLOCK_TOKENS),
    "only windows": StateLayout((_WINDOW, _NARROW), BLOCK_TOKENS),
    "recurrent": StateLayout((_STATE,), BLOCK_TOKENS),
    "mixed": StateLayout((_STATE, _FULL, _WINDOW), BLOCK_TOKENS),
    "encoder": StateLayout((_ENCODER, _FULL), BLOCK_TOKENS),
    "everything": StateLayout((_FULL, _ENCODER, _STATE, _WINDOW), BLOCK_TOKENS),
}


def make_request(
    name: str = "r",
    prompt: tuple[int, ...] = tuple(range(10)),
    media: tuple[MediaItem, ...] = (),
    tenant: str = "t",
    adapter: str | None = None,
    **sampling: object,
) -> Request:
    """A request of real tokens, greedy and 12 tokens long unless `sampling` says otherwise."""
    parameters = SamplingParams(**{"max_tokens": 12, "temperature": 0.0, **sampling})  # type: ignore[arg-type]
    return Request(name, TokenPrompt(prompt, media), parameters, tenant=tenant, adapter=adapter)


def media_blocks(request: Request) -> int:
    """Encoder blocks that all media items of a request take."""
    return sum(-(-item.num_tokens // BLOCK_TOKENS) for item in request.prompt.media)


class Driver:
    """A fake device and the little bookkeeping that hand-made steps need. Blocks are never given back."""

    def __init__(
        self, layout: str | FakeModelSpec, num_blocks: int = 96, max_step_tokens: int | None = None
    ) -> None:
        self.spec = FakeModelSpec(LAYOUTS[layout]) if isinstance(layout, str) else layout
        sizes = {group.name: num_blocks for group in self.spec.layout.groups}
        self.device = FakeDevice(self.spec, sizes, sizes, max_step_tokens)
        self.standing: dict[int, None] = {}
        self._number = 0
        self._requests: dict[int, Request] = {}
        self._free = [
            random.Random(index).sample(range(num_blocks), num_blocks) for index in range(len(sizes))
        ]

    def take(self, group: int, count: int) -> tuple[int, ...]:
        """Fresh blocks, in no particular order."""
        return tuple(self._free[group].pop() for _ in range(count))

    def tables(self, request: Request, spare_tokens: int = 0) -> tuple[tuple[int, ...], ...]:
        """Fresh blocks for the longest output of a request."""
        tokens = request.max_total_tokens + spare_tokens
        tables = []
        for index, group in enumerate(self.spec.layout.groups):
            sizes = {
                ConstantGroup: 1,
                EncoderGroup: media_blocks(request),
                PagedGroup: -(-tokens // BLOCK_TOKENS),
            }
            tables.append(self.take(index, sizes[type(group)]))
        return tuple(tables)

    def admission(
        self,
        row: int,
        request: Request,
        tables: tuple[tuple[int, ...], ...] | None = None,
        output: tuple[int, ...] = (),
        computed: int = 0,
        sample_index: int = 0,
    ) -> Admission:
        """A sequence takes a row, with fresh tables unless told."""
        self._requests[row] = request
        held = self.tables(request, spare_tokens=8) if tables is None else tables
        return Admission(row, row, request, sample_index, output, computed, held)

    def encodes(self, admission: Admission) -> tuple[EncodeEntry, ...]:
        """Encode all media items of a sequence into the blocks of its tables."""
        entries = []
        for index, group in enumerate(self.spec.layout.groups):
            first = 0
            for number, item in enumerate(
                admission.request.prompt.media if isinstance(group, EncoderGroup) else ()
            ):
                last = first + -(-item.num_tokens // BLOCK_TOKENS)
                entries.append(EncodeEntry(admission.row, index, number, admission.tables[index][first:last]))
                first = last
        return tuple(entries)

    def make_step(
        self, *entries: StepEntry, advances: bool = False, num_tokens: int | None = None, **parts: object
    ) -> Step:
        """The next step, its units counted; `parts` are further fields of `Step`."""
        empty = Step(self._number, self.device.weights_version, 0, (), (), (), (), (), (), advances, entries)
        step = replaced(empty, **parts)
        stopped = (*step.removed, *step.paused)
        standing = [row for row in self.standing if row not in stopped]
        items = [self._requests[entry.row].prompt.media[entry.item] for entry in step.encodes]
        media = sum(item.num_tokens for item in items)
        drafted = sum(len(entry.draft.tokens) for entry in entries if entry.draft)
        counted = (
            sum(entry.num_units for entry in entries) + drafted + media + (len(standing) if advances else 0)
        )
        return replaced(step, num_tokens=counted if num_tokens is None else num_tokens)

    def step(self, *entries: StepEntry, **parts: object) -> StepResult:
        """Make the next step and execute it."""
        return self.execute(self.make_step(*entries, **parts))  # type: ignore[arg-type]

    def execute(self, step: Step) -> StepResult:
        """Execute a step and remember who stands."""
        result = self.device.execute(step)
        self._number = step.number + 1
        for row in (*step.removed, *step.paused):
            self.standing.pop(row, None)
        for entry in step.entries:
            if entry.stands:
                self.standing[entry.row] = None
        return result

    def prefill(self, admission: Admission, chunk: int = 1000, **entry: object) -> StepResult:
        """Admit a sequence and compute all it knows, in chunks; the last emits."""
        known = admission.request.prompt.num_tokens + len(admission.output_tokens)
        parts: dict[str, object] = {"added": (admission,), "encodes": self.encodes(admission)}
        for start in range(admission.num_computed, known, chunk):
            count = min(chunk, known - start)
            last = {"emits": True, **entry} if start + count == known else {"emits": False}
            result = self.step(StepEntry(admission.row, start, count, **last), **parts)
            parts = {}
        return result

    def has_ended(self, row: int, result: StepResult) -> bool:
        """Whether a row's last token ends it, or brings it to its limit, which the device leaves to the engine."""
        held = self.device._rows.get(row)
        return row in result.finished or len(held.outputs) >= held.request.sampling.max_tokens

    def decode(self, row: int, result: StepResult) -> tuple[int, ...]:
        """Tokens of a standing row up to its end, that of `result` first."""
        tokens = [result.tokens[row]]
        while not self.has_ended(row, result):
            result = self.step(advances=True)
            tokens.append(result.tokens[row])
        return tuple(tokens)

    def generate(
        self, request: Request, row: int = 0, chunk: int = 1000, **admission: object
    ) -> tuple[int, ...]:
        """The whole output of a sequence that is alone on the device."""
        admitted = self.admission(row, request, **admission)  # type: ignore[arg-type]
        tokens = self.decode(row, self.prefill(admitted, chunk, stands=True))
        self.step(removed=(row,))
        return tokens
