"""A request that has not ended, as its router knows it: what its client was told is what there is."""

import asyncio
from collections.abc import Callable

from weft.cluster.messages import Ended, Refused, Told
from weft.contracts.errors import InvalidRequest, RequestRejected, WeftError
from weft.contracts.events import RequestEnded, Status
from weft.contracts.requests import Emitted, Request
from weft.contracts.steps import TokenLogprobs
from weft.engine.replica import Output

Sink = Callable[[Output | RequestEnded | Exception], object]
"""Told of a request's news; last, how it ended, or what an engine raised instead of letting it in."""


class ReplicaMisbehaves(WeftError):
    """A replica said what cannot be. It is treated as lost."""


class _OutputBook:
    """One output: its tokens, and what its client has not been told where it wants the output as a whole."""

    __slots__ = ("has_ended", "logprobs", "tokens", "whole")

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.logprobs: list[TokenLogprobs] = []
        self.whole = Output("", 0, ())
        self.has_ended = False


class OpenRequest:
    """`member`: the name of the replica that has it, None while it waits for one; `attempt`: see `messages.py`.
    `num_parted`: replicas that had it; `num_lost`, `num_failed`: of these, how many were lost by themselves, and failed
    with it. `refused`: names of those that refused it since it was last accepted. `is_whole`: its client wants each
    output at its end. `is_told`: replicas tell tokens."""

    __slots__ = (
        "_books",
        "_is_told",
        "_prompt_told",
        "_sink",
        "_untold_tokens",
        "attempt",
        "is_whole",
        "member",
        "num_failed",
        "num_lost",
        "num_parted",
        "refused",
        "request",
        "waits_since_s",
    )

    def __init__(self, request: Request, sink: Sink, *, is_whole: bool, is_told: bool) -> None:
        self.request = request
        self._sink = sink
        self.is_whole = is_whole
        self.member: str | None = None
        self.attempt = self.num_parted = self.num_lost = self.num_failed = 0
        self.refused: dict[str, float | None] = {}
        self.waits_since_s = 0.0
        self._books = [_OutputBook() for _ in range(request.sampling.n)]
        self._prompt_told, self._is_told, self._untold_tokens = False, is_told, 0

    def say(self, news: Output | RequestEnded | Exception) -> None:
        """Tell its client. What that raises is nobody else's business."""
        try:
            self._sink(news)
        except Exception as error:
            message = f"the client of {self.request.request_id!r} raised {type(error).__name__}"
            asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})

    def note_lost(self, *, is_wanted: bool) -> None:
        """Its replica is gone; `is_wanted`: on purpose, which does not speak against the request."""
        self.num_parted += 1
        self.num_lost += not is_wanted

    def note_failed(self) -> None:
        """It failed at its replica."""
        self.num_parted += 1
        self.num_failed += 1

    @property
    def is_new(self) -> bool:
        """Whether no replica has ever let it in, as far as is known."""
        return self.num_parted == 0

    @property
    def emitted(self) -> tuple[Emitted, ...]:
        """What another replica must know to go on."""
        if not any(book.tokens for book in self._books):
            return ()
        return tuple(Emitted(tuple(book.tokens), book.has_ended) for book in self._books)

    @property
    def num_output_tokens(self) -> int:
        """Of all outputs, so far."""
        return self._untold_tokens + sum(len(book.tokens) for book in self._books)

    @property
    def has_ended(self) -> bool:
        """Whether all its outputs have."""
        return all(book.has_ended for book in self._books)

    def take(self, told: Told) -> None:
        """News of an output. Raises `ReplicaMisbehaves` where they do not follow those before."""
        if not 0 <= told.sample_index < len(self._books):
            raise ReplicaMisbehaves(f"{told.request_id!r} has no output {told.sample_index}")
        book = self._books[told.sample_index]
        if book.has_ended or told.status is Status.FAILED:
            return  # whether what failed was its last token, nobody knows: another makes it anew
        if told.first != len(book.tokens):
            problem = f"token {told.first} comes after {len(book.tokens)} of them"
            raise ReplicaMisbehaves(f"{told.request_id!r}, output {told.sample_index}: {problem}")
        book.tokens += told.tokens
        book.has_ended = told.status is Status.FINISHED
        if told.tokens or book.has_ended:
            self._tell(book, told)

    def _tell(self, book: _OutputBook, told: Told) -> None:
        status = told.status if book.has_ended else None  # one that failed may go on elsewhere
        news = Output(told.request_id, told.sample_index, told.tokens, status, *told[6:])
        if self._prompt_told:
            news = news._replace(prompt_logprobs=None)
        self._prompt_told |= news.prompt_logprobs is not None
        if not self.is_whole:
            self.say(news)
            return
        book.logprobs += news.logprobs
        if news.prompt_logprobs is not None:
            book.whole = book.whole._replace(prompt_logprobs=news.prompt_logprobs)
        if book.has_ended:
            of_prompt = book.whole.prompt_logprobs
            whole = (tuple(book.tokens), news.status, news.reason, tuple(book.logprobs), of_prompt)
            self.say(Output(told.request_id, told.sample_index, *whole, news.embedding))

    def stop(self, sample_index: int, num_tokens: int) -> bool:
        """End an output with a token that there is already; False where it has ended. Raises `InvalidRequest` where
        there is no such token."""
        request_id = self.request.request_id
        if not 0 <= sample_index < len(self._books):
            raise InvalidRequest(
                f"request {request_id!r} has no output {sample_index}; it has {len(self._books)}"
            )
        book = self._books[sample_index]
        if book.has_ended:
            return False
        if not 1 <= num_tokens <= len(book.tokens):
            raise InvalidRequest(
                f"output {sample_index} of request {request_id!r} cannot end with token {num_tokens}; it has "
                f"{len(book.tokens)}"
            )
        del book.tokens[num_tokens:], book.logprobs[num_tokens:]
        book.has_ended = True
        tokens = tuple(book.tokens) if self.is_whole else ()
        about = (tokens, Status.FINISHED, "stop", tuple(book.logprobs), book.whole.prompt_logprobs)
        self.say(Output(request_id, sample_index, *about))
        return True

    def check_end(self, ended: Ended) -> None:
        """Raises `ReplicaMisbehaves` where it cannot be that its replica has ended it so."""
        if ended.status not in (Status.FINISHED, Status.FAILED):
            raise ReplicaMisbehaves(
                f"{ended.request_id!r} is said to be {ended.status.value}, which nobody asked for"
            )
        if not self._is_told:
            self._untold_tokens = ended.output_tokens
        elif ended.status is Status.FINISHED and not self.has_ended:
            raise ReplicaMisbehaves(
                f"{ended.request_id!r} is said to be finished, and not all of its outputs are"
            )

    def refusal(self, refused: Refused) -> Exception:
        """What its client is told where nobody lets it in."""
        if refused.is_invalid:
            return InvalidRequest(refused.reason)
        times = [each for each in self.refused.values() if each is not None]
        return RequestRejected(self.request.request_id, refused.reason, min(times, default=None))

    def end(self, status: Status, reason: str, now_s: float) -> None:
        """Tell its client how it ended."""
        self.say(RequestEnded(now_s, self.request.request_id, status, reason, self.num_output_tokens))
