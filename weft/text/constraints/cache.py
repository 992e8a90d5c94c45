"""The grammars of a model: compiled once, kept while requests use them, and the latest beyond that."""

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

from weft.contracts.constraints import Constraint
from weft.contracts.errors import InvalidRequest
from weft.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from weft.text.constraints.grammar import Grammar
    from weft.text.constraints.vocabulary import ConstraintVocabulary

MOST_IDLE = 64
"""Grammars, and refusals, that are kept though nobody uses them."""


class Grammars:
    """May be used by several threads. The arguments are those of `ConstraintVocabulary`."""

    def __init__(self, tokenizer: Tokenizer, vocab_size: int, end_token_ids: tuple[int, ...]) -> None:
        self._tokenizer, self._vocab_size, self._end_token_ids = tokenizer, vocab_size, end_token_ids
        self._lock, self._making = Lock(), Lock()
        self._vocabulary: ConstraintVocabulary | None = None
        self._idle: OrderedDict[Constraint, Grammar | InvalidRequest] = OrderedDict()
        self._held: dict[Constraint, tuple[Grammar, int]] = {}

    def prepare(self) -> None:
        """Take the vocabulary apart, if that was not done before: up to some seconds for 100,000 tokens."""
        from weft.text.constraints.vocabulary import ConstraintVocabulary

        with self._making:
            if self._vocabulary is None:
                self._vocabulary = ConstraintVocabulary(
                    self._tokenizer, self._vocab_size, self._end_token_ids
                )

    def compile(self, constraint: Constraint) -> None:
        """Make the grammar known, after `prepare`. Raises `InvalidRequest` where it cannot be enforced."""
        from weft.text.constraints.grammar import compile_grammar

        assert self._vocabulary is not None
        try:
            self._keep(constraint, compile_grammar(constraint, self._vocabulary))
        except InvalidRequest as error:
            self.refuse(constraint, error)
            raise

    def refuse(self, constraint: Constraint, error: InvalidRequest) -> None:
        """Whoever asks for this again gets the same answer at once."""
        self._keep(constraint, error)

    def hold(self, constraint: Constraint) -> bool:
        """Keep the grammar until `release` is called as often; False where it is not known.

        Raises `InvalidRequest` where it was refused before.
        """
        with self._lock:
            grammar, holders = self._held.get(constraint, (self._idle.get(constraint), 0))
            if isinstance(grammar, InvalidRequest):
                raise InvalidRequest(str(grammar))
            if grammar is None:
                return False
            self._idle.pop(constraint, None)
            self._held[constraint] = grammar, holders + 1
            return True

    def release(self, constraint: Constraint) -> None:
        """One who held the grammar needs it no more."""
        with self._lock:
            grammar, holders = self._held.pop(constraint)
            if holders > 1:
                self._held[constraint] = grammar, holders - 1
        if holders == 1:
            self._keep(constraint, grammar)

    def find(self, constraint: Constraint) -> "Grammar | None":
        """A grammar that somebody holds, or that is still kept."""
        with self._lock:
            held = self._held.get(constraint)
            grammar = self._idle.get(constraint) if held is None else held[0]
        return None if isinstance(grammar, InvalidRequest) else grammar

    def _keep(self, constraint: Constraint, found: "Grammar | InvalidRequest") -> None:
        with self._lock:
            if constraint in self._held:
                return
            self._idle[constraint] = found
            self._idle.move_to_end(constraint)
            while len(self._idle) > MOST_IDLE:
                self._idle.popitem(last=False)
