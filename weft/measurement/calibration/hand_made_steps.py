"""Steps that no engine planned, so that each is exactly what a grid asks for."""

from collections.abc import Iterable
from itertools import count
from random import Random
from typing import TYPE_CHECKING

from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.contracts.steps import Admission, Step, StepEntry
from weft.measurement.calibration.grid import Chunk, GridPoint

if TYPE_CHECKING:
    from weft.executor.loading import Serving


def write_state(serving: "Serving", points: Iterable[GridPoint]) -> None:
    """Into all blocks that these kinds of steps use. Memory that nobody has written is one page of zeros, which the
    processor has at hand: steps that read it are up to twice as fast as any of a server."""
    block_tokens = serving.options.block_tokens
    most = max((sum(point.lengths) + block_tokens * len(point.lengths) for point in points), default=0)
    for layer in serving.executor.runner.pools.layers:
        for state_SGE in (layer.keys_SGE, layer.values_SGE):
            state_SGE[:most].fill_(1)


class StepMaker:
    """Makes the steps of one executor, which must be given all of them in order.

    What was before a sequence's context is not computed: its blocks hold whatever was there, and no kernel of ours
    depends on that in time, where it was written at all (`write_state`).
    """

    def __init__(self, serving: "Serving") -> None:
        self._config, random = serving.config, Random(0)
        vocabulary = serving.spec.vocab_size
        self._tokens = tuple(random.randrange(vocabulary) for _ in range(serving.max_model_len))
        self._numbers, self._names = count(), count()
        self._held: list[int] = []
        self._passing: list[int] = []
        self._next_block = 0

    def visit(self, point: GridPoint, num_timed: int) -> list[Step]:
        """Steps of one kind, each with new chunks, after one like them that lets the sequences that decode begin,
        and before one that lets all go. To be timed is the last of each `1 + len(point.before_each)`, when
        `point.settling_steps` are over."""
        self._next_block = 0
        first = self._step(point, self._begin(point, point.num_steps(num_timed)), advances=False)
        kinds = [point] * point.settling_steps + [*point.before_each, point] * num_timed
        following = [self._step(kind, (), advances=point.num_decodes > 0) for kind in kinds]
        return [first, *following, self._end()]

    def _begin(self, point: GridPoint, num_steps: int) -> tuple[Admission, ...]:
        self._held = list(range(point.num_decodes))
        return tuple(
            self._admission(row, context, context - 1, context + num_steps)
            for row, context in zip(self._held, point.contexts, strict=True)
        )

    def _step(self, point: GridPoint, begun: tuple[Admission, ...], *, advances: bool) -> Step:
        removed, chunks = tuple(self._passing), list(enumerate(point.chunks, len(self._held)))
        self._passing = [row for row, _ in chunks]
        added = tuple(self._passing_admission(row, chunk) for row, chunk in chunks)
        joining = (StepEntry(each.row, each.num_computed, 1, emits=True, stands=True) for each in begun)
        passing = (StepEntry(row, before, tokens, emits=True) for row, (tokens, before) in chunks)
        return self._made(point.num_tokens, removed, (*begun, *added), advances, (*joining, *passing))

    def _end(self) -> Step:
        removed = (*self._held, *self._passing)
        self._held, self._passing = [], []
        return self._made(0, removed, (), False, ())

    def _made(
        self,
        num_tokens: int,
        removed: tuple[int, ...],
        added: tuple[Admission, ...],
        advances: bool,
        entries: tuple[StepEntry, ...],
    ) -> Step:
        number = next(self._numbers)
        return Step(number, 0, num_tokens, removed, (), added, (), (), (), advances, entries)

    def _passing_admission(self, row: int, chunk: Chunk) -> Admission:
        tokens, before = chunk
        return self._admission(row, before + tokens, before, before + tokens)

    def _admission(self, row: int, prompt_tokens: int, num_computed: int, longest_tokens: int) -> Admission:
        """With blocks for all tokens that it will have, which others may hold too where there are too few."""
        name = next(self._names)
        sampling = SamplingParams(temperature=0.0, ignore_eos=True)
        request = Request(f"step-{name}", TokenPrompt(self._tokens[:prompt_tokens]), sampling)
        return Admission(row, name, request, 0, (), num_computed, self._tables(longest_tokens))

    def _tables(self, num_tokens: int) -> tuple[tuple[int, ...], ...]:
        size = self._config.layout.block_tokens
        num_blocks = num_tokens // size + 1
        first = self._next_block
        self._next_block += num_blocks
        return tuple(
            tuple((first + index) % self._config.num_blocks[group.name] for index in range(num_blocks))
            for group in self._config.layout.groups
        )
