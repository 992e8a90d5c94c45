"""What every request passes before its route: host and key; and what catches whatever went wrong behind."""

import logging
import time
from collections.abc import Sequence
from ipaddress import ip_address

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from weft.server.callers.caller import KEY_TENANT
from weft.server.callers.keys import ApiKeys
from weft.server.error_formats import error_response
from weft.server.errors import ApiError, api_error
from weft.server.http.connection import ClientGone

log = logging.getLogger("weft.server")

OPEN_PATHS = (b"/health", b"/ready")
"""Probes have no keys. Compared with the path as it was sent, so that no way of writing another can look like them."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address; a name other than localhost counts as reachable."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Gate:
    """Around the application. With keys one is required, but for the paths of probes, and its tenant goes into the
    scope. Without, only requests to a loopback name pass: a foreign web page can make a browser send requests here
    under its own name ("DNS rebinding"), but under no other. `any_host`: all pass without a key. `paths`: the routes
    that there are, for advice."""

    def __init__(self, app: ASGIApp, keys: ApiKeys, paths: Sequence[str], *, any_host: bool = False) -> None:
        self._app, self._keys, self._any_host = app, keys, any_host
        self._paths = [path.replace("{name:path}", "NAME") for path in paths]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # neither websockets nor lifespan events are served
        begun_s, status = time.perf_counter(), 0

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            tenant = self._check(scope)
            # Starlette answers missing routes itself unless it finds an application to raise to.
            await self._app({**scope, "app": self, KEY_TENANT: tenant}, receive, send_noting)
        except ClientGone:
            status = 499  # as nginx has it
        except Exception as error:
            if status != 0:
                raise
            known = self._route_error(scope, error) if isinstance(error, HTTPException) else api_error(error)
            await error_response(known, scope)(scope, receive, send_noting)
        finally:
            took_ms = 1000 * (time.perf_counter() - begun_s)
            log.info("%s %s %d %.1f ms", scope["method"], ascii(scope["path"])[1:-1], status, took_ms)

    def _route_error(self, scope: Scope, error: HTTPException) -> ApiError:
        path, method = ascii(scope["path"])[1:-1][:200], scope["method"]
        if error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "another method")
            message = f"{path} takes no {method}; use {allowed}"
            return ApiError(405, message, code="method_not_allowed", headers=error.headers)
        message = f"there is no route {path}; there are {', '.join(self._paths)}"
        return ApiError(error.status_code, message, code="not_found")

    def _check(self, scope: Scope) -> str | None:
        """Raises where a request may not pass; else the tenant that its key names."""
        headers = {name.lower(): value for name, value in scope["headers"]}
        if self._keys:
            return None if scope["raw_path"] in OPEN_PATHS else self._keys.tenant(headers)
        if not self._any_host:
            self._check_host(headers.get(b"host", b"localhost").decode("latin-1"))
        return None

    def _check_host(self, host: str) -> None:
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        if not is_loopback(name):
            raise ApiError(
                403,
                "without API keys the server answers to localhost only; start it with --api-key",
                code="foreign_host",
            )
