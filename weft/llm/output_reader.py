"""From an engine's news of one output to text."""

from weft.contracts.events import Status
from weft.contracts.requests import SamplingParams
from weft.engine.replica import Output
from weft.llm.prompting import Prompting
from weft.llm.results import CompletionChunk, FinishReason
from weft.text.output_text import OutputText


class OutputReader:
    """One output of one request. `text`: None where there is no tokenizer, and so no text.

    `stop_token_ids` end the output and are not part of its text; `end_token_ids` are the model's own among them.
    """

    def __init__(
        self,
        index: int,
        text: OutputText | None,
        stop_token_ids: tuple[int, ...],
        end_token_ids: tuple[int, ...],
    ) -> None:
        self._index, self._text = index, text
        self._stop_token_ids, self._end_token_ids = stop_token_ids, end_token_ids

    @property
    def stopped_after(self) -> int | None:
        """With how many tokens a stop string was complete, or None."""
        if self._text is None or self._text.stopped_by is None:
            return None
        return self._text.num_tokens

    def read(self, news: Output) -> CompletionChunk:
        """What the news mean; tokens after a stop string do not count."""
        is_over = news.status is Status.FINISHED
        stop_token = _last(news.tokens) if is_over and news.reason == "stop" else None
        if stop_token not in self._stop_token_ids:
            stop_token = None
        text, kept = self._read_text(news.tokens, stop_token, is_over=is_over)
        logprobs = news.logprobs[: len(kept)]
        finish_reason, stop_reason = self._end(news.reason, stop_token) if is_over else (None, None)
        of_prompt = None if news.prompt_logprobs is None else (None, *news.prompt_logprobs)
        return CompletionChunk(self._index, text, kept, logprobs, finish_reason, stop_reason, of_prompt)

    def _read_text(
        self, tokens: tuple[int, ...], stop_token: int | None, *, is_over: bool
    ) -> tuple[str, tuple[int, ...]]:
        if self._text is None:
            return "", tokens
        before = self._text.num_tokens
        visible = tokens if stop_token is None else tokens[:-1]
        shown = self._text.append(visible)
        if is_over and self._text.stopped_by is None:
            shown += self._text.finish()
        if self._text.stopped_by is not None:
            return shown, tokens[: self._text.num_tokens - before]
        return shown, tokens

    def _end(self, reason: str, stop_token: int | None) -> tuple[FinishReason, str | int | None]:
        if self._text is not None and self._text.stopped_by is not None:
            return "stop", self._text.stopped_by
        if reason == "stop":
            return "stop", None if stop_token in self._end_token_ids else stop_token
        return "length", None


def _last(tokens: tuple[int, ...]) -> int | None:
    return tokens[-1] if tokens else None


def output_reader(prompting: Prompting, sampling: SamplingParams, index: int) -> OutputReader:
    """One for the output at `index` of a request."""
    tokenizer, skip_special = prompting.tokenizer, sampling.skip_special_tokens
    text = None if tokenizer is None else OutputText(tokenizer, sampling.stop, skip_special=skip_special)
    return OutputReader(index, text, sampling.stop_token_ids, prompting.end_token_ids)
