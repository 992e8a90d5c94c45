"""/v1/chat/completions: conversations."""

from collections.abc import Sequence

from weft.contracts.errors import InvalidRequest
from weft.contracts.steps import TokenLogprobs
from weft.llm.results import CompletionChunk, CompletionOutput
from weft.server.chat_schema import ChatBody
from weft.server.dialect import Dialect, Json
from weft.server.errors import ApiError
from weft.server.generating import Asked
from weft.server.sampling import room_tokens, sampling_params
from weft.server.token_logprobs import chat_logprobs


class ChatDialect(Dialect[ChatBody]):
    """Messages in, a message out."""

    schema = ChatBody
    id_prefix = "chatcmpl"
    object_name = "chat.completion"
    chunk_name = "chat.completion.chunk"

    async def asked(self) -> list[Asked]:
        """One prompt. Where no limit is given, the model's own, within the room there is."""
        self._check()
        prompting = self.llm.prompting
        tokens = await self._encode()
        room = room_tokens(prompting, len(tokens))
        limit = self.body.max_completion_tokens or self.body.max_tokens
        if limit is None:
            limit = min(room, prompting.defaults.max_new_tokens or room)
        logprobs = (self.body.top_logprobs or 0) if self.body.logprobs else None
        return [Asked(tokens, sampling_params(self.body, prompting, max_tokens=limit, logprobs=logprobs))]

    async def _encode(self) -> tuple[int, ...]:
        """Complaints of a template name its file, which is nobody's business outside."""
        template = self.llm.prompting.chat_template
        try:
            return await self.llm.encode_chat(self.body.messages)
        except InvalidRequest as error:
            assert template is not None
            raise InvalidRequest(str(error).replace(template.where, "the chat template")) from None

    def _check(self) -> None:
        body, prompting = self.body, self.llm.prompting
        if prompting.tokenizer is None or prompting.chat_template is None:
            what = "tokenizer" if prompting.tokenizer is None else "chat template"
            raise ApiError(
                400,
                f"this model has no {what}, so it cannot chat; use /v1/completions, or start the server with "
                f"--{what.replace(' ', '-')}",
                code="no_chat",
            )
        if body.top_logprobs is not None and not body.logprobs:
            raise ApiError(
                400, "top_logprobs is given without logprobs; set logprobs to true", param="top_logprobs"
            )
        both = (body.max_tokens, body.max_completion_tokens)
        if None not in both and both[0] != both[1]:
            raise ApiError(
                400,
                f"max_tokens is {both[0]} and max_completion_tokens is {both[1]}; they mean the same, give one",
                param="max_tokens",
            )

    def choice(self, output: CompletionOutput) -> Json:
        """A message with the reason for its end."""
        return {
            "index": output.index,
            "message": {"role": "assistant", "content": output.text, "refusal": None},
            "logprobs": self._logprobs(output.logprobs),
            "finish_reason": output.finish_reason,
            "stop_reason": output.stop_reason,
        }

    def opening(self, num_choices: int) -> list[Json]:
        """Who speaks."""
        delta = {"role": "assistant", "content": "", "refusal": None}
        return [
            {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
            for index in range(num_choices)
        ]

    def part(self, chunk: CompletionChunk) -> list[Json]:
        """What is new; the reason for the end comes in a piece of its own, without text."""
        parts: list[Json] = []
        if chunk.text or chunk.logprobs:
            parts.append(
                {
                    "index": chunk.index,
                    "delta": {"content": chunk.text},
                    "logprobs": self._logprobs(chunk.logprobs),
                    "finish_reason": None,
                }
            )
        if chunk.finish_reason is not None:
            parts.append(
                {
                    "index": chunk.index,
                    "delta": {},
                    "logprobs": None,
                    "finish_reason": chunk.finish_reason,
                    "stop_reason": chunk.stop_reason,
                }
            )
        return parts

    def _logprobs(self, logprobs: Sequence[TokenLogprobs]) -> Json | None:
        if not self.body.logprobs:
            return None
        return chat_logprobs(self.names, logprobs, self.body.top_logprobs or 0)
