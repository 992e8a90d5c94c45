"""A draft policy for tests: it knows what the fake model will say and is wrong as often as asked."""

from collections.abc import Sequence
from typing import ClassVar

from weft.contracts.errors import ConfigurationError
from weft.contracts.events import Event
from weft.contracts.policies import SequenceView
from weft.contracts.steps import Draft
from weft.simulator.fake_model import FakeModelSpec, mix
from weft.simulator.fake_reference import PlainSequence


class FakeDrafter:
    """A `DraftPolicy` that guesses `num_tokens` ahead, each guess right with probability `accuracy`.

    `tree`: a second branch of equal length begins with another token; where the first branch begins wrong,
    the second begins right. Its nodes lie between those of the first. It draws as sample 0 of
    `weights_version`, so it guesses the other samples of a request badly.

    Which guesses are wrong follows from `seed`, the sequence's number and the position alone.
    """

    observes: ClassVar[tuple[type, ...]] = ()

    def __init__(
        self,
        spec: FakeModelSpec,
        seed: int,
        num_tokens: int = 2,
        accuracy: float = 0.6,
        tree: bool = False,
        weights_version: int = 0,
    ) -> None:
        if num_tokens < 1 or not 0.0 <= accuracy <= 1.0:
            raise ConfigurationError(
                f"num_tokens {num_tokens}, accuracy {accuracy}: give at least 1 and a chance from 0 to 1"
            )
        self._spec = spec
        self._seed = seed
        self._num_tokens = num_tokens
        self._accuracy = accuracy
        self._tree = tree
        self._weights_version = weights_version

    def observe(self, event: Event) -> None:
        """Nothing that happens changes the guesses."""

    def decide(self, sequence: SequenceView, tokens: Sequence[int], now_s: float) -> Draft | None:
        """Guess on; None where at most one more token may come."""
        output = tokens[len(tokens) - sequence.num_output_tokens :]
        count = min(self._num_tokens, sequence.request.sampling.max_tokens - len(output) - 1)
        if count < 1:
            return None
        known = PlainSequence(self._spec, sequence.request, self._weights_version)
        known.feed_prompt()
        for token in output:
            known.feed(token)
        branch = self._branch(known.copy(), sequence.number, count)
        if not self._tree:
            return Draft(branch, tuple(range(-1, count - 1)))
        second = self._branch(known, sequence.number, count, avoid=branch[0])
        nodes = tuple(token for pair in zip(branch, second, strict=True) for token in pair)
        return Draft(nodes, tuple(max(-1, node - 2) for node in range(2 * count)))

    def _branch(
        self, known: PlainSequence, number: int, count: int, avoid: int | None = None
    ) -> tuple[int, ...]:
        """Guess on from what is known; `avoid` is a first token that is taken already."""
        guesses: list[int] = []
        for _ in range(count):
            right = known.next_token()
            luck = mix(self._seed, number, known.num_computed)
            is_right = (luck >> 32) < self._accuracy * (1 << 32)
            if avoid is not None and not guesses:
                is_right = right != avoid
            wrong = (right + 1 + luck % (self._spec.vocab_size - 1)) % self._spec.vocab_size
            guesses.append(right if is_right else wrong)
            known.feed(guesses[-1])
        return tuple(guesses)
