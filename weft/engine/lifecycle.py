"""How sequences and requests change status and end: every transition is made and recorded here."""

from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

from weft.contracts.errors import InvalidRequest, InvariantViolation, WeftError
from weft.contracts.events import FirstToken, RequestEnded, Status, Transition, WaitReason
from weft.contracts.steps import TokenLogprobs
from weft.engine.replica import Output, Replica, RequestRecord
from weft.engine.sequence import Sequence
from weft.observation.conditions import sometimes

Answer = TypeVar("Answer")
Arguments = ParamSpec("Arguments")

CONTAINED = sometimes("engine: a failure was contained to one request")
CANCELLED_BLOCKED = sometimes("engine: a request was cancelled while blocked on a transfer")
CANCELLED_WAITING = sometimes("engine: a request was cancelled while waiting")
CANCELLED_RUNNING = sometimes("engine: a request was cancelled while running")
CANCELLED_PREEMPTED = sometimes("engine: a request was cancelled while preempted")
STOPPED_BY_CLIENT = sometimes("result: an output was ended by its client")
_CANCELLED = {
    Status.BLOCKED: CANCELLED_BLOCKED,
    Status.WAITING: CANCELLED_WAITING,
    Status.RUNNING: CANCELLED_RUNNING,
    Status.PREEMPTED: CANCELLED_PREEMPTED,
}


