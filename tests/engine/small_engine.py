"""An engine and a fake device, stepped by hand: what is planned and what comes of it lie open."""

from collections import deque
from typing import Any
from zlib import crc32

from tests.simulator.fake_driver import BLOCK_TOKENS, LAYOUTS
from weft.contracts.events import Event, RequestEnded, Status, Transition, WaitReason
from weft.contracts.execution import ExecutorTraits
from weft.contracts.prompts import MediaItem, Prompt, TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.contracts.state import StateLayout
from weft.contracts.steps import Step, TokenLogprobs
from weft.contracts.transfers import Transfer, TransferResult
from weft.engine.block_pool import BlockPool
from weft.engine.config import EngineConfig
from weft.engine.engine import Engine
from weft.engine.sequence import Sequence
from weft.observation.event_log import EventLog
from weft.observation.legality import LegalityChecker
from weft.simulator.fake_device import FakeDevice
from weft.simulator.fake_model import FakeModelSpec
from weft.simulator.fake_reference import reference_output

MOST_STEPS = 2000


def words(name: str, count: int) -> tuple[int, ...]:
    """Tokens that no other name has."""
    return tuple(crc32(f"{name}/{index}".encode()) >> 2 for index in range(count))


def ask(
    name: str,
    prompt: int | tuple[int, ...] | Prompt = 8,
    output: int = 4,
    *,
    media: tuple[MediaItem, ...] = (),
    tenant: str = "default",
    priority: int = 0,
    adapter: str | None = None,
    salt: str | None = None,
    **sampling: Any,
) -> Request:
    """A greedy request for `output` tokens; a prompt given as a length shares nothing with others."""
    tokens = words(name, prompt) if isinstance(prompt, int) else prompt
    content = TokenPrompt(tokens, media) if isinstance(tokens, tuple) else tokens
    parameters = SamplingParams(**{"max_tokens": output, "temperature": 0.0, **sampling})
    return Request(
        name, content, parameters, tenant=tenant, priority=priority, adapter=adapter, cache_salt=salt
    )


