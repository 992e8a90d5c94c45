"""Which steps are measured: a grid for the fit, and others between its points for the error."""

from collections.abc import Sequence
from typing import NamedTuple

DECODES = (1, 2, 4, 8, 16, 32, 64, 96, 128, 192, 256, 512, 1024)
CHUNK_TOKENS = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
CONTEXT_SHARES = (0.02, 0.08, 0.3, 0.9)
"""Of the longest sequence: where decodes are measured."""

BETWEEN_DECODES = (3, 6, 12, 24, 48, 80, 160, 384, 768)
BETWEEN_TOKENS = (3, 6, 12, 24, 48, 96, 192, 384, 768, 1536, 3072)

STEPS_OF_A_VISIT = 4
"""Equal but for contexts that grow; measured in a row."""

SETTLING_STEPS, SETTLED_TOKENS = 8, 1 << 14
"""Before steps that only decode are timed, where they see so many tokens at most: of more no cache keeps much."""

Chunk = tuple[int, int]


class GridPoint(NamedTuple):
    """A kind of step. `num_decodes` sequences of `context_tokens` each, half of them shorter by `spread` of that;
    `chunks`: tokens computed, and tokens before them."""

    num_decodes: int
    context_tokens: int
    chunks: tuple[Chunk, ...] = ()
    spread: float = 0.0

    @property
    def num_tokens(self) -> int:
        """Computed in the step."""
        return self.num_decodes + sum(tokens for tokens, _ in self.chunks)

    @property
    def contexts(self) -> tuple[int, ...]:
        """Of each sequence that decodes, the new token among them."""
        shorter = max(1, round(self.context_tokens * (1.0 - self.spread)))
        return tuple(shorter if index % 2 else self.context_tokens for index in range(self.num_decodes))

    @property
    def settling_steps(self) -> int:
        """Like it, not timed, before the first that is."""
        return SETTLING_STEPS if not self.chunks and sum(self.contexts) <= SETTLED_TOKENS else 0

    @property
    def before_each(self) -> "tuple[GridPoint, ...]":
        """Steps that are not timed before each that is: prompts come between steps of another kind, which are those of
        the sequences that decode where there are any."""
        alone = self._replace(chunks=())
        return () if not self.chunks else (alone, alone) if self.num_decodes else (BETWEEN,)

    def num_steps(self, num_timed: int) -> int:
        """Of a visit in which so many are timed, after its first."""
        return self.settling_steps + num_timed * (1 + len(self.before_each))

    @property
    def timed_contexts(self) -> tuple[int, ...]:
        """In the midst of the steps that are timed."""
        grown = (self.settling_steps + self.num_steps(STEPS_OF_A_VISIT)) // 2
        return tuple(context + grown for context in self.contexts)

    @property
    def lengths(self) -> list[int]:
        """Of all sequences, with room for the steps of a visit."""
        return [
            *(context + self.num_steps(STEPS_OF_A_VISIT) for context in self.contexts),
            *(tokens + context for tokens, context in self.chunks),
        ]


BETWEEN = GridPoint(0, 0, ((1, 16),))
"""A step of one token."""


class Limits(NamedTuple):
    """What a server can be given: sequences and tokens of a step, tokens of a sequence, tokens in the cache."""

    max_num_seqs: int
    max_step_tokens: int
    max_model_len: int
    cache_tokens: int

    def allow(self, point: GridPoint) -> bool:
        """Whether a step of this kind can be, with room for those after it."""
        lengths = point.lengths
        return (
            len(lengths) <= self.max_num_seqs
            and point.num_tokens <= self.max_step_tokens
            and max(lengths) < self.max_model_len
            and sum(lengths) <= self.cache_tokens // 2
        )


def fitted_points(limits: Limits) -> list[GridPoint]:
    """Those that the fit sees."""
    contexts = [max(2, int(share * limits.max_model_len)) for share in CONTEXT_SHARES]
    chunk_contexts = (0, limits.max_model_len // 2)
    return _allowed(
        [
            *(GridPoint(number, context) for number in DECODES for context in contexts),
            *(GridPoint(number, contexts[-1], spread=0.8) for number in DECODES[2:]),
            *(GridPoint(0, 0, ((tokens, before),)) for tokens in CHUNK_TOKENS for before in chunk_contexts),
            *(GridPoint(0, 0, ((16, 0),) * number) for number in (2, 4, 8, 16)),
            *(GridPoint(0, 0, ((128, 64),) * number) for number in (2, 4, 8, 12)),
            *(GridPoint(0, 0, ((448, 0),) * number) for number in (2, 4)),
            *(
                GridPoint(number, contexts[1], chunks)
                for number in (1, 8, 32, 64, 128, 224)
                for chunks in (((16, 0),), ((128, 0),), ((512, 0),), ((128, 0),) * 8)
            ),
            *(GridPoint(number, contexts[2], ((128, 0),)) for number in (8, 32)),
        ],
        limits,
    )


def held_out_points(limits: Limits) -> list[GridPoint]:
    """Those that only the error is made of."""
    middle = max(2, int(0.15 * limits.max_model_len))
    return _allowed(
        [
            *(GridPoint(number, middle, spread=0.5) for number in BETWEEN_DECODES),
            *(GridPoint(0, 0, ((tokens, middle),)) for tokens in BETWEEN_TOKENS),
            *(
                GridPoint(number, middle, ((tokens, 0), (tokens // 2, 0)), spread=0.5)
                for number in (4, 20, 60, 160)
                for tokens in (24, 100, 300)
            ),
        ],
        limits,
    )


def _allowed(points: Sequence[GridPoint], limits: Limits) -> list[GridPoint]:
    """Without those that cannot be and those that are there twice, the small ones first."""
    return sorted(filter(limits.allow, dict.fromkeys(points)), key=lambda point: point.num_tokens)
