"""Log-probabilities in the two formats of the protocol."""

import codecs
from collections.abc import Sequence

from weft.contracts.steps import TokenLogprobs
from weft.text.tokenizer import Tokenizer


class TokenNames:
    """Tokens as clients read them."""

    def __init__(self, tokenizer: Tokenizer | None) -> None:
        self._tokenizer = tokenizer

    def content(self, token: int) -> bytes | None:
        """What a token adds in the middle of a text; None where there is no tokenizer."""
        return None if self._tokenizer is None else self._tokenizer.piece(token)

    def text(self, token: int) -> str:
        """A token as text; where it is only a part of a character, its bytes, written out."""
        content = self.content(token)
        if content is None:
            return f"token_id:{token}"
        try:
            return content.decode()
        except UnicodeDecodeError:
            return "bytes:" + "".join(f"\\x{byte:02x}" for byte in content)


def chat_logprobs(
    names: TokenNames, tokens: Sequence[TokenLogprobs], num_likeliest: int
) -> dict[str, object]:
    """The `logprobs` of a choice of a chat."""
    content = [
        {
            **_entry(names, each.token, each.logprob),
            "top_logprobs": [
                _entry(names, likely.token, likely.logprob) for likely in each.likeliest[:num_likeliest]
            ],
        }
        for each in tokens
    ]
    return {"content": content, "refusal": None}


def _entry(names: TokenNames, token: int, logprob: float) -> dict[str, object]:
    content = names.content(token)
    as_bytes = None if content is None else list(content)
    return {"token": names.text(token), "logprob": finite(logprob), "bytes": as_bytes}


class CompletionLogprobs:
    """The `logprobs` of one choice of a completion, chunk by chunk: offsets run on."""

    def __init__(self, names: TokenNames) -> None:
        self._names = names
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._num_characters = 0

    def read(self, tokens: Sequence[TokenLogprobs]) -> dict[str, object]:
        """Of the next tokens. `text_offset`: characters of the output's text before each."""
        offsets = []
        for each in tokens:
            offsets.append(self._num_characters)
            self._num_characters += len(self._decoder.decode(self._names.content(each.token) or b""))
        return {
            "text_offset": offsets,
            "token_logprobs": [finite(each.logprob) for each in tokens],
            "tokens": [self._names.text(each.token) for each in tokens],
            "top_logprobs": [self._likeliest(each) for each in tokens],
        }

    def _likeliest(self, token: TokenLogprobs) -> dict[str, float]:
        """The likeliest tokens, and the one that was chosen."""
        all_tokens = [*token.likeliest, (token.token, token.logprob)]
        found: dict[str, float] = {}
        for each, logprob in all_tokens:
            found.setdefault(self._names.text(each), finite(logprob))
        return found


LEAST_LOGPROB = -9999.0
"""What the protocol says of a token without any probability; JSON has no infinity."""


def finite(logprob: float) -> float:
    """A log-probability that JSON can hold."""
    return max(logprob, LEAST_LOGPROB)
