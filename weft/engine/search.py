"""Clients of `fork` and `prune`: several outputs of one prompt, and beam search.

A search client is sans-IO. The engine tells it that a sequence has computed all it was given (with the
likeliest next tokens where it asked for them), and it answers with actions. A sequence is held from the
moment it is ready until an action lets it go on, so a client that needs all its sequences waits for them
by answering nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from weft.contracts.requests import Request
from weft.contracts.steps import Candidate


class Fork(NamedTuple):
    """A new sequence with the state and tokens of sequence `which`; it is held like it."""

    which: int


class Append(NamedTuple):
    """Sequence `which` goes on with a token of the client's choice."""

    which: int
    token: int


class Release(NamedTuple):
    """Sequence `which` goes on by itself, with the part of its prompt that was held back."""

    which: int


class Prune(NamedTuple):
    """Sequence `which` is given up."""

    which: int


class Conclude(NamedTuple):
    """The request ends with this output; what is left of its sequences is given up."""

    tokens: tuple[int, ...]
    reason: str


Action = Fork | Append | Release | Prune | Conclude


class SearchClient(Protocol):
    """Decides how the sequences of a request go on. Sequences are known by number, from 0 in order of creation."""

    @property
    def num_candidates(self) -> int:
        """How many likeliest next tokens it wants of each ready sequence; 0: none."""

    @property
    def held_prompt_tokens(self) -> int:
        """How many tokens at the end of the prompt the first sequence is not given at first."""

    def ready(self, which: int, candidates: Sequence[Candidate]) -> list[Action]:
        """Sequence `which` has computed all it was given."""


class ParallelSampling:
    """Independent samples of one prompt, whose state is computed once.

    The prompt is computed but for its last token; then the sequence is forked, and each sample computes
    that token for itself and goes on under its own noise.
    """

    num_candidates = 0
    held_prompt_tokens = 1

    def __init__(self, num_samples: int) -> None:
        self._num_samples = num_samples

    def ready(self, which: int, candidates: Sequence[Candidate]) -> list[Action]:
        forks: list[Action] = [Fork(0) for _ in range(1, self._num_samples)]
        return forks + [Release(each) for each in range(self._num_samples)]


class Beam(NamedTuple):
    """A partial output and the sum of its tokens' log-probabilities."""

    score: float
    tokens: tuple[int, ...]
    which: int


class BeamSearch:
    """The likeliest output among `beam_width` kept per round.

    Each live beam proposes `2 * width` next tokens. All proposals are ranked by total log-probability
    (then by tokens). Going down the ranking, one that ends in a stop token is finished if it is among the
    first `width`, any other goes on, until `width` go on. The search ends when `width` outputs are finished
    or the length limit is reached, where live beams count as finished; the best finished one is the output.
    """

    held_prompt_tokens = 0

    def __init__(self, request: Request) -> None:
        self._width = request.sampling.beam_width
        self._stops = request.sampling.stop_token_ids
        self._max_tokens = request.sampling.max_tokens
        self._beams = [Beam(0.0, (), 0)]
        self._proposals: dict[int, Sequence[Candidate]] = {}
        self._finished: list[Beam] = []
        self._next = 1

    @property
    def num_candidates(self) -> int:
        return 2 * self._width

    def ready(self, which: int, candidates: Sequence[Candidate]) -> list[Action]:
        self._proposals[which] = candidates
        if any(beam.which not in self._proposals for beam in self._beams):
            return []
        survivors = self._rank()
        self._proposals = {}
        is_last = not survivors or len(survivors[0].tokens) >= self._max_tokens
        if len(self._finished) >= self._width or is_last:
            return [self._conclude(survivors if is_last else [])]
        return self._continue(survivors)

    def _rank(self) -> list[Beam]:
        ranked = sorted(
            (
                Beam(beam.score + candidate.logprob, (*beam.tokens, candidate.token), beam.which)
                for beam in self._beams
                for candidate in self._proposals[beam.which]
            ),
            key=lambda beam: (-beam.score, beam.tokens),
        )
        survivors: list[Beam] = []
        for place, beam in enumerate(ranked):
            if len(survivors) == self._width:
                break
            if beam.tokens[-1] not in self._stops:
                survivors.append(beam)
            elif place < self._width:
                self._finished.append(beam)
        return survivors

    def _conclude(self, survivors: list[Beam]) -> Conclude:
        best = min(self._finished + survivors, key=lambda beam: (-beam.score, beam.tokens))
        return Conclude(best.tokens, "stop" if best.tokens[-1] in self._stops else "length")

    def _continue(self, survivors: list[Beam]) -> list[Action]:
        forks: list[Action] = []
        appends: list[Action] = []
        beams = []
        taken: dict[int, None] = {}
        for beam in survivors:
            which = beam.which
            if which in taken:
                forks.append(Fork(which))
                which, self._next = self._next, self._next + 1
            taken[which] = None
            appends.append(Append(which, beam.tokens[-1]))
            beams.append(Beam(beam.score, beam.tokens, which))
        prunes: list[Action] = [Prune(beam.which) for beam in self._beams if beam.which not in taken]
        self._beams = beams
        return forks + prunes + appends


def search_client(request: Request) -> SearchClient | None:
    """The client that a request's sampling parameters call for; None where one sequence goes its way."""
    if request.sampling.beam_width > 1:
        return BeamSearch(request)
    if request.sampling.n > 1 and request.prompt.num_tokens > 1:
        return ParallelSampling(request.sampling.n)
    return None
