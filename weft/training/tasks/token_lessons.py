"""Random tokens, and the same again: what makes a model look back for what came after a token the last time.

The circuit that does so (Olsson et al., arXiv 2209.11895) is what looking up, combining and copying rest on. In text
alone a model guesses for very long; in two lessons of tokens without sense it forms in some hundred
thousand (`docs/log.md`). The first repeats everything at one distance: a model soon learns to say what it looks at.
The second repeats pieces out of their order: where to look now follows from the tokens alone.
"""

from dataclasses import dataclass

from weft.training.text.documents import BEGIN, END, SPECIAL_TOKENS, TokenDocument
from weft.training.text.teller import Teller

EXCERPT_TOKENS = (4, 10)
_BEGIN, _AGAIN = SPECIAL_TOKENS.index(BEGIN), SPECIAL_TOKENS.index(END)
"""Special tokens come first in the vocabulary. The latter stands between the tokens and the same again."""


@dataclass(frozen=True, slots=True)
class RepeatedTokens:
    """`num_tokens` random tokens, then the same; learnt from the second of them on."""

    vocab_size: int
    num_tokens: int = 15

    def __call__(self, teller: Teller) -> TokenDocument:
        tokens = _random_tokens(teller, self.vocab_size, self.num_tokens)
        token_ids = [_BEGIN, *tokens, _AGAIN, *tokens]
        return TokenDocument(token_ids, [position > len(tokens) + 2 for position in range(len(token_ids))], 0)


@dataclass(frozen=True, slots=True)
class ExcerptedTokens:
    """From `least` to `most` random tokens, then excerpts from anywhere among them, at least as many tokens again.

    An excerpt has `EXCERPT_TOKENS`, or at least half of what there is, and at most all. All but its first is learnt:
    nothing says which that is. Few tokens are the better beginning: there are fewer wrong places to look at.
    """

    vocab_size: int
    least: int
    most: int

    def __call__(self, teller: Teller) -> TokenDocument:
        tokens = _random_tokens(teller, self.vocab_size, teller.stream.randint(self.least, self.most))
        token_ids, learnt = [_BEGIN, *tokens], [False] * (1 + len(tokens))
        while len(token_ids) < 1 + 2 * len(tokens):
            length = _excerpt_length(teller, len(tokens))
            start = teller.stream.randint(0, len(tokens) - length)
            token_ids += tokens[start : start + length]
            learnt += [False] + [True] * (length - 1)
        return TokenDocument(token_ids, learnt, 0)


def _excerpt_length(teller: Teller, num_tokens: int) -> int:
    least, most = EXCERPT_TOKENS
    return teller.stream.randint(max(2, min(least, num_tokens // 2)), min(most, num_tokens))


def _random_tokens(teller: Teller, vocab_size: int, num_tokens: int) -> list[int]:
    return teller.stream.choices(range(len(SPECIAL_TOKENS), vocab_size), k=num_tokens)
