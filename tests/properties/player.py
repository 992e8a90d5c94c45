"""Plays an engine against a fake device, in any order of returns, and checks every promise on the way.

The player is the other half of a sans-IO engine: it executes steps in order (when it is told to), moves
state when it is told to, fails what it is told to fail, and at the end compares every text with that of the
request alone.
"""

from collections import deque
from dataclasses import dataclass, field

from weft.contracts.errors import InvalidRequest, InvariantViolation, PolicyError, RequestRejected
from weft.contracts.events import PrefixLookup, RequestEnded, Status, Transition
from weft.contracts.execution import ExecutorTraits
from weft.contracts.requests import Request
from weft.contracts.steps import Step, TokenLogprobs
from weft.contracts.transfers import Transfer
from weft.engine.config import EngineConfig
from weft.engine.engine import Engine
from weft.observation.event_log import EventLog
from weft.observation.legality import LegalityChecker
from weft.simulator.fake_device import FakeDevice
from weft.simulator.fake_model import FakeModelSpec
from weft.simulator.fake_reference import reference_beams, reference_logprobs, reference_output


@dataclass
class Told:
    """What the engine told of one output."""

    tokens: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprobs] = field(default_factory=list)
    status: Status | None = None
    is_stopped: bool = False

    def stop(self, num_tokens: int) -> None:
        """Keep what its client wants of it."""
        self.is_stopped = True
        del self.tokens[num_tokens:], self.logprobs[num_tokens:]


def may_share(source: Request, user: Request, block_tokens: int) -> bool:
    """Whether cached state of one request may begin another: same client, salt and adapter, same first block."""
    salts = [
        (each.cache_salt is None, each.cache_salt or each.tenant, each.adapter) for each in (source, user)
    ]
    if source.prompt.num_tokens < block_tokens:
        return salts[0] == salts[1]  # its output completes the block
    begins = [each.prompt.content_key(0, block_tokens) for each in (source, user)]
    return salts[0] == salts[1] and begins[0] == begins[1]


