"""/v1/completions: texts that go on."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from weft.contracts.steps import TokenLogprobs
from weft.llm.language_model import LanguageModel
from weft.llm.results import CompletionChunk, CompletionOutput, PromptLogprobs
from weft.server.completions.best_of import best_outputs
from weft.server.completions.echo import Echo, together
from weft.server.completions.schema import CompletionBody
from weft.server.errors import ApiError
from weft.server.protocol.choices_dialect import ChoicesDialect, Words
from weft.server.protocol.dialect import Json
from weft.server.protocol.generating import Asked, Usage
from weft.server.protocol.prompts import encode_prompts
from weft.server.protocol.sampling import room_tokens, sampling_params
from weft.server.protocol.token_logprobs import CompletionLogprobs, Lists, prompt_logprobs

DEFAULT_MAX_TOKENS = 16
"""The protocol's."""
MOST_CHOICES = 1024


class CompletionDialect(ChoicesDialect[CompletionBody]):
    """Prompts in, texts out: `n` for each prompt, in the order of the prompts, or the `n` best of `best_of`."""

    schema = CompletionBody
    id_prefix = "cmpl"
    object_name = "text_completion"
    chunk_name = "text_completion"

    def __init__(self, llm: LanguageModel, body: CompletionBody) -> None:
        super().__init__(llm, body)
        self._told = defaultdict[int, CompletionLogprobs](lambda: CompletionLogprobs(self.names))
        self._n = body.n or 1
        self._drawn = body.best_of or self._n
        self._echo: Echo | None = None

    async def asked(self) -> list[Asked]:
        """Where no limit is given, 16 tokens, fewer where there is less room."""
        self._check()
        prompts = self.body.prompt
        encoded = await encode_prompts(self.llm, prompts, "prompt")
        if self.body.echo:
            texts = [self._text(*pair) for pair in zip(prompts, encoded, strict=True)]
            self._echo = Echo(texts, encoded, self._n, self.body.logprobs)
        return [self._ask(tokens) for tokens in encoded]

    def _check(self) -> None:
        body, drawn = self.body, self._drawn
        if drawn * len(body.prompt) > MOST_CHOICES:
            raise ApiError(
                400,
                f"{len(body.prompt)} prompts with n = {drawn} make more than {MOST_CHOICES} choices; split the request",
                param="n",
            )
        is_ranked = drawn > self._n
        if self._drawn < self._n:
            message = f"best_of is {self._drawn}; it must be at least n, which is {self._n}"
            raise ApiError(400, message, param="best_of", code="invalid_value")
        if is_ranked and body.stream:
            message = f"best_of is {self._drawn}; which are best is known at the end, so leave stream or best_of out"
            raise ApiError(400, message, param="best_of", code="invalid_value")
        if body.echo and body.stream and body.logprobs is not None and self._n > 1:
            message = (
                f"n is {self._n}; a stream with echo and logprobs has one choice per prompt; leave n out"
            )
            raise ApiError(400, message, param="n", code="invalid_value")

    def _text(self, prompt: str | list[int], tokens: tuple[int, ...]) -> str:
        if isinstance(prompt, str):
            return prompt
        return "" if self.llm.prompting.tokenizer is None else self.llm.prompting.decode(tokens)

    def _ask(self, tokens: tuple[int, ...]) -> Asked:
        body, prompting = self.body, self.llm.prompting
        limit, logprobs, of_prompt = body.max_tokens, body.logprobs, body.prompt_logprobs
        if limit is None:
            limit = min(DEFAULT_MAX_TOKENS, room_tokens(prompting, len(tokens)))
        if self._drawn > self._n and logprobs is None:
            logprobs = 0  # enough to find the best
        sampling = sampling_params(body, prompting, max_tokens=limit, logprobs=logprobs)
        if body.echo and body.logprobs is not None:
            of_prompt = max(body.logprobs, of_prompt or 0)
        constraint = body.constraint()
        sampling = replace(sampling, n=self._drawn, prompt_logprobs=of_prompt, constraint=constraint)
        return Asked(tokens, sampling)

    def whole(self, outputs: Sequence[CompletionOutput], usage: Usage) -> Json:
        """With the best only; the usage counts all."""
        if self._drawn > self._n:
            outputs = best_outputs(outputs, self._drawn, self._n)
        return super().whole(outputs, usage)

    def choice(self, output: CompletionOutput) -> Json:
        """A text with the reason for its end."""
        text, logprobs = self._told_of(output.index, output.text, output.logprobs, output.prompt_logprobs)
        choice: Json = {
            "index": output.index,
            "text": text,
            "logprobs": logprobs,
            "finish_reason": output.finish_reason,
            "stop_reason": output.stop_reason,
        }
        count, of_prompt = self.body.prompt_logprobs, output.prompt_logprobs
        if count is None or of_prompt is None:
            return choice
        return {**choice, "prompt_logprobs": prompt_logprobs(self.names, of_prompt, count)}

    def opening(self, num_choices: int) -> list[Json]:
        """Nothing."""
        return []

    def words(self, index: int, text: str) -> Json:
        """More of a text."""
        return {"index": index, "text": text, "logprobs": None, "finish_reason": None}

    def part(self, chunk: CompletionChunk) -> Sequence[Json | Words]:
        """What is new."""
        text, logprobs = self._told_of(chunk.index, chunk.text, chunk.logprobs, chunk.prompt_logprobs)
        if not text and not chunk.logprobs and chunk.finish_reason is None:
            return []
        if logprobs is None and chunk.finish_reason is None:
            return [Words(chunk.index, text)]
        part = {**self.words(chunk.index, text), "logprobs": logprobs, "finish_reason": chunk.finish_reason}
        return [part if chunk.finish_reason is None else {**part, "stop_reason": chunk.stop_reason}]

    def _told_of(
        self,
        index: int,
        text: str,
        logprobs: Sequence[TokenLogprobs],
        of_prompt: PromptLogprobs | None,
    ) -> tuple[str, Lists | None]:
        """Text and log-probabilities of what is new in a choice, its prompt before them where it is to be told."""
        echo, before = self._echo, None
        if echo is not None and echo.begins(index):
            text = echo.text(index) + text
            before = echo.logprobs(index, of_prompt, self._told[index])
        return text, together(before, self._logprobs(index, logprobs))

    def _logprobs(self, index: int, logprobs: Sequence[TokenLogprobs]) -> Lists | None:
        return None if self.body.logprobs is None else self._told[index].read(logprobs)