class SmallEngine:
    """Blocks of 4 tokens, steps of at most 64, up to 8 rows and one step in flight, unless told otherwise.

    A step takes a second. Transfers that begin while a step is planned end after it, or when `land` is
    called where `holds_transfers`. `steps` holds all that were planned, `texts` and `logprobs` what was
    told of each output, `ends` how requests ended. Every event is held against the automaton of legal histories.
    """

    def __init__(
        self,
        layout: str | StateLayout = "paged",
        num_blocks: int | dict[str, int] = 64,
        num_host_blocks: int = 0,
        *,
        depth: int = 1,
        holds_transfers: bool = False,
        stop_bias: float = 0.0,
        **config: Any,
    ) -> None:
        layout = LAYOUTS[layout] if isinstance(layout, str) else layout
        self.spec = FakeModelSpec(layout, stop_bias=stop_bias)
        names = [group.name for group in self.spec.layout.groups]
        sizes = num_blocks if isinstance(num_blocks, dict) else dict.fromkeys(names, num_blocks)
        host = dict.fromkeys(names, num_host_blocks) if num_host_blocks else {}
        settings = {"max_step_tokens": 64, "max_running": 8, **config}
        self.config = EngineConfig(self.spec.layout, sizes, host, **settings)
        self.log = EventLog()
        self.log.subscribe(LegalityChecker())
        self.log.subscribe(self._note_end, RequestEnded)
        self.engine = Engine(self.config, ExecutorTraits(depth, self.spec.fingerprint), self.log)
        self.device = FakeDevice(self.spec, sizes, host, self.config.max_step_tokens)
        self.now_s = 0.0
        self.holds_transfers = holds_transfers
        self.in_flight: deque[Step] = deque()
        self.moving: list[Transfer] = []
        self.steps: list[Step] = []
        self.texts: dict[tuple[str, int], tuple[int, ...]] = {}
        self.logprobs: dict[tuple[str, int], tuple[TokenLogprobs, ...]] = {}
        self.ends: dict[str, RequestEnded] = {}

    def _note_end(self, event: RequestEnded) -> None:
        self.ends[event.request_id] = event

    def submit(self, *requests: Request, stream: bool = False) -> None:
        for request in requests:
            self.engine.submit(request, self.now_s, stream=stream)
            self._listen()

    def cancel(self, request_id: str) -> bool:
        done = self.engine.cancel(request_id, self.now_s)
        self._listen()
        return done

    def stop(self, request_id: str, num_tokens: int, sample: int = 0) -> bool:
        done = self.engine.stop_output(request_id, sample, num_tokens, self.now_s)
        self._listen()
        return done

    def fail(self, request_id: str, reason: str) -> bool:
        done = self.engine.fail(request_id, reason, self.now_s)
        self._listen()
        return done

    def update_weights(self, version: int) -> None:
        """New weights from the next step on; nothing may be in flight."""
        self.device.update_weights(version)
        self.engine.update_weights(version, self.now_s)

    def plan(self) -> Step | None:
        """Plan a step and put it in flight."""
        step = self.engine.schedule(self.now_s)
        self.moving += self.engine.take_transfers()
        if step is not None:
            self.in_flight.append(step)
            self.steps.append(step)
        self._listen()
        return step

    def finish(self) -> None:
        """A second passes, and the oldest step in flight returns."""
        self.now_s += 1.0
        result = self.device.execute(self.in_flight[0])
        self.in_flight.popleft()
        self.engine.update(result, self.now_s)
        self.moving += self.engine.take_transfers()
        self._listen()

    def break_off(self, reason: str = "the device broke") -> None:
        """The oldest step in flight does not happen."""
        self.now_s += 1.0
        step = self.in_flight.popleft()
        self.device.lose(step)
        self.engine.step_failed(step.number, reason, self.now_s)
        self._listen()

    def land(self, error: str | None = None) -> None:
        """All transfers under way end, by a failure where one is given."""
        moving, self.moving = self.moving, []
        for transfer in moving:
            self._end(transfer, self.device.move(transfer) if error is None else None, error)
        self._listen()

    def _end(self, transfer: Transfer, result: TransferResult | None, error: str | None) -> None:
        outcome = self.device.fail_move(transfer, str(error)) if result is None else result
        self.engine.transfer_ended(outcome, self.now_s)

    def step(self) -> Step | None:
        """Plan a step, let it return and its transfers end."""
        step = self.plan()
        if step is not None:
            self.finish()
        if not self.holds_transfers:
            self.land()
        return step

    def run(self) -> None:
        """Go on, with as many steps in flight as may be, until nothing is left to do; nothing may be left over."""
        for _ in range(MOST_STEPS):
            while self.plan() is not None:
                pass
            if self.in_flight:
                self.finish()
            elif not self.moving:
                break
            self.land()
        assert not self.engine.live_requests()
        self.check()

    def check(self) -> None:
        """Nothing is lost or leaked."""
        self.engine.check_integrity()

    def _listen(self) -> None:
        for output in self.engine.take_outputs():
            key = (output.request_id, output.sample_index)
            self.texts[key] = self.texts.get(key, ()) + output.tokens
            self.logprobs[key] = self.logprobs.get(key, ()) + output.logprobs

    def text(self, request: Request, sample: int = 0) -> tuple[int, ...]:
        """What was told of an output."""
        return self.texts[request.request_id, sample]

    def expect(self, *requests: Request) -> None:
        """These requests have finished with the text that the model says to each alone."""
        for request in requests:
            assert self.ends[request.request_id].status is Status.FINISHED
            for sample in range(request.sampling.n):
                assert self.text(request, sample) == reference_output(self.spec, request, sample)

    def pool(self, group: int = 0) -> BlockPool:
        """The device blocks of a state group."""
        return self.engine._replica.store.groups[group].pool

    def sequences(self, request_id: str) -> list[Sequence]:
        """The sequences of a live request, in order of creation."""
        return self.engine._replica.requests[request_id].sequences

    def status(self, request_id: str) -> Status:
        """Status of a live request's only sequence."""
        (sequence,) = self.sequences(request_id)
        return sequence.status

    def running(self) -> list[str]:
        """Who holds a row, in order of admission."""
        return [sequence.request.request_id for sequence in self.engine._replica.running.values()]

    def events(self, *kinds: type[Event]) -> list[Any]:
        return [event for event in self.log.events() if isinstance(event, kinds)]

    def reasons(self, request_id: str) -> list[str]:
        """Why a request waited, as recorded."""
        return [event.reason for event in self.events(WaitReason) if event.request_id == request_id]

    def moves(self, request_id: str) -> list[tuple[Status, str]]:
        """The statuses that a request's sequences took, with the reasons."""
        events: list[Transition] = self.events(Transition)
        return [(event.after, event.reason) for event in events if event.request_id == request_id]


__all__ = ["BLOCK_TOKENS", "SmallEngine", "ask", "words"]