class Player:
    """One engine and one fake device. Time advances by a microsecond per action."""

    def __init__(self, spec: FakeModelSpec, config: EngineConfig, depth: int = 2) -> None:
        self.spec = spec
        self.log = EventLog(1 << 20)
        self.legality = LegalityChecker()
        self.log.subscribe(self.legality)
        self.engine = Engine(config, ExecutorTraits(depth, spec.fingerprint), self.log)
        self.device = FakeDevice(spec, config.num_blocks, config.num_host_blocks, config.max_step_tokens)
        self.steps: deque[Step] = deque()
        self.transfers: list[Transfer] = []
        self.requests: dict[str, Request] = {}
        self.told: dict[tuple[str, int], Told] = {}
        self.ended: dict[str, Status] = {}
        self.num_output_tokens: dict[str, int] = {}
        self.spans_versions: dict[str, None] = {}
        self.versions: dict[str, int] = {}
        self.version = 0
        self.now_s = 0.0
        self.owners: dict[int, str] = {}
        self.log.subscribe(self._note_end, RequestEnded)
        self.log.subscribe(self._note_owner, Transition)
        self.admitted: dict[str, None] = {}
        self.log.subscribe(self._check_sharing, PrefixLookup)

    def _note_end(self, event: RequestEnded) -> None:
        self.ended[event.request_id] = event.status
        self.num_output_tokens[event.request_id] = event.output_tokens

    def _note_owner(self, event: Transition) -> None:
        self.owners[event.sequence_number] = event.request_id

    def _check_sharing(self, event: PrefixLookup) -> None:
        """What a request finds was computed for one that it may share with, since the weights last changed."""
        request, block_tokens = self.requests[event.request_id], self.spec.layout.block_tokens
        sources = [self.requests[each] for each in self.admitted]
        if event.hit_tokens and not any(may_share(source, request, block_tokens) for source in sources):
            detail = f"{event.request_id} found {event.hit_tokens} tokens that none of its own kind computed"
            raise InvariantViolation("clients_apart", detail)
        self.admitted[event.request_id] = None

    def tick(self) -> float:
        """The time of the next action."""
        self.now_s += 1e-6
        return self.now_s

    def submit(self, request: Request, *, stream: bool = False) -> None:
        """Ask for something; a refusal is an end like others."""
        self.requests[request.request_id] = request
        self.versions[request.request_id] = self.version
        try:
            self.engine.submit(request, self.tick(), stream=stream)
        except RequestRejected:
            self._require_end(request, Status.REJECTED)
        except PolicyError:
            self._require_end(request, Status.FAILED)
        self._listen()

    def _require_end(self, request: Request, status: Status) -> None:
        if self.ended.get(request.request_id) is not status:
            raise InvariantViolation(
                "ends_once", f"{request.request_id} was refused, and did not end {status}"
            )

    def cancel(self, request_id: str) -> None:
        """Give up a request."""
        self.engine.cancel(request_id, self.tick())
        self._listen()

    def stop(self, request_id: str, sample: int, num_tokens: int) -> bool:
        """The client finds that an output ends there; whether the engine agrees that it has got so far."""
        try:
            is_stopped = self.engine.stop_output(request_id, sample, num_tokens, self.tick())
        except InvalidRequest:
            is_stopped = False
        self._listen()
        if is_stopped:
            told = self.told[request_id, sample]
            told.stop(num_tokens)
            if (told.status, len(told.tokens)) != (Status.FINISHED, num_tokens):
                detail = f"{request_id} sample {sample} ends with token {num_tokens}; told was {told}"
                raise InvariantViolation("stops_where_asked", detail)
        return is_stopped

    def fail(self, request_id: str) -> None:
        """Something outside the engine goes wrong for a request."""
        self.engine.fail(request_id, "made to fail", self.tick())
        self._listen()

    def plan(self) -> bool:
        """Let the engine plan one more step; whether it did. What a policy spoils fails, as when driven."""
        try:
            step = self.engine.schedule(self.tick())
        except PolicyError as error:
            gave_up = self.engine.give_up(error, self.tick())
            self._listen()
            return gave_up
        self._listen()
        if step is None:
            return False
        self.steps.append(step)
        return True

    def execute(self, error: str | None = None) -> bool:
        """Execute the oldest step in flight, or let it and all after it fail; whether there was one."""
        if not self.steps:
            return False
        if error is None:
            self.engine.update(self.device.execute(self.steps.popleft()), self.tick())
            self._listen()
            return True
        for _ in range(len(self.steps)):
            step = self.steps.popleft()
            self.device.lose(step)
            self.engine.step_failed(step.number, error, self.tick())
            self._listen()
            self.plan()
        return True

    def move(self, which: int = 0, error: str | None = None) -> bool:
        """Let one of the transfers under way arrive or fail; whether there was one."""
        if not self.transfers:
            return False
        transfer = self.transfers.pop(which % len(self.transfers))
        result = self.device.move(transfer) if error is None else self.device.fail_move(transfer, error)
        self.engine.transfer_ended(result, self.tick())
        self._listen()
        return True

    def update_weights(self) -> None:
        """The model changes between two steps."""
        while self.steps:
            self.execute()
        self.version += 1
        self.admitted.clear()
        self.device.update_weights(self.version)
        for request_id in self.engine.live_requests():
            self.spans_versions[request_id] = None
        self.engine.update_weights(self.version, self.tick())

    def _listen(self) -> None:
        self.transfers += self.engine.take_transfers()
        for output in self.engine.take_outputs():
            told = self.told.setdefault((output.request_id, output.sample_index), Told())
            if told.status is not None:
                raise InvariantViolation("ends_once", f"{output.request_id} was told more after its end")
            told.tokens += output.tokens
            told.logprobs += output.logprobs
            told.status = output.status

    def settle(self, max_actions: int = 200_000) -> None:
        """Let everything under way and everything that waits come to its end."""
        for _ in range(max_actions):
            if not self.plan() and not self.execute() and not self.move():
                break
        self.engine.check_integrity()
        if self.engine.live_requests():
            raise InvariantViolation("progress", f"stuck with {self.engine.live_requests()}")
        self.legality.finish()
        self.check_texts()

    def check_texts(self) -> None:
        """Every output is what the request yields alone; what was cut short is a beginning of it."""
        for request_id, request in self.requests.items():
            if request_id not in self.ended:
                raise InvariantViolation("ends_once", f"{request_id} never ended")
            self._check_told(request)
            if request_id in self.spans_versions:
                continue
            if self.ended[request_id] is Status.FINISHED:
                self._check_whole(request)
            else:
                self._check_beginnings(request)

    def _check_told(self, request: Request) -> None:
        """The tokens told are those counted, and each has its log-probability where the request asks."""
        asks, count = request.sampling.logprobs is not None, self.num_output_tokens[request.request_id]
        all_told = [told for (request_id, _), told in self.told.items() if request_id == request.request_id]
        if sum(len(told.tokens) for told in all_told) != count:
            raise InvariantViolation(
                "tokens_counted", f"{request.request_id}: {count} tokens, told {all_told}"
            )
        for told in all_told:
            if [each.token for each in told.logprobs] != (told.tokens if asks else []):
                raise InvariantViolation("same_logprobs", f"{request.request_id}: {told}")

    def _expected(self, request: Request, sample: int) -> list[int]:
        version = self.versions[request.request_id]
        if request.sampling.beam_width > 1:
            return list(reference_beams(self.spec, request, version))
        return list(reference_output(self.spec, request, sample, version))

    def _check_whole(self, request: Request) -> None:
        for sample in range(request.sampling.n):
            told = self.told.get((request.request_id, sample), Told())
            expected = self._expected(request, sample)
            self._compare(
                request, sample, told, expected[: len(told.tokens)] if told.is_stopped else expected
            )

    def _check_beginnings(self, request: Request) -> None:
        for sample in range(request.sampling.n):
            told = self.told.get((request.request_id, sample), Told())
            expected = self._expected(request, sample)
            self._compare(request, sample, told, expected[: len(told.tokens)])

    def _compare(self, request: Request, sample: int, told: Told, expected: list[int]) -> None:
        name, version = f"{request.request_id} sample {sample}", self.versions[request.request_id]
        if told.tokens != expected:
            raise InvariantViolation("same_text", f"{name}: {told.tokens}, alone it is {expected}")
        if told.logprobs:
            alone = list(reference_logprobs(self.spec, request, tuple(expected), version))
            if told.logprobs != alone:
                raise InvariantViolation("same_logprobs", f"{name}: {told.logprobs}, alone it is {alone}")
