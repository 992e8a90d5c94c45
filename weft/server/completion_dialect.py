"""/v1/completions: texts that go on."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

from weft.contracts.steps import TokenLogprobs
from weft.llm.async_llm import LONG_TEXT, AsyncLLM
from weft.llm.results import CompletionChunk, CompletionOutput
from weft.server.completion_schema import CompletionBody
from weft.server.dialect import Dialect, Json
from weft.server.errors import ApiError
from weft.server.generating import Asked
from weft.server.sampling import room_tokens, sampling_params
from weft.server.token_logprobs import CompletionLogprobs

DEFAULT_MAX_TOKENS = 16
"""The protocol's."""
MOST_CHOICES = 1024


class CompletionDialect(Dialect[CompletionBody]):
    """Prompts in, texts out: `n` for each prompt, in the order of the prompts."""

    schema = CompletionBody
    id_prefix = "cmpl"
    object_name = "text_completion"
    chunk_name = "text_completion"

    def __init__(self, llm: AsyncLLM, body: CompletionBody, model_name: str) -> None:
        super().__init__(llm, body, model_name)
        self._told = defaultdict[int, CompletionLogprobs](lambda: CompletionLogprobs(self.names))

    async def asked(self) -> list[Asked]:
        """Where no limit is given, 16 tokens, fewer where there is less room."""
        self._check()
        prompts = self.body.prompt
        encode = self.llm.prompting.encode
        if sum(map(len, prompts)) >= LONG_TEXT:
            encoded = await asyncio.to_thread(lambda: [encode(prompt) for prompt in prompts])
        else:
            encoded = [encode(prompt) for prompt in prompts]
        return [self._ask(tokens) for tokens in encoded]

    def _check(self) -> None:
        body, n = self.body, self.body.n or 1
        if body.best_of is not None and body.best_of != n:
            raise ApiError(
                400,
                f"best_of is {body.best_of}; only the value of n ({n}) is supported; leave it out",
                param="best_of",
                code="unsupported",
            )
        if n * len(body.prompt) > MOST_CHOICES:
            raise ApiError(
                400,
                f"{len(body.prompt)} prompts with n = {n} make more than {MOST_CHOICES} choices; split the request",
                param="n",
            )
        if self.llm.prompting.tokenizer is None and any(isinstance(each, str) for each in body.prompt):
            raise ApiError(
                400,
                "this model has no tokenizer; give token ids, or start the server with --tokenizer",
                param="prompt",
            )

    def _ask(self, tokens: tuple[int, ...]) -> Asked:
        prompting = self.llm.prompting
        room = room_tokens(prompting, len(tokens))
        limit = self.body.max_tokens or min(DEFAULT_MAX_TOKENS, room)
        return Asked(
            tokens, sampling_params(self.body, prompting, max_tokens=limit, logprobs=self.body.logprobs)
        )

    def choice(self, output: CompletionOutput) -> Json:
        """A text with the reason for its end."""
        return {
            "index": output.index,
            "text": output.text,
            "logprobs": self._logprobs(output.index, output.logprobs),
            "finish_reason": output.finish_reason,
            "stop_reason": output.stop_reason,
        }

    def opening(self, num_choices: int) -> list[Json]:
        """Nothing."""
        return []

    def part(self, chunk: CompletionChunk) -> list[Json]:
        """What is new."""
        if not chunk.text and not chunk.logprobs and chunk.finish_reason is None:
            return []
        part: Json = {
            "index": chunk.index,
            "text": chunk.text,
            "logprobs": self._logprobs(chunk.index, chunk.logprobs),
            "finish_reason": chunk.finish_reason,
        }
        return [part if chunk.finish_reason is None else {**part, "stop_reason": chunk.stop_reason}]

    def _logprobs(self, index: int, logprobs: Sequence[TokenLogprobs]) -> Json | None:
        return None if self.body.logprobs is None else self._told[index].read(logprobs)
