"""Who is let in: requests that could never run, and requests beyond what the queue may hold, are refused."""

from collections.abc import Sequence as SequenceOf

from weft.contracts.errors import RequestRejected
from weft.contracts.events import RequestEnded, Status
from weft.contracts.requests import Request
from weft.engine.replica import Replica
from weft.observation.conditions import sometimes

REFUSED_FULL = sometimes("door: a request was refused because too much work waits")
REFUSED_SIZE = sometimes("door: a request was refused because it could never fit")

SMOOTHING = 0.05
"""Weight of the newest observation in the running means of output length and speed: twenty requests or steps
make up most of the mean."""


class Door:
    """Bounds the work that waits by an estimate in tokens: prompts still to compute, and outputs of the mean
    length seen so far (the request's own limit before any was seen)."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._mean_output_tokens: float | None = None
        self._tokens_per_s: float | None = None
        self._last_step_s = 0.0
        replica.log.subscribe(self._note_end, RequestEnded)

    def check(self, request: Request) -> None:
        """Raise `RequestRejected` where the request cannot be served, or not now."""
        self._check_size(request)
        self._check_queue(request)

    def _check_size(self, request: Request) -> None:
        store, total = self._replica.store, request.max_total_tokens
        for group, spec in zip(store.groups, store.layout.groups, strict=True):
            needed, there = group.peak_blocks(total, request), group.pool.num_blocks
            if needed > there:
                self._refuse_size(
                    request,
                    f"prompt and output of up to {total} tokens need {needed} blocks of state {spec.name!r}, and there "
                    f"are {there} of {store.block_tokens} tokens; shorten the prompt or lower max_tokens",
                )
        largest = max((item.num_tokens for item in request.prompt.media), default=0) * max(
            1, len(store.encoders)
        )
        if largest and not store.encoders:
            self._refuse_size(request, "it carries media and the model has no encoder; send text only")
        if largest >= self._replica.config.max_step_tokens:
            self._refuse_size(
                request,
                f"encoding a media item takes {largest} tokens and does not fit a step of max_step_tokens "
                f"({self._replica.config.max_step_tokens}); send it smaller, or raise max_step_tokens",
            )

    def _refuse_size(self, request: Request, reason: str) -> None:
        REFUSED_SIZE.hit()
        raise RequestRejected(request.request_id, reason)

    def _check_queue(self, request: Request) -> None:
        queue, bound = self._replica.queue, self._replica.config.queue_bound_tokens
        if not queue:
            return
        waiting = queue.num_tokens + self._expected_output(len(queue), queue.num_output_tokens)
        count = max(request.sampling.n, request.sampling.beam_width)
        own = request.prompt.num_tokens + self._expected_output(1, count * request.sampling.max_tokens)
        excess = waiting + own - bound
        if excess > 0:
            REFUSED_FULL.hit()
            retry_after_s = excess / self._tokens_per_s if self._tokens_per_s else None
            raise RequestRejected(
                request.request_id,
                f"about {waiting:.0f} tokens of work wait already, and {bound} may; try again later",
                retry_after_s,
            )

    def _expected_output(self, count: int, limit_tokens: int) -> float:
        """Output tokens to expect of `count` sequences that may emit `limit_tokens` together."""
        mean = self._mean_output_tokens
        return limit_tokens if mean is None else min(limit_tokens, count * mean)

    def _note_end(self, event: RequestEnded) -> None:
        if event.status is Status.FINISHED:
            tokens, before = event.output_tokens, self._mean_output_tokens
            self._mean_output_tokens = tokens if before is None else before + SMOOTHING * (tokens - before)

    def note_step(self, num_tokens: int, planned_s: float, now_s: float) -> None:
        """A step of so many tokens has returned."""
        self.note_steps(num_tokens, (planned_s,), (now_s,))

    def note_steps(self, num_tokens: int, planned_s: SequenceOf[float], times_s: SequenceOf[float]) -> None:
        """Steps of so many tokens each have returned, in this order."""
        last_s, smoothed = self._last_step_s, self._tokens_per_s
        for begun_s, now_s in zip(planned_s, times_s, strict=False):
            step_s = now_s - (begun_s if begun_s > last_s else last_s)
            last_s = now_s
            if step_s > 0.0:
                speed = num_tokens / step_s
                smoothed = speed if smoothed is None else smoothed + SMOOTHING * (speed - smoothed)
        self._last_step_s, self._tokens_per_s = last_s, smoothed
