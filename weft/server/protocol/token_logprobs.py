"""Log-probabilities in the two formats of the protocol."""

import codecs
from collections.abc import Sequence
from typing import Any

from weft.contracts.steps import TokenLogprobs
from weft.llm.results import PromptLogprobs
from weft.text.tokenizer import Tokenizer

Lists = dict[str, list[Any]]
"""The `logprobs` of a completion: lists with an item for each token."""


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

    def read_prompt(self, text: str, first: TokenLogprobs, rest: Sequence[TokenLogprobs]) -> Lists:
        """Of a prompt before its output; of the first token there is no log-probability. Where its tokens say more
        than its `text`, as special ones do, that stands at the begin."""
        told = self.read([first, *rest])
        more, self._num_characters = self._num_characters - len(text), len(text)
        told["text_offset"] = [max(0, offset - more) for offset in told["text_offset"]]
        told["token_logprobs"][0] = told["top_logprobs"][0] = None
        return told

    def read(self, tokens: Sequence[TokenLogprobs]) -> Lists:
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


def prompt_logprobs(
    names: TokenNames, prompt: PromptLogprobs, num_likeliest: int
) -> list[dict[str, object] | None]:
    """As vLLM tells them: for each token of a prompt, by token id, itself and the likeliest there."""
    return [None if each is None else _ranked(names, each, num_likeliest) for each in prompt]


def _ranked(names: TokenNames, token: TokenLogprobs, num_likeliest: int) -> dict[str, object]:
    """The rank of the token itself is known where it is among the likeliest."""
    found: dict[str, object] = {str(token.token): _entry_by_rank(names, token.token, token.logprob, None)}
    for rank, likely in enumerate(token.likeliest[:num_likeliest], 1):
        found[str(likely.token)] = _entry_by_rank(names, likely.token, likely.logprob, rank)
    return found


def _entry_by_rank(names: TokenNames, token: int, logprob: float, rank: int | None) -> dict[str, object]:
    return {"logprob": finite(logprob), "rank": rank, "decoded_token": names.text(token)}


LEAST_LOGPROB = -9999.0
"""What the protocol says of a token without any probability; JSON has no infinity."""


def finite(logprob: float) -> float:
    """A log-probability that JSON can hold."""
    return max(logprob, LEAST_LOGPROB)
