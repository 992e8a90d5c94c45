"""What the server is doing: loading, serving, draining; with which model."""

import asyncio
import logging
from dataclasses import dataclass
from enum import Enum

from weft.llm.async_llm import AsyncLLM
from weft.llm.cluster_llm import ClusterLLM
from weft.llm.language_model import LanguageModel
from weft.observation.metrics import EngineMetrics
from weft.server.callers.intake import Intake
from weft.server.errors import ApiError, unavailable
from weft.server.health.cluster_health import ClusterHealth
from weft.server.health.progress import STALLED_AFTER_S, Health, Progress
from weft.server.http.bodies import MOST_BODY_BYTES

log = logging.getLogger("weft.server")


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """How the server behaves. `model_names`: what clients may call the model, the first in answers and metrics.
    `api_keys`: of which one is required where there are any, each as `ApiKey.read` takes it. `allow_unauthenticated`:
    without keys whoever can connect is answered, by whatever name it calls this machine. `stalled_after_s`: an
    engine with work that has ended no step for so long is not healthy. `most_body_bytes`: of a request."""

    model_names: tuple[str, ...]
    api_keys: tuple[str, ...] = ()
    stalled_after_s: float = STALLED_AFTER_S
    most_body_bytes: int = MOST_BODY_BYTES
    allow_unauthenticated: bool = False


class Phase(Enum):
    """The life of a server."""

    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"


class Loaded:
    """A model that is ready, and what watches it."""

    def __init__(self, llm: LanguageModel, stalled_after_s: float) -> None:
        self.llm = llm
        self.metrics = EngineMetrics(llm.log)
        self.progress = _health(llm, stalled_after_s)


def _health(llm: LanguageModel, stalled_after_s: float) -> Health:
    if isinstance(llm, ClusterLLM):
        return ClusterHealth(llm)
    assert isinstance(llm, AsyncLLM)
    return Progress(llm, stalled_after_s)


class ServerState:
    """Shared by all routes. Lives on one event loop."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        self.phase = Phase.LOADING
        self.num_in_progress = 0
        """Requests for output that have not been answered."""
        self.draining = asyncio.Event()
        self.drained = asyncio.Event()
        """Set once the server drains and none is in progress."""
        self.intake = Intake()
        self._loaded: Loaded | None = None

    def model_is_ready(self, llm: LanguageModel) -> None:
        """From now on requests are answered."""
        self._loaded = Loaded(llm, self.settings.stalled_after_s)
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
        self.draining.set()
        self._note_drained()

    def restart(self) -> None:
        """Let replicas be restarted, one after the other, where there are several."""
        llm = None if self._loaded is None else self._loaded.llm
        if isinstance(llm, ClusterLLM):
            llm.restart_replicas()
        else:
            log.warning("asked to restart replicas, and there are none beside this process")

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
