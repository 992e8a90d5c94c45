"""From a socket to the end of the process: listening, loading, serving, draining."""

import asyncio
import logging
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import uvicorn
from starlette.types import ASGIApp

from weft.contracts.errors import ConfigurationError
from weft.llm.language_model import LanguageModel
from weft.server.app import make_app
from weft.server.health.watchdog import Watchdog
from weft.server.http.http_protocol import protocol_with
from weft.server.http.patience import Patience
from weft.server.signals import stop_on_signals
from weft.server.state import ServerState

Model = TypeVar("Model", bound=LanguageModel)

log = logging.getLogger("weft.server")

BACKLOG = 2048
"""Connections that the kernel keeps while the loop is busy: uvicorn's own figure."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any that is free. Raises `ConfigurationError` where that cannot be.

    Listening begins before the model is loaded, so that a port in use is found at once.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise ConfigurationError(f"host {host!r} has no address ({error.strerror}); try 127.0.0.1") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"cannot listen on {host} port {port} ({error.strerror}); choose another with --port, or --port 0 "
            "for any that is free"
        ) from None
    return listener


LINGER_S = 5
"""For connections to close once nothing is in progress any more: a client may be slow to read its last answer."""
MOST_FILES = 1 << 16
"""Wanted of the system: each connection takes one, and its usual limit is 1,024."""


class _Server(uvicorn.Server):
    """Leaves signals to us: the first drains, which uvicorn does not do."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    listener: socket.socket,
    state: ServerState,
    load: Callable[[], Model],
    on_ready: Callable[[Model], None] = lambda llm: None,
    patience: Patience | None = None,
) -> None:
    """Serve on this socket until drained. `load` runs in a thread meanwhile; `on_ready` is told of its end.

    SIGTERM and SIGINT drain where this runs in the main thread, a second one ends the process at once. Raises
    what `load` raises.
    """
    waits = patience or Patience()
    _raise_file_limit()
    server, watchdog = _http_server(make_app(state), waits), Watchdog(listener)
    if threading.current_thread() is threading.main_thread():
        stop_on_signals(state, waits.shutdown_s + 2 * LINGER_S)
    serving = asyncio.ensure_future(server.serve(sockets=[listener]))
    watchdog.start()
    llm: Model | None = None
    try:
        llm = await _in_thread(load)
        await llm.start()
        state.model_is_ready(llm)
        on_ready(llm)
        draining = asyncio.ensure_future(_drain(state, llm, waits.shutdown_s))
        await asyncio.wait((serving, draining), return_when=asyncio.FIRST_COMPLETED)
        draining.cancel()
    finally:
        watchdog.stop()
        server.should_exit = True
        await serving
        if llm is not None:
            await llm.close()


async def _drain(state: ServerState, llm: LanguageModel, most_s: float) -> None:
    """From when that is asked for until nothing is in progress any more, or time is up and clients are told so."""
    await state.draining.wait()
    log.info("draining: %d in progress; a second signal stops at once", state.num_in_progress)
    try:
        await asyncio.wait_for(state.drained.wait(), most_s)
    except TimeoutError:
        log.warning("after %.0f s, %d are still in progress: they end now", most_s, state.num_in_progress)
        llm.abandon()


def _raise_file_limit() -> None:
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if most == resource.RLIM_INFINITY else min(MOST_FILES, most)
    if limit != resource.RLIM_INFINITY and limit < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _http_server(app: ASGIApp, patience: Patience) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            http=protocol_with(patience),
            ws="none",
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=round(patience.idle_s),
            timeout_graceful_shutdown=LINGER_S,
        )
    )


async def _in_thread(load: Callable[[], Model]) -> Model:
    """As `asyncio.to_thread`, but the end of the process does not wait for the thread."""
    loop = asyncio.get_running_loop()
    loaded: asyncio.Future[Model] = loop.create_future()

    def run() -> None:
        try:
            llm = load()
        except BaseException as error:
            loop.call_soon_threadsafe(loaded.set_exception, error)
        else:
            loop.call_soon_threadsafe(loaded.set_result, llm)

    threading.Thread(target=run, name="weft-load", daemon=True).start()
    return await loaded
