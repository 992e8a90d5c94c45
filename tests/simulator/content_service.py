"""A simulated service whose executors also compute the fake model: the same history, and every text is checked."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

from weft.contracts.errors import InvariantViolation
from weft.contracts.events import RequestEnded
from weft.contracts.record import replaced
from weft.contracts.requests import Request
from weft.contracts.state import Tier
from weft.contracts.steps import Step, StepResult
from weft.contracts.transfers import Transfer
from weft.engine.driver import EngineDriver, News
from weft.simulator import service, simulated_replica
from weft.simulator.coasting_driver import Answered
from weft.simulator.deployment import Deployment
from weft.simulator.fake_device import FakeDevice
from weft.simulator.fake_executor import FakeExecutor
from weft.simulator.fake_model import FakeModelSpec
from weft.simulator.fake_reference import reference_output
from weft.simulator.simulated_rows import SimulatedRows


class _EndedDevice(FakeDevice):
    """A fake device whose outputs end where `ended` says, by number of the step, and not with a token.

    `num_steps`: that it has executed.
    """

    ended: dict[int, tuple[int, ...]]
    num_steps = 0

    def execute(self, step: Step) -> StepResult:
        self.num_steps += 1
        return replaced(super().execute(step), finished=self.ended.pop(step.number))


class ContentExecutor(FakeExecutor):
    """Takes the time that a `SimulatedExecutor` takes, ends outputs where that ends them, and computes the fake model
    and its checks besides."""

    def __init__(
        self, deployment: Deployment, output_tokens: Mapping[str, Sequence[int]], depth: int, seed: int
    ) -> None:
        config, spec = deployment.config, FakeModelSpec(deployment.config.layout)
        super().__init__(
            spec,
            config.num_blocks,
            config.num_host_blocks,
            depth=depth,
            step_s=self._remaining_s,
            transfer_s=self._passing_s,
            max_step_tokens=config.max_step_tokens,
        )
        device = _EndedDevice(spec, config.num_blocks, config.num_host_blocks, config.max_step_tokens)
        device.ended = {}
        self._device = self.device = self._ended_device = device
        self.busy_s, self.joules = 0.0, None
        self._deployment = deployment
        longest = deployment.costs.wants_longest
        self._rows = SimulatedRows(output_tokens, deployment.windows_tokens, wants_longest=longest)
        self._free_s, self._end_s = 0.0, dict[int, float]()
        self._link_free_s: dict[Tier, float] = {}

    @property
    def num_steps(self) -> int:
        """Steps that have ended."""
        return self._ended_device.num_steps

    def submit(self, work: Step) -> "asyncio.Future[StepResult]":
        """Queue a step, which ends when it would without content."""
        applied = self._rows.apply(work)
        seconds = applied.seconds(self._deployment.costs)
        self._ended_device.ended[work.number] = applied.finished
        self.busy_s += seconds
        self._free_s = max(self._free_s, asyncio.get_running_loop().time()) + seconds
        self._end_s[work.number] = self._free_s
        return super().submit(work)

    def _remaining_s(self, step: Step) -> float:
        return self._end_s.pop(step.number) - asyncio.get_running_loop().time()

    def _passing_s(self, transfer: Transfer) -> float:
        """Transfers in one direction follow each other."""
        now_s = asyncio.get_running_loop().time()
        num_bytes = sum(self._deployment.block_bytes[move.group] for move in transfer.moves)
        begin_s = max(now_s, self._link_free_s.get(transfer.source, 0.0))
        self._link_free_s[transfer.source] = begin_s + self._deployment.host_link.seconds(num_bytes)
        return self._link_free_s[transfer.source] - now_s


class CheckedDriver(EngineDriver):
    """Compares what it tells of each request with what the request yields alone."""

    def answer(self, request: Request, answered: Answered) -> None:
        """As `CoastingDriver.answer`."""
        news = self.submit(request)
        asyncio.get_running_loop().create_task(self._check(request, news, answered))

    async def _check(self, request: Request, news: News, answered: Answered) -> None:
        told = [list[int]() for _ in range(request.sampling.n)]
        while not isinstance(item := await news.get(), RequestEnded | Exception):
            told[item.sample_index] += item.tokens
        try:
            for sample_index, tokens in enumerate(told):
                self._compare(request, sample_index, tokens)
        except InvariantViolation as violation:
            item = violation
        answered(item)

    def _compare(self, request: Request, sample_index: int, told: list[int]) -> None:
        executor: object = self._executor  # patched, see below
        assert isinstance(executor, ContentExecutor)
        sampling = replace(request.sampling, max_tokens=len(told))
        alone = reference_output(executor.device.spec, replace(request, sampling=sampling), sample_index)
        if tuple(told) != alone:
            raise InvariantViolation("same_text", f"{request.request_id}: {told}, alone it is {alone}")


@contextmanager
def checked_content() -> Iterator[None]:
    """Services of one replica that are simulated until it is left have content, and check it."""
    with (
        patch.object(simulated_replica, "SimulatedExecutor", ContentExecutor),
        patch.object(service, "CoastingDriver", CheckedDriver),
    ):
        yield
