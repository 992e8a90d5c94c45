"""A compiled constraint, and what follows one output through it.

llguidance compiles a grammar into an Earley parser over a lexer of regular-expression derivatives, and tells per state
which tokens may come next by walking a trie of the vocabulary.
"""

from collections.abc import Sequence

from llguidance import LLExecutor, LLMatcher, LLParserLimits

from weft.contracts.constraints import Constraint
from weft.contracts.errors import InvalidRequest
from weft.text.constraints.complaints import complaint
from weft.text.constraints.sources import grammar_text
from weft.text.constraints.vocabulary import ConstraintVocabulary

MOST_LEXER_STATES = 20_000
"""Of one output, at 1 to 2 kB each; the library's own limit is 250,000."""


class Matcher:
    """One output on its way through a grammar. To be used by one thread at a time."""

    __slots__ = ("_library", "num_tokens", "vocabulary")

    def __init__(self, library: LLMatcher, vocabulary: ConstraintVocabulary) -> None:
        self._library, self.vocabulary = library, vocabulary
        self.num_tokens = 0

    @property
    def is_over(self) -> bool:
        """Whether nothing can follow but the end."""
        return self._library.is_stopped()

    @property
    def problem(self) -> str | None:
        """Why this output cannot go on, or None."""
        if not self._library.is_error():
            return None
        lines = self._library.get_error().splitlines()
        return f"its constraint could not be followed: {lines[0] if lines else 'no reason was given'}"

    def advance(self, tokens: Sequence[int]) -> None:
        """These tokens were produced. What does not belong to the language is a `problem` from then on."""
        self._library.consume_tokens(list(tokens))
        self.num_tokens += len(tokens)

    def rewind(self, num_tokens: int) -> None:
        """Back to where so many tokens were produced."""
        self._library.rollback(self.num_tokens - num_tokens)
        self.num_tokens = num_tokens


class Grammar:
    """A compiled constraint."""

    def __init__(self, library: LLMatcher, vocabulary: ConstraintVocabulary) -> None:
        self._library, self._vocabulary = library, vocabulary

    def matcher(self) -> Matcher:
        """For a new output."""
        return Matcher(self._library.deep_copy(), self._vocabulary)


class MaskWriter:
    """Writes which tokens may come next, for several outputs at once in threads of the library."""

    def __init__(self) -> None:
        self._library = LLExecutor()

    def write(self, matchers: Sequence[tuple[Matcher, int]], address: int, num_rows: int) -> None:
        """Fill, per matcher, one row of a table of masks.

        `address`: of `num_rows` rows of the vocabulary's `row_bytes`, one bit per token. Allows other threads of
        Python to run meanwhile.
        """
        jobs = [(matcher._library, row) for matcher, row in matchers]
        self._library.unsafe_compute_mask_ptr(jobs, address, matchers[0][0].vocabulary.row_bytes, num_rows)


def compile_grammar(constraint: Constraint, vocabulary: ConstraintVocabulary) -> Grammar:
    """Takes up to about a second. Raises `InvalidRequest` for what cannot be enforced."""
    grammar = LLMatcher.grammar_from_lark(grammar_text(constraint))
    limits = LLParserLimits(max_lexer_states=MOST_LEXER_STATES, verbose_errors=False)
    library = LLMatcher(vocabulary.tokenizer, grammar, log_level=0, limits=limits)
    if library.is_error():
        raise InvalidRequest(complaint(constraint, library.get_error()))
    _require_beginning(library, vocabulary)
    return Grammar(library, vocabulary)


def _require_beginning(library: LLMatcher, vocabulary: ConstraintVocabulary) -> None:
    """An output has at least one token, so there must be one to begin with."""
    allowed = int.from_bytes(library.deep_copy().compute_bitmask(), "little")
    if library.is_stopped() or not allowed & ~int.from_bytes(vocabulary.ends, "little"):
        raise InvalidRequest("the constraint allows no text, or none but the empty one; correct it")
    if vocabulary.not_first and not allowed & ~int.from_bytes(vocabulary.not_first, "little"):
        raise InvalidRequest(
            "the constraint begins with a space, which this model's tokenizer drops there; leave it out"
        )
