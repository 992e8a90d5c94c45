"""What is sent: bodies whose prompts have the intended lengths, as far as the server lets one say so.

Token ids are exact. Where only text is taken (in chats always), a prompt is so many words as have about the intended
number of tokens, by what the server told of two texts of known length.
"""

from dataclasses import dataclass
from typing import Any

from weft.contracts.prompts import Prompt
from weft.workloads.token_ids import token_ids

PATHS = {"completions": "completions", "chat": "chat/completions"}

WORDS = (
    *("time", "year", "people", "way", "day", "man", "thing", "woman", "life", "child", "world", "school"),
    *("state", "family", "student", "group", "country", "problem", "hand", "part", "place", "case", "week"),
    *("company", "system", "program", "question", "work", "number", "night", "point", "home", "water"),
    *("room", "mother", "area", "money", "story", "fact", "month", "lot", "right", "study", "book", "eye"),
    *("job", "word", "business", "issue", "side", "kind", "head", "house", "service", "friend", "father"),
    *("power", "hour", "game", "line", "end", "member", "law", "car", "city"),
)
"""Common, so that most vocabularies have each of them as one token."""


@dataclass(frozen=True, slots=True)
class Wording:
    """How many tokens text has: `tokens_per_word`, and `added_tokens` once (a template, a token that begins)."""

    tokens_per_word: float = 1.0
    added_tokens: float = 0.0

    def num_words(self, tokens: int) -> int:
        """Words for about so many tokens, at least one."""
        return max(1, round((tokens - self.added_tokens) / self.tokens_per_word))


@dataclass(frozen=True, slots=True)
class Bodies:
    """Makes the bodies of requests to one endpoint.

    `vocabulary_tokens`: prompts are token ids below this; None: text. `forces_length`: answers are made to have the
    intended length (`ignore_eos`, `min_tokens`); without it the length is only a bound. `asks_usage`: the server is
    asked to count tokens. Two prompts begin alike where their content does.
    """

    model: str
    endpoint: str
    vocabulary_tokens: int | None
    forces_length: bool
    asks_usage: bool
    wording: Wording = Wording()
    seed: int = 0

    @property
    def path(self) -> str:
        """Below `/v1/`."""
        return PATHS[self.endpoint]

    def body(self, prompt: Prompt, request_id: str, output_tokens: int) -> dict[str, Any]:
        """Of one request."""
        body: dict[str, Any] = {
            "model": self.model,
            **self._prompt(prompt, request_id),
            "max_tokens": output_tokens,
            "temperature": 0,
            "stream": True,
        }
        if self.forces_length:
            body |= {"ignore_eos": True, "min_tokens": output_tokens}
        if self.asks_usage:
            body["stream_options"] = {"include_usage": True}
        return body

    def _prompt(self, prompt: Prompt, request_id: str) -> dict[str, Any]:
        if self.vocabulary_tokens is not None:
            return {"prompt": token_ids(prompt, request_id, self.vocabulary_tokens, self.seed)}
        text = self._text(prompt, request_id)
        return (
            {"messages": [{"role": "user", "content": text}]} if self.endpoint == "chat" else {"prompt": text}
        )

    def _text(self, prompt: Prompt, request_id: str) -> str:
        places = token_ids(prompt, request_id, len(WORDS), self.seed)
        number = self.wording.num_words(prompt.num_tokens)
        return " ".join(WORDS[place] for place in places[:number])
