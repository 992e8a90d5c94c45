"""Which servers and engines a load is given to, and how each is started: with its defaults, but for threads, formats
and room for the longest request."""

import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from weft.contracts.errors import ConfigurationError
from weft.measurement.peers.driver_process import DriverProcess, Place
from weft.measurement.peers.drivers.with_weft import OPTIONS_VARIABLE
from weft.measurement.peers.llama_server import llama_server
from weft.measurement.peers.peer import PEERS, Peer
from weft.measurement.peers.services import HttpService, ProcessService, Service, http_service

INSTALL_TIMEOUT_S = 3600.0
ANSWER_TIMEOUT_S = 900.0
LONGEST_TOKENS = 4096
LLAMA_SLOTS = 4
"""As many as the server has where nothing is said; each is given room for the longest request."""
WEFT_KIND, LLAMA_KIND, OPENVINO_KIND = "int4", "q4_0", "int4"

LLAMA_SERVER = Peer(
    "llama-server",
    ("gguf", "safetensors", "torch", "cmake", "ninja"),
    (LLAMA_KIND,),
    converter="llama-cpp-python",
)
OPENVINO_GENAI = Peer(
    "openvino-genai",
    ("openvino", "openvino-genai", "optimum-intel[openvino]", "nncf", "torch"),
    (OPENVINO_KIND,),
    unwanted=("torchvision",),
)


class Opening(NamedTuple):
    """Where a service is to be had. `root`: of the benchmark; `model`: the checkpoint."""

    root: Path
    model: Path
    threads: int


class ServingEntrant(NamedTuple):
    """`is_over_http`: its client is in another process, asking for streams."""

    name: str
    is_over_http: bool
    open: Callable[[Opening], AbstractAsyncContextManager[Service]]

    @property
    def is_ours(self) -> bool:
        """Whether it is Weft."""
        return self.name.startswith("weft")


@asynccontextmanager
async def _weft_server(given: Opening) -> AsyncIterator[HttpService]:
    flags = ["--backend", "cpu", "--quantization", WEFT_KIND, "--kv-cache-dtype", "int8"]
    sizes = ["--threads", str(given.threads), "--max-model-len", str(LONGEST_TOKENS), "--port", "PORT"]
    command = [sys.executable, "-m", "weft.cli.main", "serve", str(given.model), *flags, *sizes]
    async with http_service(command, given.root / "weft-server.log") as service:
        yield service


@asynccontextmanager
async def _llama_server(given: Opening) -> AsyncIterator[HttpService]:
    place = Place(given.root, LLAMA_SERVER)
    place.install(INSTALL_TIMEOUT_S)
    program = llama_server(place, INSTALL_TIMEOUT_S)
    files = place.convert(given.model, LLAMA_KIND, INSTALL_TIMEOUT_S)
    sizes = ["-t", str(given.threads), "-np", str(LLAMA_SLOTS), "-c", str(LLAMA_SLOTS * LONGEST_TOKENS)]
    where = ["--host", "127.0.0.1", "--port", "PORT"]
    command = [str(program), "-m", str(files / "model.gguf"), *sizes, *where]
    async with http_service(command, place.log) as service:
        yield service


@asynccontextmanager
async def _weft_engine(given: Opening) -> AsyncIterator[ProcessService]:
    place = Place(given.root, PEERS["weft"])
    files = place.convert(given.model, WEFT_KIND, INSTALL_TIMEOUT_S)
    options = {"kv_cache_dtype": "int8", "max_model_len": LONGEST_TOKENS, "max_num_seqs": 256}
    environment = {OPTIONS_VARIABLE: json.dumps(options)}
    with DriverProcess(place, WEFT_KIND, files, given.threads, ANSWER_TIMEOUT_S, environment) as process:
        yield ProcessService(process)


@asynccontextmanager
async def _openvino_genai(given: Opening) -> AsyncIterator[ProcessService]:
    place = Place(given.root, OPENVINO_GENAI)
    place.install(INSTALL_TIMEOUT_S)
    files = place.convert(given.model, OPENVINO_KIND, INSTALL_TIMEOUT_S)
    with DriverProcess(place, OPENVINO_KIND, files, given.threads, ANSWER_TIMEOUT_S, {}) as process:
        yield ProcessService(process)


ENTRANTS = {
    entrant.name: entrant
    for entrant in (
        ServingEntrant("weft-server", True, _weft_server),
        ServingEntrant("llama-server", True, _llama_server),
        ServingEntrant("weft-engine", False, _weft_engine),
        ServingEntrant("openvino-genai", False, _openvino_genai),
    )
}
"""By name, in the order of reports: over HTTP, then in process."""


def serving_entrants(names: tuple[str, ...]) -> list[ServingEntrant]:
    """By names; none: all. Raises `ConfigurationError` for an unknown one."""
    for name in names:
        if name not in ENTRANTS:
            raise ConfigurationError(f"engine {name!r} is unknown; choose from {', '.join(ENTRANTS)}")
    return [ENTRANTS[name] for name in names or tuple(ENTRANTS)]
