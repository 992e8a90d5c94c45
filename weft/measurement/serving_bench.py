"""A workload against a server: an open loop that sends when the workload says, whatever became of what was sent."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import NamedTuple

from weft.contracts.errors import ConfigurationError
from weft.measurement.log_histogram import LogHistogram
from weft.measurement.serving_figures import RequestTimes, ServingFigures, ServingReport
from weft.measurement.serving_requests import Bodies
from weft.measurement.serving_stream import Answer, RequestFailed, stream_answer
from weft.measurement.serving_target import Target
from weft.measurement.serving_watch import OutstandingWatch
from weft.workloads.driving import drive
from weft.workloads.sessions import Session, Turn, Workload


class Totals(NamedTuple):
    """Of a whole workload."""

    num_requests: int
    prompt_tokens: int
    output_tokens: int


def check_lengths(workload: Workload, max_model_len: int | None) -> Totals:
    """Reads a workload once. Raises `ConfigurationError` for a request that is longer than the server's context."""
    num_requests = prompt_tokens = output_tokens = 0
    for session in workload.sessions():
        for index, turn in enumerate(session.turns):
            _check_length(f"{session.number}.{index}", turn, max_model_len)
            num_requests += 1
            prompt_tokens += turn.prompt.num_tokens
            output_tokens += turn.output_tokens
    return Totals(num_requests, prompt_tokens, output_tokens)


def _check_length(request_id: str, turn: Turn, max_model_len: int | None) -> None:
    prompt_tokens, output_tokens = turn.prompt.num_tokens, turn.output_tokens
    if max_model_len is not None and prompt_tokens + output_tokens > max_model_len:
        raise ConfigurationError(
            f"request {request_id} of the workload has {prompt_tokens} prompt and {output_tokens} output tokens, and "
            f"the server's max_model_len is {max_model_len}; choose a shorter workload or a server with more room"
        )


class Sent(NamedTuple):
    """What was intended of one request."""

    arrival_s: float
    prompt_tokens: int
    output_tokens: int


class ServingBench:
    """One measurement. `figures` and the counts hold what was measured so far, also where it is cut short.

    `tell` is called at the end of each request. `outstanding`: of requests under way. `lag`: seconds from when a
    request was meant to be sent to when it was ready to be. `num_uncounted`: answers whose tokens the server did not
    count. `num_other_lengths`: answers of another length than intended. `intended_prompt_tokens`: of those answered.
    """

    def __init__(
        self, target: Target, bodies: Bodies, max_concurrency: int | None, tell: Callable[[], object]
    ) -> None:
        self._target, self._bodies, self._tell = target, bodies, tell
        self._turnstile: AbstractAsyncContextManager[object] = (
            nullcontext() if max_concurrency is None else asyncio.Semaphore(max_concurrency)
        )
        self.figures, self.outstanding, self.lag = ServingFigures(), OutstandingWatch(), LogHistogram()
        self.num_uncounted = self.num_other_lengths = self.intended_prompt_tokens = self.num_cut_short = 0

    @property
    def bodies(self) -> Bodies:
        """How the server was asked."""
        return self._bodies

    async def run(self, workload: Workload) -> None:
        """To the end of the last request."""
        await drive(workload.sessions(), self._submit)

    def report(self) -> ServingReport:
        """The figures so far."""
        return self.figures.report()

    async def _submit(self, session: Session, index: int, turn: Turn, arrival_s: float) -> None:
        self.outstanding.begin(arrival_s)
        try:
            await self._measure(f"{session.number}.{index}", turn, arrival_s)
        except RequestFailed as error:
            self.figures.fail(error.reason)
        except asyncio.CancelledError:
            self.num_cut_short += 1
            raise
        finally:
            self.outstanding.end()
        self._tell()

    async def _measure(self, request_id: str, turn: Turn, arrival_s: float) -> None:
        body = self._bodies.body(turn.prompt, request_id, turn.output_tokens)
        self.lag.observe(max(0.0, asyncio.get_running_loop().time() - arrival_s))
        async with self._turnstile:
            answer = await stream_answer(self._target.client, self._bodies.path, body)
        self._add(Sent(arrival_s, turn.prompt.num_tokens, turn.output_tokens), answer)

    def _add(self, sent: Sent, answer: Answer) -> None:
        self.num_uncounted += not answer.is_counted
        self.num_other_lengths += answer.output_tokens != sent.output_tokens
        self.intended_prompt_tokens += sent.prompt_tokens
        self.figures.add(
            RequestTimes(
                sent.arrival_s,
                answer.first_s,
                answer.last_s,
                sent.prompt_tokens if answer.prompt_tokens is None else answer.prompt_tokens,
                answer.output_tokens,
                [(gap_s, 1) for gap_s in answer.gaps_s],
            )
        )
