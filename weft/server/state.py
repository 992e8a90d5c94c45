"""What the server is doing: loading, serving, draining; with which model."""

import asyncio
from dataclasses import dataclass
from enum import Enum

from weft.contracts.events import RequestArrived, RequestEnded, StepRecord
from weft.llm.async_llm import AsyncLLM
from weft.observation.metrics import EngineMetrics
from weft.server.bodies import MOST_BODY_BYTES
from weft.server.errors import ApiError, unavailable

STALLED_AFTER_S = 60.0
"""A step of 2,048 prompt tokens takes two cores about 10 s with a model of 0.35 G parameters; whoever serves a
larger one on a CPU allows more (--stalled-after). A GPU is far below."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How the server behaves. `model_names`: what clients may call the model, the first in answers and metrics.
    `api_keys`: of which one is required where there are any. `stalled_after_s`: an engine with work that has
    ended no step for so long is not healthy. `most_body_bytes`: of a request."""

    model_names: tuple[str, ...]
    api_keys: tuple[str, ...] = ()
    stalled_after_s: float = STALLED_AFTER_S
    most_body_bytes: int = MOST_BODY_BYTES


class Phase(Enum):
    """The life of a server."""

    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"


class Progress:
    """Whether the engine gets on: since when it has had work, and when its last step ended."""

    def __init__(self, llm: AsyncLLM) -> None:
        self.num_unfinished = 0
        self._since_s = 0.0
        llm.log.subscribe(self._on_arrival, RequestArrived)
        llm.log.subscribe(self._on_end, RequestEnded)
        llm.log.subscribe(self._on_step, StepRecord)

    def standstill_s(self, now_s: float) -> float:
        """For how long there has been work and no step has ended; 0 when idle."""
        return now_s - self._since_s if self.num_unfinished else 0.0

    def _on_arrival(self, event: RequestArrived) -> None:
        if not self.num_unfinished:
            self._since_s = event.time_s
        self.num_unfinished += 1

    def _on_end(self, event: RequestEnded) -> None:
        self.num_unfinished -= 1

    def _on_step(self, record: StepRecord) -> None:
        self._since_s = record.time_s


class Loaded:
    """A model that is ready, and what watches it."""

    def __init__(self, llm: AsyncLLM) -> None:
        self.llm = llm
        self.metrics = EngineMetrics(llm.log)
        self.progress = Progress(llm)


class ServerState:
    """Shared by all routes. Lives on one event loop."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.phase = Phase.LOADING
        self.num_in_progress = 0
        """Requests for output that have not been answered."""
        self.drained = asyncio.Event()
        """Set once the server drains and none is in progress."""
        self._loaded: Loaded | None = None

    def model_is_ready(self, llm: AsyncLLM) -> None:
        """From now on requests are answered."""
        self._loaded = Loaded(llm)
        if self.phase is Phase.LOADING:
            self.phase = Phase.READY

    @property
    def loaded(self) -> Loaded:
        """The model. Raises `ApiError` 503 while it is being loaded."""
        if self._loaded is None:
            raise unavailable("the model is being loaded; try again when /ready answers 200", "loading")
        return self._loaded

    def drain(self) -> None:
        """Take no more requests for output; those in progress go on."""
        self.phase = Phase.DRAINING
        self._note_drained()

    def admit(self) -> Loaded:
        """Let a request for output in; `leave` must follow. Raises `ApiError` 503 where none can be served."""
        loaded = self.loaded
        if self.phase is Phase.DRAINING:
            raise unavailable(
                "the server is about to stop and takes no new requests; ask another", "draining"
            )
        if loaded.llm.defect is not None:
            raise unavailable("the engine has stopped by a defect; restart the server", "engine_stopped")
        self.num_in_progress += 1
        return loaded

    def leave(self) -> None:
        """A request that was admitted is over."""
        self.num_in_progress -= 1
        self._note_drained()

    def _note_drained(self) -> None:
        if self.phase is Phase.DRAINING and self.num_in_progress == 0:
            self.drained.set()

    def check_model(self, name: str) -> None:
        """Raises `ApiError` 404 where this model is not served, naming those that are."""
        names = self.settings.model_names
        if name not in names:
            served = ", ".join(repr(each) for each in names)
            raise ApiError(
                404,
                f"model {name!r} is not served here; served are: {served}",
                param="model",
                code="model_not_found",
            )
