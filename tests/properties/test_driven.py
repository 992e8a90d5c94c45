"""The same promises when the asyncio driver runs the engine in virtual time, steps and transfers taking
time of their own and clients coming, streaming and leaving as they like."""

import asyncio
from random import Random

import pytest

from tests.properties.worlds import World
from weft.contracts.errors import InvariantViolation, RequestRejected
from weft.contracts.events import RequestEnded, Status, StepRecord, TransferEnded
from weft.contracts.requests import Request
from weft.contracts.transfers import Transfer
from weft.engine.client import generate, stream
from weft.engine.driver import EngineDriver
from weft.observation.event_log import EventLog
from weft.observation.jsonl import to_json_line
from weft.observation.legality import LegalityChecker
from weft.simulator.fake_executor import FakeExecutor
from weft.simulator.fake_reference import reference_beams, reference_logprobs, reference_output
from weft.simulator.virtual_time import run


def require_same(request: Request, told: object, expected: object) -> None:
    """What a client was told is what the request yields alone."""
    if told != expected:
        raise InvariantViolation("same_text", f"{request.request_id}: {told}, alone it is {expected}")


class DrivenWorld:
    """A world whose engine is driven, with many clients."""

    def __init__(self, seed: int) -> None:
        self.world = World(seed)
        self.random = Random(seed)
        self.legality = LegalityChecker()
        self.log = EventLog(1 << 20)
        self.log.subscribe(self.legality)
        self.ends: list[Status] = []

    def _fails(self, transfer: Transfer) -> str | None:
        return "link down" if self.random.random() < 0.2 else None

    async def serve(self, num_clients: int) -> None:
        """Let clients come and go; check all when they are gone."""
        config = self.world.config()
        executor = FakeExecutor(
            self.world.spec,
            config.num_blocks,
            config.num_host_blocks,
            depth=self.world.depth,
            step_s=lambda _: self.random.choice([0.001, 0.01]),
            transfer_s=lambda _: self.random.choice([0.0, 0.005, 0.3]),
            max_step_tokens=config.max_step_tokens,
            transfer_fails=self._fails,
        )
        driver = EngineDriver(config, executor, self.log)
        async with asyncio.TaskGroup() as clients:
            for number in range(num_clients):
                clients.create_task(self._visit(driver, number))
        await asyncio.sleep(60.0)  # longer than anything under way
        driver.engine.check_integrity()
        self._check_nothing_hidden()
        self.legality.finish()

    def _check_nothing_hidden(self) -> None:
        """No step fails here, and transfers only as they are told to: a device that complains has been misused."""
        for event in self.log.events():
            failed = isinstance(event, StepRecord) and event.failed
            if failed or (isinstance(event, TransferEnded) and event.error not in (None, "link down")):
                raise InvariantViolation("contract_kept", f"{event}")

    def _request(self, number: int) -> Request:
        tenant = self.random.choice("ab")
        return Request(f"{tenant}/{number}", self.world.prompt(), self.world.sampling(), tenant=tenant)

    async def _visit(self, driver: EngineDriver, number: int) -> None:
        request, patience_s = self._request(number), self.random.choice([0.02, 0.2, 60.0, 60.0])
        await asyncio.sleep(self.random.random() * 0.3)
        try:
            async with asyncio.timeout(patience_s):
                if self.random.random() < 0.5:
                    await self._follow(driver, request)
                else:
                    await self._wait(driver, request)
        except (RequestRejected, TimeoutError):
            self.ends.append(Status.CANCELLED)

    def _expected(self, request: Request, sample: int) -> tuple[int, ...]:
        if request.sampling.beam_width > 1:
            return reference_beams(self.world.spec, request)
        return reference_output(self.world.spec, request, sample)

    async def _wait(self, driver: EngineDriver, request: Request) -> None:
        completion = await generate(driver, request)
        self.ends.append(completion.status)
        if completion.status is Status.FINISHED:
            expected = tuple(self._expected(request, s) for s in range(request.sampling.n))
            require_same(request, completion.outputs, expected)
            if request.sampling.logprobs is not None:
                logprobs = tuple(reference_logprobs(self.world.spec, request, each) for each in expected)
                require_same(request, completion.logprobs, logprobs)

    async def _follow(self, driver: EngineDriver, request: Request) -> None:
        """Some find a stop string in the first few tokens, after some more have come."""
        told: dict[int, tuple[int, ...]] = {}
        stops: dict[int, int] = {}
        patience_tokens = self.random.choice([2, 5, 1000])
        async for news in stream(driver, request):
            if isinstance(news, RequestEnded):
                self.ends.append(news.status)
                if news.status is Status.FINISHED:
                    require_same(request, news.output_tokens, sum(len(tokens) for tokens in told.values()))
                continue
            sample = news.sample_index
            if sample in stops:
                continue
            so_far = told[sample] = told.get(sample, ()) + news.tokens
            require_same(request, so_far, self._expected(request, sample)[: len(so_far)])
            if news.status is None and len(so_far) > patience_tokens:
                end = self.random.randrange(1, patience_tokens + 1)
                if driver.stop_output(request.request_id, sample, end):
                    stops[sample] = end
                    told[sample] = so_far[:end]


def log_of(seed: int, num_clients: int) -> list[str]:
    """Serve in virtual time and return the event log."""
    world = DrivenWorld(seed)
    run(world.serve(num_clients))
    assert Status.FINISHED in world.ends
    return [to_json_line(event) for event in world.log.events()]


@pytest.mark.parametrize("seed", range(40))
def test_driven_histories_keep_every_promise(seed: int) -> None:
    log_of(seed, num_clients=20)


def test_the_same_seed_gives_the_same_log() -> None:
    assert log_of(5, num_clients=20) == log_of(5, num_clients=20)


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_many_driven_histories(seed: int) -> None:
    log_of(seed, num_clients=60)
