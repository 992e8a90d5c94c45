"""/v1/chat/completions: conversations."""

from collections import defaultdict
from collections.abc import Sequence

from weft.contracts.steps import TokenLogprobs
from weft.llm.language_model import LanguageModel
from weft.llm.results import CompletionChunk, CompletionOutput, FinishReason
from weft.server.chat.answer import delta, message
from weft.server.chat.ask import conversation_ask
from weft.server.chat.schema import ChatBody
from weft.server.conversation.conversation import Conversation
from weft.server.errors import ApiError
from weft.server.protocol.choices_dialect import ChoicesDialect, Words
from weft.server.protocol.dialect import Json
from weft.server.protocol.generating import Asked, Usage
from weft.server.protocol.sampling import room_tokens, sampling_params
from weft.server.protocol.token_logprobs import chat_logprobs, prompt_logprobs
from weft.text.answer_parts import AnswerPart, Content
from weft.text.answer_reader import AnswerReader


class ChatDialect(ChoicesDialect[ChatBody]):
    """Messages in, a message out."""

    schema = ChatBody
    id_prefix = "chatcmpl"
    object_name = "chat.completion"
    chunk_name = "chat.completion.chunk"

    def __init__(self, llm: LanguageModel, body: ChatBody) -> None:
        super().__init__(llm, body)
        self._conversation = Conversation(llm, conversation_ask(body, llm))
        self._readers = defaultdict[int, AnswerReader](self._conversation.reader)

    async def asked(self) -> list[Asked]:
        """One prompt. Where no limit is given, the model's own, within the room there is."""
        self._check()
        prompting = self.llm.prompting
        tokens = await self._conversation.encode()
        room = room_tokens(prompting, len(tokens))
        limit = self.body.max_completion_tokens or self.body.max_tokens
        if limit is None:
            limit = min(room, prompting.defaults.max_new_tokens or room)
        logprobs = (self.body.top_logprobs or 0) if self.body.logprobs else None
        sampling = sampling_params(self.body, prompting, max_tokens=limit, logprobs=logprobs)
        return [Asked(tokens, self._conversation.sampling(sampling))]

    def _check(self) -> None:
        body = self.body
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

    def whole(self, outputs: Sequence[CompletionOutput], usage: Usage) -> Json:
        """Log-probabilities of the prompt stand beside the choices, which share it."""
        answer = super().whole(outputs, usage)
        count, of_prompt = self.body.prompt_logprobs, outputs[0].prompt_logprobs
        if count is None or of_prompt is None:
            return answer
        return {**answer, "prompt_logprobs": prompt_logprobs(self.names, of_prompt, count)}

    def choice(self, output: CompletionOutput) -> Json:
        """A message with the reason for its end."""
        reader = self._readers[output.index]
        return {
            "index": output.index,
            "message": message([*reader.feed(output.text), *reader.end()]),
            "logprobs": self._logprobs(output.logprobs),
            "finish_reason": _reason(output.finish_reason, reader),
            "stop_reason": output.stop_reason,
        }

    def opening(self, num_choices: int) -> list[Json]:
        """Who speaks."""
        first: Json = {"role": "assistant", "content": "", "refusal": None}
        return [_news(index, first) for index in range(num_choices)]

    def words(self, index: int, text: str) -> Json:
        """Something said."""
        return _news(index, {"content": text})

    def part(self, chunk: CompletionChunk) -> Sequence[Json | Words]:
        """What is new; the reason for the end comes in a piece of its own, without text. Logprobs come with the first
        news of their chunk, and where these are held back, with no text."""
        reader = self._readers[chunk.index]
        parts = reader.feed(chunk.text)
        if chunk.finish_reason is not None:
            parts += reader.end()
        elif not chunk.logprobs:
            return [self._unended(chunk.index, part) for part in parts]
        deltas = [delta(part) for part in parts]
        if chunk.logprobs and not deltas:
            deltas = [{"content": ""}]
        news = [_news(chunk.index, each) for each in deltas]
        if news:
            news[0]["logprobs"] = self._logprobs(chunk.logprobs)
        if chunk.finish_reason is not None:
            reason = _reason(chunk.finish_reason, reader)
            news.append({**_news(chunk.index, {}, reason), "stop_reason": chunk.stop_reason})
        return news

    def _unended(self, index: int, part: AnswerPart) -> Json | Words:
        return Words(index, part.text) if isinstance(part, Content) else _news(index, delta(part))

    def _logprobs(self, logprobs: Sequence[TokenLogprobs]) -> Json | None:
        if not self.body.logprobs:
            return None
        return chat_logprobs(self.names, logprobs, self.body.top_logprobs or 0)


def _news(index: int, change: Json, finish_reason: str | None = None) -> Json:
    return {"index": index, "delta": change, "logprobs": None, "finish_reason": finish_reason}


def _reason(reason: FinishReason, reader: AnswerReader) -> str:
    return "tool_calls" if reason == "stop" and reader.has_calls else reason
