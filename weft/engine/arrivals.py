"""Requests that come, also those that another engine had before: their outputs go on from what was emitted there.

An output that is known in part is nothing new to an engine: a preempted sequence whose state was dropped is just that.
"""

from collections.abc import Sequence as SequenceOf

from weft.contracts.errors import InvalidRequest, RequestRejected, WeftError
from weft.contracts.events import Status
from weft.contracts.prompts import Sharing
from weft.contracts.requests import Emitted, Request
from weft.engine.door import Door
from weft.engine.lifecycle import Lifecycle
from weft.engine.replica import Replica, RequestRecord
from weft.engine.search import search_client
from weft.engine.sequence import Sequence

NOTHING_YET = Emitted()

Resumption = SequenceOf[Emitted] | None
"""What there is of each output of a request; empty: nothing. None: the request is new."""


class Arrivals:
    """Lets requests in and begins their sequences."""

    def __init__(self, replica: Replica, lifecycle: Lifecycle, door: Door) -> None:
        self._replica = replica
        self._lifecycle = lifecycle
        self._door = door

    def take_in(self, request: Request, resumption: Resumption, *, stream: bool, tells: bool) -> None:
        """As `Engine.submit`."""
        if request.request_id in self._replica.requests:
            raise InvalidRequest(f"request id {request.request_id!r} is in use; give each request its own")
        emitted = _emitted_outputs(request, resumption)
        self._door.record_arrival(request)
        try:
            self._door.check(request, is_new=resumption is None)
        except RequestRejected as refusal:
            self._door.record(refusal)
            raise
        client = None if emitted else search_client(request)
        record = RequestRecord(request, client, streams=stream, tells=tells)
        self._replica.requests[request.request_id] = record
        self._begin(record, emitted or (NOTHING_YET,) * (request.sampling.n if client is None else 1))

    def _begin(self, record: RequestRecord, outputs: SequenceOf[Emitted]) -> None:
        """Of outputs that are there in part, one sequence for each that has not ended."""
        client = record.client
        is_private = record.request.prompt.sharing is Sharing.NOTHING and len(outputs) == 1 and client is None
        sequences = self._new_sequences(record, outputs)
        for sequence in sequences:
            sequence.is_private = is_private
            sequence.is_synchronous = self._replica.draft is not None
            if client is not None:
                sequence.base_known -= client.held_prompt_tokens
                sequence.is_synchronous |= client.num_candidates > 0
            self._lifecycle.begin(sequence, Status.WAITING, "arrived")
        self._enqueue(record, sequences)

    def _new_sequences(self, record: RequestRecord, outputs: SequenceOf[Emitted]) -> list[Sequence]:
        """They know what was emitted, and have computed nothing."""
        for sample_index, emitted in enumerate(outputs):
            record.num_output_tokens += len(emitted.tokens)
            record.has_output |= bool(emitted.tokens)
            if not emitted.has_ended:
                sequence = self._replica.new_sequence(record, self._replica.now_s, sample_index)
                sequence.resume(emitted.tokens)
        return list(record.sequences)

    def _enqueue(self, record: RequestRecord, sequences: list[Sequence]) -> None:
        try:
            for sequence in sequences:
                self._lifecycle.enqueue(sequence)
        except WeftError as error:
            self._lifecycle.end_request(record, Status.FAILED, str(error))
            raise


def _emitted_outputs(request: Request, resumption: Resumption) -> SequenceOf[Emitted]:
    """What there is of each output; empty where there is nothing of any. Raises `InvalidRequest` where that cannot be
    of this request."""
    if not resumption or not any(each.tokens for each in resumption):
        return ()
    sampling, problem = request.sampling, None
    if len(resumption) != sampling.n:
        problem = f"{len(resumption)} outputs of it are said to be there, and it has {sampling.n}"
    elif all(each.has_ended for each in resumption):
        problem = "all its outputs have ended"
    elif any(len(each.tokens) >= sampling.max_tokens and not each.has_ended for each in resumption):
        problem = f"an output that goes on has its {sampling.max_tokens} tokens already"
    elif sampling.beam_width > 1:
        problem = "a beam search has no output before its end"
    if problem is not None:
        raise InvalidRequest(f"request {request.request_id!r} cannot go on: {problem}")
    return resumption
