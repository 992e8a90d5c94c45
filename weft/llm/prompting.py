"""From what a caller gives to what the engine takes: prompts as token ids, sampling with the model's ends."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from weft.contracts.errors import InvalidRequest
from weft.contracts.requests import Pooling, SamplingParams
from weft.model_specs.generation_config import default_sampling, read_generation_defaults
from weft.model_specs.pooling_config import read_pooling
from weft.text.chat_abilities import ChatAbilities
from weft.text.constraints import Grammars
from weft.text.loading import find_tokenizer, load_tokenizer, missing_tokenizer
from weft.text.template_loading import find_chat_template, load_chat_template, missing_chat_template

Prompt = str | Sequence[int]
"""Text, or token ids."""
Message = Mapping[str, Any]
"""A message of a conversation: role, content and what else the model's template reads."""


class ContextLengthExceeded(InvalidRequest):
    """Prompt and output together would be longer than a sequence of this model may be."""


class Prompting:
    """Tokenizer, chat template and defaults of a model in `directory`.

    `tokenizer`, `chat_template`: files or directories to take instead of the model's own. `tool_format`: how the
    model writes calls of tools, one of `TOOL_FORMATS`. A model without a
    tokenizer takes token ids only, one without a template no conversations.
    """

    def __init__(
        self,
        directory: Path,
        vocab_size: int,
        max_model_len: int,
        tokenizer: Path | None = None,
        chat_template: Path | None = None,
        tool_format: str = "auto",
    ) -> None:
        self._directory = directory
        self._vocab_size, self.max_model_len = vocab_size, max_model_len
        self.tokenizer = find_tokenizer(directory) if tokenizer is None else load_tokenizer(tokenizer)
        special_tokens = {} if self.tokenizer is None else self.tokenizer.special_tokens
        find = find_chat_template if chat_template is None else load_chat_template
        self.chat_template = find(chat_template or directory, special_tokens=special_tokens, now=datetime.now)
        self.abilities = None
        """What chats can ask for beyond plain answers; None where there are no chats."""
        if self.chat_template is not None and self.tokenizer is not None:
            self.abilities = ChatAbilities(self.chat_template, self.tokenizer, tool_format)
        self.defaults = read_generation_defaults(directory)
        self._pooling = read_pooling(directory) or Pooling.LAST
        own_end = None if self.tokenizer is None else self.tokenizer.eos_token_id
        ends = (*self.defaults.eos_token_ids, *([] if own_end is None else [own_end]))
        self.end_token_ids = tuple(dict.fromkeys(ends))
        self.grammars: Grammars | None = None
        if self.tokenizer is not None:
            self.grammars = Grammars(self.tokenizer, vocab_size, self.end_token_ids)

    def warn_of_defaults(self) -> None:
        """Warn the caller's caller of what the model's files ask for in vain."""
        keys = ", ".join(self.defaults.not_applied)
        if keys:
            message = f"{self._directory}: its generation_config.json sets {keys}, which has no effect here"
            warnings.warn(message, stacklevel=3)

    def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """A prompt's token ids. Raises `ConfigurationError` for text where there is no tokenizer."""
        if not isinstance(prompt, str):
            return self._checked(tuple(prompt))
        if self.tokenizer is None:
            raise missing_tokenizer(self._directory)
        return self._checked(tuple(self.tokenizer.encode(prompt)))

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of tokens, special ones left out."""
        if self.tokenizer is None:
            raise missing_tokenizer(self._directory)
        return self.tokenizer.decode(token_ids)

    def render(self, messages: Sequence[Message], **variables: Any) -> str:
        """A conversation as the model's prompt; `variables` are the template's own."""
        if self.chat_template is None:
            raise missing_chat_template(self._directory)
        return self.chat_template.render(messages, **variables)

    def encode_chat(self, messages: Sequence[Message], **variables: Any) -> tuple[int, ...]:
        """A conversation's token ids; the template has put all special tokens where they belong."""
        return self.encode_rendered(self.render(messages, **variables))

    def encode_rendered(self, text: str) -> tuple[int, ...]:
        """The token ids of what `render` gives."""
        if self.tokenizer is None:
            raise missing_tokenizer(self._directory)
        return self._checked(tuple(self.tokenizer.encode(text, add_special=False)))

    def complete(self, sampling: SamplingParams | None, prompt_tokens: int) -> SamplingParams:
        """Parameters with the model's end tokens among the stop tokens, checked against the model.

        None takes the model's defaults, with as many tokens as there is room for up to their limit.
        """
        room = self.max_model_len - prompt_tokens
        if sampling is None:
            sampling = default_sampling(self.defaults)
            sampling = replace(sampling, max_tokens=max(1, min(sampling.max_tokens, room)))
        self._check_length(prompt_tokens, sampling.max_tokens, room)
        self._check_tokens("stop_token_ids", sampling.stop_token_ids)
        self._check_tokens("logit_bias", tuple(sampling.logit_bias))
        if (sampling.stop or sampling.constraint) and self.tokenizer is None:
            raise missing_tokenizer(self._directory)
        if sampling.ignore_eos:
            return sampling
        stops = tuple(dict.fromkeys((*sampling.stop_token_ids, *self.end_token_ids)))
        return replace(sampling, stop_token_ids=stops)

    def choose_pooling(self, pooling: Pooling | str | None) -> Pooling:
        """The one of this name, or the model's own. Raises `InvalidRequest` for another name."""
        if pooling is None or isinstance(pooling, Pooling):
            return pooling or self._pooling
        named = {each.value: each for each in Pooling}
        if pooling not in named:
            raise InvalidRequest(f"pooling is {pooling!r}; it must be {' or '.join(map(repr, named))}")
        return named[pooling]

    def _check_length(self, prompt_tokens: int, max_tokens: int, room: int) -> None:
        if room < min(1, max_tokens):
            output = "with an output " if max_tokens else ""
            raise ContextLengthExceeded(
                f"the prompt has {prompt_tokens} tokens; {output}it must stay within {self.max_model_len}"
            )
        if max_tokens > room:
            raise ContextLengthExceeded(
                f"max_tokens is {max_tokens}; after a prompt of {prompt_tokens} tokens there is room for {room} "
                f"of {self.max_model_len}; set max_tokens to at most {room}, or shorten the prompt"
            )

    def _checked(self, tokens: tuple[int, ...]) -> tuple[int, ...]:
        if not tokens:
            raise InvalidRequest("the prompt is empty; give at least one token")
        self._check_tokens("the prompt", tokens)
        return tokens

    def _check_tokens(self, where: str, tokens: tuple[int, ...]) -> None:
        if not tokens or (min(tokens) >= 0 and max(tokens) < self._vocab_size):
            return  # a long prompt is checked on the event loop, so at the speed of C
        for token in tokens:
            if not 0 <= token < self._vocab_size:
                raise InvalidRequest(f"{where} has token id {token}; ids are 0 to {self._vocab_size - 1}")
