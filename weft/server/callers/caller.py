"""Who asks: from the key, the headers and the body of a request.

Beside our own names, headers are known by those of llm-d's router and, older, of the Gateway API Inference Extension
that it comes from: a fairness id per tenant (`x-llm-d-inference-fairness-id`, `x-gateway-inference-fairness-id`), and
objectives in milliseconds (`x-llm-d-slo-ttft-ms`, `x-slo-ttft-ms`, the same for tpot). Their
`x-…-inference-objective` names an object of the cluster, which only their router can look up: it means nothing here.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from starlette.types import Scope

from weft.contracts.callers import DEFAULT_TENANT, MOST_NAME_CHARACTERS, MOST_OBJECTIVE_S, Caller
from weft.contracts.requests import Slo
from weft.server.errors import ApiError

KEY_TENANT = "weft.key_tenant"
"""Where the scope of a request holds the tenant of its API key (`Gate`)."""
TENANT_HEADERS = ("x-weft-tenant", "x-llm-d-inference-fairness-id", "x-gateway-inference-fairness-id")
SESSION_HEADERS = ("x-weft-session", "x-session-id")
TTFT_HEADERS = ("x-weft-slo-ttft-ms", "x-llm-d-slo-ttft-ms", "x-slo-ttft-ms")
PACE_HEADERS = ("x-weft-pace-tokens-per-s",)
MOST_PACE_TOKENS_PER_S = 10_000.0
TPOT_HEADERS = ("x-weft-slo-tpot-ms", "x-llm-d-slo-tpot-ms", "x-slo-tpot-ms")

LEAST_LEFT_S = 1e-3
"""Of an objective whose time is over: no step takes less."""

_NAME = re.compile(rf"[\x21-\x7e]{{1,{MOST_NAME_CHARACTERS}}}")
_NUMBER = re.compile(r"[0-9]{1,10}(\.[0-9]{1,6})?")
MILLISECONDS_PER_S = 1000.0


def read_caller(scope: Scope, body: object) -> Caller:
    """The caller of a request: tenant, session and objectives from headers, `priority` and `cache_salt` from a body
    that has such fields. Raises `ApiError` 400 for a header that is wrong, 403 for a tenant that the key does not speak
    for."""
    ttft_s, tpot_s = _objective_s(scope, TTFT_HEADERS), _objective_s(scope, TPOT_HEADERS)
    return Caller(
        tenant_of(scope),
        getattr(body, "priority", None) or 0,
        None if ttft_s is None and tpot_s is None else Slo(ttft_s, tpot_s),
        session=_name(scope, SESSION_HEADERS),
        cache_salt=getattr(body, "cache_salt", None),
    )


def with_what_is_left(caller: Caller, objective: Slo | None, spent_s: float) -> Caller:
    """The caller as the engine's door is to see it `spent_s` after its request was heard of: what reading, checking and
    tokenising took is gone from the time to its first token. `objective`: of those that name none of their own."""
    own = caller.slo or Slo()
    ttft_s = own.ttft_s if objective is None or own.ttft_s is not None else objective.ttft_s
    if ttft_s is None:
        return caller
    return replace(caller, slo=Slo(max(LEAST_LEFT_S, ttft_s - spent_s), own.tpot_s))


def tenant_of(scope: Scope) -> str:
    """The tenant in whose name a request comes. Raises as `read_caller` does."""
    tenant = _name(scope, TENANT_HEADERS)
    own: str | None = scope.get(KEY_TENANT)
    if tenant is None:
        return own or DEFAULT_TENANT
    if own is not None and tenant != own:
        raise ApiError(
            403,
            f"this API key does not speak for the tenant that {_header(scope, TENANT_HEADERS)[0]} names; leave it out",
            code="foreign_tenant",
        )
    return tenant


def _name(scope: Scope, names: Sequence[str]) -> str | None:
    header, name = _header(scope, names)
    if name is not None and not _NAME.fullmatch(name):
        raise _wrong(header, f"a name of 1 to {MOST_NAME_CHARACTERS} visible ASCII characters")
    return name


def _objective_s(scope: Scope, names: Sequence[str]) -> float | None:
    name, text = _header(scope, names)
    if text is None:
        return None
    milliseconds = float(text) if _NUMBER.fullmatch(text) else 0.0
    most = MOST_OBJECTIVE_S * MILLISECONDS_PER_S
    if not 0.0 < milliseconds <= most:
        raise _wrong(name, f"a number of milliseconds above 0 and at most {most:.0f}")
    return milliseconds / MILLISECONDS_PER_S


def read_pace(scope: Scope, *, is_streamed: bool) -> float | None:
    """Tokens per second at which an answer is to be told; None: as it comes. Raises `ApiError` 400 for a header that is
    wrong, or that comes with a request for an answer in one piece."""
    name, text = _header(scope, PACE_HEADERS)
    if text is None:
        return None
    tokens_per_s = float(text) if _NUMBER.fullmatch(text) else 0.0
    if not 0.0 < tokens_per_s <= MOST_PACE_TOKENS_PER_S:
        raise _wrong(name, f"a number of tokens per second above 0 and at most {MOST_PACE_TOKENS_PER_S:.0f}")
    if not is_streamed:
        raise _wrong(name, "left out of requests for an answer in one piece; or ask for a stream")
    return tokens_per_s


def _header(scope: Scope, names: Sequence[str]) -> tuple[str, str | None]:
    """What a request says under any of these names, and under which: more than one answer is a mistake."""
    given = [
        (name.decode("latin-1").lower(), value.decode("latin-1").strip())
        for name, value in scope["headers"]
        if name.decode("latin-1").lower() in names
    ]
    if len(dict.fromkeys(value for _, value in given)) > 1:
        listed = ", ".join(dict.fromkeys(name for name, _ in given))
        raise ApiError(
            400, f"{listed}: headers contradict each other; send one of them once", code="invalid_header"
        )
    return given[0] if given else (names[0], None)


def _wrong(name: str, allowed: str) -> ApiError:
    return ApiError(400, f"the header {name} must be {allowed}", param=name, code="invalid_header")
