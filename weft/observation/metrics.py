"""The metrics of one engine, folded from its events as they pass.

Names are vLLM's, without its prefix, where vLLM has the metric. Memory is bounded by the unfinished requests
and the transfers under way.
"""

from weft.contracts.events import (
    ENDS,
    DraftVerified,
    FirstToken,
    PrefixLookup,
    RequestArrived,
    RequestEnded,
    Status,
    StepRecord,
    TransferEnded,
    TransferStarted,
    Transition,
)
from weft.observation.event_log import EventLog
from weft.observation.instruments import Bucket, Counter, Gauge, Histogram, LabelledCounter, Sum
from weft.observation.token_intervals import TokenIntervals

__all__ = ["Bucket", "Counter", "EngineMetrics", "Gauge", "Histogram", "LabelledCounter"]

# vLLM's bounds, with finer ones below them for small models and simulated hardware.
FIRST_TOKEN_BOUNDS_S = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0),
)
INTER_TOKEN_BOUNDS_S = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.025, 0.05, 0.075, 0.1, 0.15),
    *(0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0),
)
REQUEST_BOUNDS_S = (
    *(0.01, 0.03, 0.1, 0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0),
    *(60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0),
)
STEP_BOUNDS_S = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075),
    *(0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0),
)


class _Unfinished:
    """What must be remembered of a request until it ends."""

    __slots__ = ("arrival_s", "has_run", "prompt_tokens")

    def __init__(self, arrival: RequestArrived) -> None:
        self.arrival_s = arrival.time_s
        self.prompt_tokens = arrival.prompt_tokens
        self.has_run = False