class Lifecycle:
    """Transitions and ends."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica

    def move(self, sequence: Sequence, after: Status, reason: str) -> None:
        """Change a sequence's status."""
        replica = self._replica
        before, sequence.status = sequence.status, after
        sequence.wait_reason = ""
        replica.log.record(
            Transition(replica.now_s, sequence.request.request_id, sequence.number, before, after, reason)
        )

    def begin(self, sequence: Sequence, status: Status, reason: str) -> None:
        """A sequence comes into being."""
        replica = self._replica
        sequence.status = status
        replica.log.record(
            Transition(replica.now_s, sequence.request.request_id, sequence.number, None, status, reason)
        )
        if replica.requests[sequence.request.request_id].streams:
            replica.streaming[sequence.number] = sequence

    def wait(self, sequence: Sequence, reason: str) -> None:
        """Record what keeps a sequence from running, where that has changed."""
        if sequence.wait_reason != reason:
            sequence.wait_reason = reason
            replica = self._replica
            replica.log.record(
                WaitReason(replica.now_s, sequence.request.request_id, sequence.number, reason)
            )

    def enqueue(self, sequence: Sequence) -> None:
        """Let a sequence without a row wait for one, unless its client must first say how it goes on."""
        if not sequence.is_held and not sequence.is_queued:
            self._replica.queue.push(sequence, self._replica.now_s)

    def emit(self, sequence: Sequence, tokens: tuple[int, ...]) -> None:
        """Add output tokens of an explicit entry."""
        sequence.output.extend(tokens)
        record = self._replica.requests[sequence.request.request_id]
        if not record.has_output:
            record.has_output = True
            self._replica.log.record(FirstToken(self._replica.now_s, sequence.request.request_id))

    def finish(self, sequence: Sequence, reason: str) -> None:
        """A sequence has emitted its last token, and all of its tokens are collected."""
        if not sequence.has_ended:
            self._replica.store.publish(sequence, sequence.prompt_tokens + len(sequence.output) - 1)
            self._end(sequence, Status.FINISHED, reason, tells=True)

    def stop(self, record: RequestRecord, sample_index: int, num_tokens: int) -> bool:
        """A client has ended an output with an earlier token than its last; False where there is none to end."""
        request_id, standing = record.request.request_id, self._replica.standing
        if not record.tells_each:
            raise InvalidRequest(f"request {request_id!r} is a beam search; its output cannot be ended early")
        live = (each for each in record.sequences if each.sample_index == sample_index and not each.has_ended)
        if (sequence := next(live, None)) is None:
            return False
        standing.collect(sequence)
        known = len(sequence.output)
        if not 1 <= num_tokens <= known:
            raise InvalidRequest(
                f"output {sample_index} of request {request_id!r} cannot end with token {num_tokens}; it has {known}"
            )
        # What has been computed beyond that token is true content: others may find it.
        if standing.has_advanced(sequence):
            num_units = standing.num_resolved_units(sequence)
            self.contain(sequence, self._replica.store.publish, sequence, num_units)
        if sequence.has_ended:
            return False
        self._drop_tokens(record, sequence, num_tokens)
        STOPPED_BY_CLIENT.hit()
        self._end(sequence, Status.FINISHED, "stop", tells=True)
        return True

    def _drop_tokens(self, record: RequestRecord, sequence: Sequence, num_tokens: int) -> None:
        """Forget output tokens from index `num_tokens` on, also where its client was told of them."""
        del sequence.output[num_tokens:]
        record.num_output_tokens -= max(0, sequence.streamed - num_tokens)
        sequence.streamed = min(sequence.streamed, num_tokens)

    def prune(self, sequence: Sequence, reason: str) -> None:
        """A sequence is given up while its request goes on."""
        if not sequence.has_ended:
            self._end(sequence, Status.CANCELLED, reason, tells=False)

    def end_request(self, record: RequestRecord, status: Status, reason: str) -> None:
        """End a request with all its sequences that have not ended."""
        record.outcome = (status, reason)
        if not record.tells_each:
            self._replica.outputs.append(Output(record.request.request_id, 0, (), status, reason))
        for sequence in record.sequences:
            if not sequence.has_ended:
                if status is Status.CANCELLED:
                    _CANCELLED[sequence.status].hit()
                self._end(sequence, status, reason, tells=record.tells_each)

    def conclude(self, record: RequestRecord, tokens: tuple[int, ...], reason: str) -> None:
        """End a searched request with the output that its client chose."""
        record.outcome = (Status.FINISHED, reason)
        record.num_output_tokens = len(tokens)
        self._replica.outputs.append(Output(record.request.request_id, 0, tokens, Status.FINISHED, reason))
        for sequence in record.sequences:
            self.prune(sequence, "search concluded")

    def _end(self, sequence: Sequence, status: Status, reason: str, *, tells: bool) -> None:
        replica = self._replica
        replica.standing.collect(sequence)
        replica.leave_row(sequence)
        replica.queue.remove(sequence)
        self.move(sequence, status, reason)
        if sequence.transfer_id is None:
            replica.release_state(sequence)
            replica.release_host(sequence)
        if tells:
            self.tell(sequence, status, reason)
        replica.streaming.pop(sequence.number, None)
        record = replica.requests[sequence.request.request_id]
        record.num_live -= 1
        if record.num_live == 0:
            self._close(record, status, reason)

    def tell(self, sequence: Sequence, status: Status | None, reason: str) -> None:
        """Put news of a sequence where its client will find it, or only count its tokens where nobody looks."""
        record = self._replica.requests[sequence.request.request_id]
        if not record.tells:
            record.num_output_tokens += len(sequence.output) - sequence.streamed
            sequence.streamed = len(sequence.output)
            return
        new = tuple(sequence.output[sequence.streamed :])
        if new or status is not None:
            logprobs = () if sequence.logprobs is None else _logprobs_of(sequence, new)
            request_id = sequence.request.request_id
            news = Output(request_id, sequence.sample_index, new, status, reason, logprobs)
            if sequence.report is not None and not sequence.streamed:
                known, embedding = tuple(sequence.report.logprobs), sequence.report.embedding
                news = news._replace(prompt_logprobs=known, embedding=embedding)
            sequence.streamed += len(new)
            record.num_output_tokens += len(new)
            self._replica.outputs.append(news)

    def _close(self, record: RequestRecord, status: Status, reason: str) -> None:
        replica = self._replica
        request_id = record.request.request_id
        status, reason = record.outcome or (status, reason)
        del replica.requests[request_id]
        replica.log.record(RequestEnded(replica.now_s, request_id, status, reason, record.num_output_tokens))

    def contain_each(self, sequences: Iterable[Sequence], action: Callable[[Sequence], None]) -> None:
        """Do something for each sequence, as `contain` does."""
        remaining = iter(sequences)
        while True:
            try:
                for sequence in remaining:
                    action(sequence)
                return
            except InvariantViolation:
                raise
            except Exception as error:
                self._doom(sequence, error)

    def contain(
        self,
        sequence: Sequence,
        action: Callable[Arguments, Answer],
        *args: Arguments.args,
        **more: Arguments.kwargs,
    ) -> Answer | None:
        """Do something for one sequence; if that fails, its request fails and nobody else."""
        try:
            return action(*args, **more)
        except InvariantViolation:
            raise
        except Exception as error:
            self._doom(sequence, error)
            return None

    def _doom(self, sequence: Sequence, error: Exception) -> None:
        """End a sequence now, and the others of its request once the step being planned is sealed: it may
        count on them already."""
        CONTAINED.hit()
        reason = str(error) if isinstance(error, WeftError) else f"{type(error).__name__}: {error}"
        record = self._replica.requests.get(sequence.request.request_id)
        if record is None or record.request is not sequence.request:
            return  # ended meanwhile
        if record.num_live == 1:
            self.end_request(record, Status.FAILED, reason)
            return
        record.outcome = (Status.FAILED, reason)  # also where the others come to their end meanwhile
        self._replica.doomed.append((record, reason))
        if not sequence.has_ended:
            self._end(sequence, Status.FAILED, reason, tells=record.tells_each)

    def end_doomed(self) -> None:
        """End what is left of requests one of whose sequences has failed."""
        doomed, self._replica.doomed = self._replica.doomed, []
        for record, reason in doomed:
            if record.num_live:
                self.end_request(record, Status.FAILED, reason)


def _logprobs_of(sequence: Sequence, tokens: tuple[int, ...]) -> tuple[TokenLogprobs, ...]:
    """The log-probabilities of the next tokens to be told, which asked for them."""
    assert sequence.logprobs is not None
    told = tuple(sequence.logprobs[sequence.streamed : sequence.streamed + len(tokens)])
    if tuple(each.token for each in told) != tokens:
        detail = f"{sequence}: {tokens} come with log-probabilities of {[each.token for each in told]}"
        raise InvariantViolation("logprobs_complete", detail)
    return told
