"""Who is let in: requests that could never run, and requests beyond what the queue may hold, are refused."""

from collections import Counter
from collections.abc import Sequence as SequenceOf
from math import inf
from typing import NoReturn

from weft.contracts.errors import RequestRejected
from weft.contracts.events import RequestArrived, RequestEnded, Status, Transition
from weft.contracts.requests import Request, Slo
from weft.engine.pace import Pace, within
from weft.engine.replica import Replica
from weft.engine.waiting_queue import Waiting
from weft.observation.conditions import sometimes

REFUSED_FULL = sometimes("door: a request was refused because too much work waits")
REFUSED_SIZE = sometimes("door: a request was refused because it could never fit")

SMOOTHING = 0.05
"""Weight of the newest observation in the running means of output length and speed: twenty requests or steps
make up most of the mean."""

LENT = 4
"""A tenant among several holds at most so many times the number of sequences that are still free, beyond its equal
share: the dynamic threshold of shared buffers (Choudhury and Hahne, IEEE/ACM Transactions on Networking 1998). One that
asks for everything gets four fifths of what the others leave."""

STRETCH = 10
"""However long its own prompt takes, a request may wait so many times as long: who brings much may wait long, and on
slow hardware all may."""


class Door:
    """Bounds the work that waits by an estimate in tokens: prompts still to compute, and outputs of the mean
    length seen so far (the request's own limit before any was seen)."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._objective = replica.config.objective
        self._pace: Pace | None = None
        self._mean_output_tokens: float | None = None
        self._tokens_per_s: float | None = None
        self._last_step_s = 0.0
        replica.log.subscribe(self._note_end, RequestEnded)

    def check(self, request: Request, *, is_new: bool = True) -> None:
        """Raise `RequestRejected` where the request cannot be served, or, where it `is_new`, not now."""
        self._check_size(request)
        if not is_new:
            return
        sampling = request.sampling
        count = max(sampling.n, sampling.beam_width)
        tokens = request.prompt.num_tokens, count, count * sampling.max_tokens
        first_s = self.check_load(request.request_id, request.tenant, request.slo, *tokens)
        if self._pace is not None and within(request.slo, self._objective) < inf:
            if first_s is None:
                first_s = self._pace.first_token_s(request.tenant, request.prompt.num_tokens)
            self._pace.expect(request.request_id, first_s)

    def check_ahead(self, request_id: str, tenant: str, slo: Slo | None, prompt_tokens: int) -> None:
        """As `check_load`, of a request that is not here yet; where it is refused, it comes and ends."""
        try:
            self.check_load(request_id, tenant, slo, prompt_tokens)
        except RequestRejected as refusal:
            now_s = self._replica.now_s
            self._replica.log.record(RequestArrived(now_s, request_id, tenant, prompt_tokens, 0))
            self.record(refusal)
            raise

    def record_arrival(self, request: Request) -> None:
        """Record that a request has come."""
        prompt_tokens, max_tokens = request.prompt.num_tokens, request.sampling.max_tokens
        about = (request.request_id, request.tenant, prompt_tokens, max_tokens, request.session)
        self._replica.log.record(RequestArrived(self._replica.now_s, *about))

    def record(self, refusal: RequestRejected) -> None:
        """A refusal is an end like any other."""
        replica, request_id, reason = self._replica, refusal.request_id, refusal.reason
        number, now_s = replica.next_sequence_number, replica.now_s
        replica.next_sequence_number += 1
        replica.log.record(Transition(now_s, request_id, number, None, Status.REJECTED, reason))
        replica.log.record(RequestEnded(now_s, request_id, Status.REJECTED, reason, 0))

    def _check_size(self, request: Request) -> None:
        store, total = self._replica.store, request.max_total_tokens
        for group in store.groups:
            needed, there = group.peak_blocks(total, request), group.pool.num_blocks
            if needed > there:
                name = store.layout.groups[group.index].name
                self._refuse_size(
                    request,
                    f"prompt and output of up to {total} tokens need {needed} blocks of state {name!r}, and there "
                    f"are {there} of {store.block_tokens} tokens; shorten the prompt or lower max_tokens",
                )
        if request.prompt.media:
            self._check_media(request)

    def _check_media(self, request: Request) -> None:
        num_encoders = len(self._replica.store.encoders)
        if not num_encoders:
            self._refuse_size(request, "it carries media and the model has no encoder; send text only")
        largest = max(item.num_tokens for item in request.prompt.media) * num_encoders
        if largest >= self._replica.config.max_step_tokens:
            self._refuse_size(
                request,
                f"encoding a media item takes {largest} tokens and does not fit a step of max_step_tokens "
                f"({self._replica.config.max_step_tokens}); send it smaller, or raise max_step_tokens",
            )

    def _refuse_size(self, request: Request, reason: str) -> None:
        REFUSED_SIZE.hit()
        raise RequestRejected(request.request_id, reason)

    def check_load(
        self,
        request_id: str,
        tenant: str,
        slo: Slo | None,
        prompt_tokens: int,
        num_sequences: int = 1,
        max_output_tokens: int = 1,
    ) -> float | None:
        """Raise `RequestRejected` where such a request cannot be served now: too much waits, or it could not be served
        fast enough. A tenant whose own work stays within an equal share of what there is room for is never refused for
        what others ask. Returns in how many seconds its first token is to be expected, where that was looked at."""
        config, first_s = self._replica.config, None
        if self._pace is None and (slo, self._objective, config.max_queue_delay_s) != (None, None, None):
            self._pace = Pace(self._replica, None if self._objective is None else self._objective.tpot_s)
        if self._pace is not None and self._replica.requests:
            self._check_number(self._pace, request_id, tenant, num_sequences)
            first_s = self._check_first_token(self._pace, request_id, tenant, slo, prompt_tokens)
        if self._replica.queue:
            output_tokens = self._expected_output(1, max_output_tokens)
            self._check_queue(request_id, tenant, prompt_tokens + output_tokens)
        return first_s

    def _check_number(self, pace: Pace, request_id: str, tenant: str, num_sequences: int) -> None:
        """Tenants that share the engine leave some of it free, so that there is room for those who ask little; see
        `LENT`."""
        replica, most = self._replica, pace.most_sequences
        if most == inf:
            return
        free = most - len(replica.running) - len(replica.queue) - num_sequences
        live = Counter[str]({tenant: num_sequences})
        for record in replica.requests.values():
            live[record.request.tenant] += record.num_live
        is_within_share = live[tenant] * len(live) <= most
        if free < 0 if len(live) == 1 else live[tenant] > LENT * free and not is_within_share:
            reason = f"{live.total() - num_sequences} outputs are being made, and more would slow them down too much"
            self._refuse(request_id, f"{reason}; try again later", pace.room_s(1 - free))

    def _check_first_token(
        self, pace: Pace, request_id: str, tenant: str, slo: Slo | None, prompt_tokens: int
    ) -> float | None:
        most_s, delay_s = within(slo, self._objective), self._replica.config.max_queue_delay_s
        if most_s == inf and (delay_s is None or not self._replica.queue):
            return None
        first_s = pace.first_token_s(tenant, prompt_tokens)
        late_s = first_s * pace.lateness
        if late_s > most_s:
            reason = f"its first token would come within {late_s:.3f} s, and is to come within {most_s:g} s"
            self._refuse(request_id, f"{reason}; try again later", late_s - most_s)
        if delay_s is not None and self._replica.queue:
            self._check_wait(request_id, first_s, pace.prompt_s(prompt_tokens), delay_s)
        return first_s

    def _check_wait(self, request_id: str, first_s: float, own_s: float, delay_s: float) -> None:
        if first_s - own_s > max(delay_s, STRETCH * own_s):
            reason = f"it would wait for about {first_s - own_s:.0f} s, and {delay_s:g} s are the most"
            self._refuse(request_id, f"{reason}; try again later", first_s - own_s - delay_s)

    def _check_queue(self, request_id: str, tenant: str, own_tokens: float) -> None:
        queue, bound = self._replica.queue, self._replica.config.queue_bound_tokens
        waiting = queue.num_tokens + self._expected_output(len(queue), queue.num_output_tokens)
        excess = waiting + own_tokens - bound
        if excess <= 0:
            return
        mine, num_tenants = queue.by_tenant.get(tenant), len(queue.by_tenant)
        if mine is None:
            mine, num_tenants = Waiting(), num_tenants + 1
        share = mine.num_tokens + self._expected_output(mine.num_sequences, mine.num_output_tokens)
        if num_tenants == 1 or (share + own_tokens) * num_tenants > bound:
            reason = f"about {waiting:.0f} tokens of work wait already, and {bound} may; try again later"
            self._refuse(request_id, reason, excess / self._tokens_per_s if self._tokens_per_s else None)

    def _refuse(self, request_id: str, reason: str, retry_after_s: float | None) -> NoReturn:
        REFUSED_FULL.hit()
        raise RequestRejected(request_id, reason, retry_after_s)

    def _expected_output(self, count: int, limit_tokens: int) -> float:
        """Output tokens to expect of `count` sequences that may emit `limit_tokens` together."""
        mean = self._mean_output_tokens
        return limit_tokens if mean is None else min(limit_tokens, count * mean)

    def _note_end(self, event: RequestEnded) -> None:
        if event.status is Status.FINISHED and event.output_tokens:
            tokens, before = event.output_tokens, self._mean_output_tokens
            self._mean_output_tokens = tokens if before is None else before + SMOOTHING * (tokens - before)

    def note_step(self, num_tokens: int, planned_s: float, now_s: float) -> None:
        """A step of so many tokens has returned."""
        self.note_steps(num_tokens, planned_s, (now_s,))

    def note_steps(self, num_tokens: int, planned_s: float, times_s: SequenceOf[float]) -> None:
        """Steps of so many tokens each have returned, in this order; `planned_s`: when the first of them was planned,
        and the others when or before the one ahead of them returned."""
        last_s, smoothed = max(planned_s, self._last_step_s), self._tokens_per_s
        for now_s in times_s:
            step_s = now_s - last_s
            last_s = now_s
            if step_s > 0.0:
                speed = num_tokens / step_s
                smoothed = speed if smoothed is None else smoothed + SMOOTHING * (speed - smoothed)
        self._last_step_s, self._tokens_per_s = last_s, smoothed
