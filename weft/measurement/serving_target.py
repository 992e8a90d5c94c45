"""The server that is measured: where it is, which model it serves, how long a sequence may be."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from weft.contracts.errors import ConfigurationError, WeftError
from weft.measurement.serving_stream import RequestFailed, refused

CONNECT_TIMEOUT_S = 30.0
IDLE_CONNECTION_S = 2.0
"""Less than the 5 s after which common servers close an idle connection, so that none is used while it closes."""


class Target(NamedTuple):
    """A model at a server. `max_model_len`: tokens of the longest sequence; None where the server does not tell."""

    client: httpx.AsyncClient
    url: str
    model: str
    max_model_len: int | None


@asynccontextmanager
async def find_target(url: str, model: str | None, api_key: str | None) -> AsyncIterator[Target]:
    """The model of this name at a URL, with or without `/v1`; None: the first that the server lists.

    No proxy is used, and no answer is waited for in vain: only a connection must come within 30 s. Raises
    `WeftError` where there is no such server or model.
    """
    root = _root(url)
    if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
        raise ConfigurationError(
            "the API key has characters that HTTP cannot carry; give it as the server has it"
        )
    async with httpx.AsyncClient(
        base_url=f"{root}/v1/",
        headers={"authorization": f"Bearer {api_key}"} if api_key else {},
        timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
        limits=httpx.Limits(
            max_connections=None, max_keepalive_connections=None, keepalive_expiry=IDLE_CONNECTION_S
        ),
        trust_env=False,
    ) as client:
        yield _chosen(client, root, model, await _listed(client, root))


def _root(url: str) -> str:
    """Without a path of ours at its end."""
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ConfigurationError(f"the URL is {url!r}; give one such as http://127.0.0.1:8000")
    return url.rstrip("/").removesuffix("/v1").rstrip("/")


async def _listed(client: httpx.AsyncClient, root: str) -> Sequence[Mapping[str, Any]] | None:
    """The models that the server lists; None where it keeps no list."""
    try:
        reply = await client.get("models", timeout=CONNECT_TIMEOUT_S)
    except httpx.HTTPError as error:
        cause = str(error) or type(error).__name__
        raise WeftError(f"no server answers at {root} ({cause}); start one, or correct --url") from error
    if reply.status_code in (401, 403):
        raise WeftError(f"{root} refuses the key (HTTP {reply.status_code}); give its key with --api-key")
    if reply.status_code in (404, 405, 501):
        return None
    if reply.status_code != httpx.codes.OK:
        raise WeftError(
            f"{root} cannot serve now: {refused(reply.status_code, reply.content)}; try again later"
        )
    return _models(reply, root)


def _models(reply: httpx.Response, root: str) -> Sequence[Mapping[str, Any]]:
    try:
        models = reply.json()["data"]
        if models and all(isinstance(each["id"], str) for each in models):
            return list(models)
    except (ValueError, KeyError, TypeError):
        pass
    raise WeftError(f"{root}/v1/models is no list of models; give the URL of an OpenAI-compatible server")


def _chosen(
    client: httpx.AsyncClient, root: str, model: str | None, listed: Sequence[Mapping[str, Any]] | None
) -> Target:
    if listed is None:
        if model is None:
            raise ConfigurationError(f"{root} does not list its models; name one with --model")
        return Target(client, root, model, None)
    for each in listed:
        if model in (None, each["id"]):
            length = each.get("max_model_len")
            return Target(client, root, each["id"], length if isinstance(length, int) else None)
    names = ", ".join(each["id"] for each in listed[:10])
    raise ConfigurationError(f"{root} serves no model {model!r}; choose from: {names}")


def explained(target: Target, error: RequestFailed) -> WeftError:
    """Of a request that was as plain as can be."""
    return WeftError(f"{target.url} does not answer a plain request ({error}); see the server's log")