class EngineMetrics:
    """Counters, gauges and histograms of one engine. Histograms are in seconds.

    `time_to_first_token_seconds`: arrival to the first output token. `inter_token_latency_seconds`: see
    `TokenIntervals` for what is exact. `e2e_request_latency_seconds`: arrival to the end, of finished
    requests only. `request_queue_time_seconds`: arrival to the request's first running sequence.
    `step_seconds`: from planning a step to its result, the wait behind the step before it included; failed
    steps, which `steps_failed` counts, have none.

    Gauges tell of sequences as of the last step, and 0 once no request is unfinished;
    `kv_cache_blocks_used` is as of the last step.

    `prompt_tokens` counts a prompt when its first output token is known, or at its end where it has none.
    `generation_tokens` counts output tokens as steps bring them; what was under way for a sequence that has ended
    is not counted, while in a search each step of each hypothesis is.
    `preempted_seconds` adds up, over sequences, the time from losing a place to running again, or to the end.
    `prefix_cache_queries` and `prefix_cache_hits` are tokens. Labels: `num_preemptions`,
    `requests_rejected`, `requests_failed`, `requests_cancelled` by reason, `request_success` by finish
    reason, `transfers` (ended ones) and `transfers_failed` by kind.
    """

    def __init__(self, event_log: EventLog) -> None:
        self.time_to_first_token_seconds = Histogram(FIRST_TOKEN_BOUNDS_S)
        self.inter_token_latency_seconds = Histogram(INTER_TOKEN_BOUNDS_S)
        self.e2e_request_latency_seconds = Histogram(REQUEST_BOUNDS_S)
        self.request_queue_time_seconds = Histogram(REQUEST_BOUNDS_S)
        self.step_seconds = Histogram(STEP_BOUNDS_S)
        self.num_requests_running, self.num_requests_waiting = Gauge(), Gauge()
        self.kv_cache_blocks_used = Gauge()
        self.steps_failed = Counter()
        self.prefix_cache_queries, self.prefix_cache_hits = Counter(), Counter()
        self.prompt_tokens, self.generation_tokens = Counter(), Counter()
        self.draft_tokens, self.draft_accepted = Counter(), Counter()
        self.num_preemptions, self.preempted_seconds = LabelledCounter(), Sum()
        self._preempted_s: dict[int, float] = {}
        self.request_success = LabelledCounter()
        self.requests_rejected, self.requests_failed = LabelledCounter(), LabelledCounter()
        self.requests_cancelled = LabelledCounter()
        self.transfers, self.transfers_failed = LabelledCounter(), LabelledCounter()
        self._intervals = TokenIntervals(self.inter_token_latency_seconds)
        self._unfinished: dict[str, _Unfinished] = {}
        self._transfer_kinds: dict[int, str] = {}
        self._subscribe(event_log)

    def _subscribe(self, event_log: EventLog) -> None:
        event_log.subscribe(self._on_arrival, RequestArrived)
        event_log.subscribe(self._on_transition, Transition)
        event_log.subscribe(self._on_prefix_lookup, PrefixLookup)
        event_log.subscribe(self._on_first_token, FirstToken)
        event_log.subscribe(self._on_step, StepRecord)
        event_log.subscribe(self._on_draft, DraftVerified)
        event_log.subscribe(self._on_transfer_start, TransferStarted)
        event_log.subscribe(self._on_transfer_end, TransferEnded)
        event_log.subscribe(self._on_request_end, RequestEnded)

    @property
    def num_unfinished(self) -> int:
        """Requests that have arrived and not ended."""
        return len(self._unfinished)

    def _on_arrival(self, event: RequestArrived) -> None:
        self._unfinished[event.request_id] = _Unfinished(event)

    def _on_transition(self, event: Transition) -> None:
        self._intervals.on_transition(event)
        self._on_place(event)
        if event.after is Status.RUNNING:
            request = self._unfinished.get(event.request_id)
            if request is not None and not request.has_run:
                request.has_run = True
                self.request_queue_time_seconds.observe(event.time_s - request.arrival_s)
        elif event.after is Status.PREEMPTED and event.before is Status.RUNNING:
            self.num_preemptions.inc(event.reason)

    def _on_place(self, event: Transition) -> None:
        number = event.sequence_number
        if event.after is Status.PREEMPTED and event.before is Status.RUNNING:
            self._preempted_s[number] = event.time_s
        elif event.after is Status.RUNNING or event.after in ENDS:
            since_s = self._preempted_s.pop(number, None)
            if since_s is not None:
                self.preempted_seconds.add(event.time_s - since_s)

    def _on_prefix_lookup(self, event: PrefixLookup) -> None:
        self.prefix_cache_queries.inc(event.queried_tokens)
        self.prefix_cache_hits.inc(event.hit_tokens)

    def _on_first_token(self, event: FirstToken) -> None:
        request = self._unfinished.get(event.request_id)
        if request is not None:
            self.time_to_first_token_seconds.observe(event.time_s - request.arrival_s)
            self.prompt_tokens.inc(request.prompt_tokens)

    def _on_step(self, record: StepRecord) -> None:
        if record.failed:
            self.steps_failed.inc()
        else:
            self.step_seconds.observe(record.time_s - record.planned_s)
        self.generation_tokens.value += self._intervals.on_step(record)
        self.num_requests_running.value = record.num_running
        self.num_requests_waiting.value = record.num_waiting
        self.kv_cache_blocks_used.value = record.used_blocks

    def _on_draft(self, event: DraftVerified) -> None:
        self.draft_tokens.inc(event.num_drafted)
        self.draft_accepted.inc(event.num_accepted)
        self.generation_tokens.inc(event.num_accepted)

    def _on_transfer_start(self, event: TransferStarted) -> None:
        self._transfer_kinds[event.transfer_id] = event.kind.value

    def _on_transfer_end(self, event: TransferEnded) -> None:
        kind = self._transfer_kinds.pop(event.transfer_id, None)
        if kind is not None:
            self.transfers.inc(kind)
            if event.error is not None:
                self.transfers_failed.inc(kind)

    def _on_request_end(self, event: RequestEnded) -> None:
        request = self._unfinished.pop(event.request_id, None)
        if event.status is Status.FINISHED:
            self.request_success.inc(event.reason)
            if request is not None:
                self.e2e_request_latency_seconds.observe(event.time_s - request.arrival_s)
                if not event.output_tokens:
                    self.prompt_tokens.inc(request.prompt_tokens)
        elif event.status is Status.REJECTED:
            self.requests_rejected.inc(event.reason)
        elif event.status is Status.FAILED:
            self.requests_failed.inc(event.reason)
        elif event.status is Status.CANCELLED:
            self.requests_cancelled.inc(event.reason)
        if not self._unfinished:
            self.num_requests_running.set(0)
            self.num_requests_waiting.set(0)
