"""Who asks: keys and the tenants they speak for, headers, and what tenants may know of each other."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from tests.server.live_server import NAME, LiveServer, eventually, live_server
from weft.contracts.callers import Caller
from weft.contracts.errors import ConfigurationError
from weft.contracts.events import PrefixLookup, RequestArrived, RequestEnded, Status
from weft.contracts.requests import Slo
from weft.llm.prompting import Prompt
from weft.server.callers.caller import KEY_TENANT, LEAST_LEFT_S, read_caller, read_pace, with_what_is_left
from weft.server.callers.keys import ApiKey, read_key_file
from weft.server.completions.schema import CompletionBody
from weft.server.errors import ApiError
from weft.server.state import ServerSettings

BODY: dict[str, Any] = {"model": NAME, "prompt": [7] * 40, "max_tokens": 2, "ignore_eos": True}


@pytest.fixture(scope="module")
def guarded(model: Path) -> Iterator[LiveServer]:
    """One key speaks for anybody, the other for one tenant."""
    settings = ServerSettings((NAME,), ("gateway-key", "acme acme-key"))
    with live_server(model, settings, max_num_seqs=2, max_model_len=128) as up:
        yield up


def arrived(server: LiveServer) -> RequestArrived:
    events = server.on_loop(server.llm.log.events)
    return [event for event in events if isinstance(event, RequestArrived)][-1]


@pytest.mark.parametrize(
    "path", ["/v1/models", "/metrics", "/openapi.json", "/", "/%68ealth", "/health/", "/ready%00"]
)
def test_every_route_but_health_needs_a_key(guarded: LiveServer, path: str) -> None:
    for headers in ({}, {"x-api-key": "acme"}, {"authorization": "Bearer acme acme-key"}):
        reply = guarded.ask(path, headers=headers)
        assert (reply.status, reply.error["code"]) == (401, "invalid_api_key")
    assert guarded.ask("/health").status == guarded.ask("/ready").status == 200


def test_a_key_comes_as_a_bearer_or_as_anthropics_clients_send_it(guarded: LiveServer) -> None:
    for headers in ({"x-api-key": "acme-key"}, {"authorization": "bearer acme-key"}):
        assert guarded.ask("/v1/models", headers=headers).status == 200
    both = {"authorization": "Bearer wrong", "x-api-key": "acme-key"}
    assert guarded.ask("/v1/models", headers=both).status == 401


def test_a_key_that_names_its_tenant_speaks_for_no_other(guarded: LiveServer) -> None:
    key = {"x-api-key": "acme-key"}
    assert guarded.ask("/v1/completions", BODY, headers=key).status == 200
    assert arrived(guarded).tenant == "acme"
    same = {**key, "x-weft-tenant": "acme"}
    assert guarded.ask("/v1/completions", BODY, headers=same).status == 200
    reply = guarded.ask("/v1/completions", BODY, headers={**key, "x-weft-tenant": "other"})
    assert (reply.status, reply.error["code"]) == (403, "foreign_tenant")


@pytest.mark.parametrize(
    "name", ["x-weft-tenant", "x-llm-d-inference-fairness-id", "x-gateway-inference-fairness-id"]
)
def test_a_key_without_a_tenant_speaks_for_any(guarded: LiveServer, name: str) -> None:
    key = {"authorization": "Bearer gateway-key"}
    assert guarded.ask("/v1/completions", BODY, headers={**key, name: "shop"}).status == 200
    assert arrived(guarded).tenant == "shop"
    assert guarded.ask("/v1/completions", BODY, headers=key).status == 200
    assert arrived(guarded).tenant == "default"


def scope(*headers: tuple[str, str], tenant: str | None = None) -> dict[str, Any]:
    return {"headers": [(name.encode(), value.encode()) for name, value in headers], KEY_TENANT: tenant}


def test_what_headers_and_body_say_is_the_caller() -> None:
    body = CompletionBody(model="m", prompt=["x"], priority=-3, cache_salt="mine", user="somebody")
    asked = scope(("X-Weft-Slo-Ttft-Ms", "250"), ("x-llm-d-slo-tpot-ms", "12.5"), ("x-weft-tenant", "t"))
    assert read_caller(asked, body) == Caller("t", -3, Slo(0.25, 0.0125), None, "mine")
    assert read_caller(scope(("x-slo-tpot-ms", "1")), None) == Caller(slo=Slo(None, 0.001))
    assert read_caller(scope(tenant="own"), None) == Caller("own")


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ([("x-weft-tenant", "a b")], "the header x-weft-tenant must be a name of 1 to 128"),
        ([("x-weft-tenant", "")], "a name of 1 to 128"),
        ([("x-weft-tenant", "t" * 129)], "a name of 1 to 128"),
        ([("x-weft-tenant", "caf\xe9")], "visible ASCII"),
        ([("x-slo-ttft-ms", "0")], "the header x-slo-ttft-ms must be a number of milliseconds above 0"),
        ([("x-slo-ttft-ms", "-5")], "milliseconds"),
        ([("x-weft-slo-tpot-ms", "1e3")], "milliseconds"),
        ([("x-weft-slo-tpot-ms", "nan")], "milliseconds"),
        ([("x-weft-slo-tpot-ms", "9" * 5000)], "at most 3600000"),
        ([("x-weft-tenant", "a"), ("x-gateway-inference-fairness-id", "b")], "contradict each other"),
        ([("x-weft-tenant", "a"), ("x-weft-tenant", "b")], "x-weft-tenant: headers contradict each other"),
    ],
)
def test_headers_that_are_wrong_are_named(headers: list[tuple[str, str]], problem: str) -> None:
    with pytest.raises(ApiError, match=problem) as caught:
        read_caller(scope(*headers), None)
    assert (caught.value.status, caught.value.code) == (400, "invalid_header")


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1e3", "10001", "", "fast", "9" * 5000])
def test_a_pace_is_a_number_within_bounds(text: str) -> None:
    with pytest.raises(ApiError, match="x-weft-pace-tokens-per-s must be a number of tokens") as caught:
        read_pace(scope(("x-weft-pace-tokens-per-s", text)), is_streamed=True)
    assert (caught.value.status, caught.value.code) == (400, "invalid_header")


def test_a_pace_is_for_streams() -> None:
    asked = scope(("x-weft-pace-tokens-per-s", "4.8"))
    assert read_pace(asked, is_streamed=True) == 4.8
    assert read_pace(scope(), is_streamed=False) is None
    with pytest.raises(ApiError, match="ask for a stream"):
        read_pace(asked, is_streamed=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"priority": 101}, "priority is 101; it must be less than or equal to 100"),
        ({"priority": 1.5}, "priority is 1.5"),
        ({"cache_salt": ""}, "cache_salt is ''; it must have at least 1 character"),
        ({"cache_salt": "s" * 129}, "at most 128 characters"),
        ({"user": "u" * 129}, "at most 128 characters"),
    ],
)
def test_fields_have_bounds(server: LiveServer, change: dict[str, Any], message: str) -> None:
    reply = server.ask("/v1/completions", {**BODY, **change})
    assert reply.status == 400
    assert message in reply.error["message"]


def hit_tokens(server: LiveServer, headers: dict[str, str], **change: Any) -> int:
    """Of the prompt, those whose state a request found in the cache."""
    before = len(lookups(server))
    assert (
        server.ask("/v1/completions", {**BODY, "prompt": [9] * 64, **change}, headers=headers).status == 200
    )
    (lookup,) = lookups(server)[before:]
    return lookup.hit_tokens


def lookups(server: LiveServer) -> list[PrefixLookup]:
    events = server.on_loop(server.llm.log.events)
    return [event for event in events if isinstance(event, PrefixLookup)]


def test_tenants_do_not_find_each_others_prefixes(server: LiveServer) -> None:
    one, other = {"x-weft-tenant": "one"}, {"x-weft-tenant": "other"}
    assert hit_tokens(server, one) == 0
    assert hit_tokens(server, one) == 48
    assert hit_tokens(server, other) == 0
    assert hit_tokens(server, other, cache_salt="s") == 0
    assert hit_tokens(server, other, cache_salt="s") == 48
    assert hit_tokens(server, one, cache_salt="s") == 0, "a salt is its tenant's own"


def test_the_openai_client_sends_what_is_ours(server: LiveServer) -> None:
    with OpenAI(
        base_url=f"{server.url}/v1", api_key="none", default_headers={"x-weft-tenant": "sdk"}
    ) as client:
        answer = client.completions.create(
            model=NAME, prompt="tea", max_tokens=2, user="u", extra_body={"priority": 5, "cache_salt": "s"}
        )
    assert answer.usage is not None
    assert arrived(server).tenant == "sdk"


def test_who_asks_too_much_is_refused_before_the_body_is_read(guarded: LiveServer) -> None:
    """The head says how long the body would be; none is sent."""
    key = {"x-api-key": "acme-key"}
    many = {**BODY, "prompt": [[5] * 20] * 8, "max_tokens": 100}
    thread = threading.Thread(target=guarded.ask, args=("/v1/completions", many), kwargs={"headers": key})
    thread.start()
    eventually(lambda: len(guarded.live_requests()) > 4)
    head = (
        "POST /v1/completions HTTP/1.1\r\nhost: x\r\nx-api-key: acme-key\r\ncontent-type: application/json\r\n"
        f"content-length: {4_000_000}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", guarded.port), 10) as connection:
        connection.sendall(head.encode())
        answer = ""
        while "}" not in answer and (piece := connection.recv(4000)):
            answer += piece.decode()
    thread.join()
    assert " 429 " in answer
    assert "retry-after: " in answer
    assert "retry-after-ms: " in answer
    assert "tokens of work wait already" in answer
    ended = [event for event in guarded.on_loop(guarded.llm.log.events) if isinstance(event, RequestEnded)]
    assert sum(event.status is Status.REJECTED for event in ended) == 1


def test_a_server_for_anybody_answers_by_any_name(model: Path) -> None:
    with live_server(model, ServerSettings((NAME,), allow_unauthenticated=True)) as up:
        assert up.ask("/v1/models", headers={"host": "models.example.org"}).status == 200


def test_keys_are_read_one_way_only(tmp_path: Path) -> None:
    assert ApiKey.read("a=b:c") == ApiKey(ApiKey.read("x a=b:c").digest, None)
    assert ApiKey.read(" acme  k== ").tenant == "acme"
    for wrong in ("", "  ", "a b c", "k\xe9y", "t" * 129 + " k"):
        with pytest.raises(ConfigurationError) as caught:
            ApiKey.read(wrong)
        assert "a b c" not in str(caught.value)
    file = tmp_path / "keys"
    file.write_text("# ours\n\n one \nacme two\n")
    assert read_key_file(file) == ["one", "acme two"]
    file.write_text("# none\n")
    with pytest.raises(ConfigurationError, match="holds no key"):
        read_key_file(file)
    file.write_bytes(b"k\xe9y")
    with pytest.raises(ConfigurationError, match="is not ASCII"):
        read_key_file(file)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_key_file(tmp_path / "nowhere")


def test_what_was_spent_before_the_door_is_gone_from_the_objective() -> None:
    own, engines = Caller("acme", slo=Slo(0.5, 0.02)), Slo(0.2, 0.01)
    assert with_what_is_left(own, engines, 0.1).slo == Slo(0.4, 0.02)
    assert with_what_is_left(own, None, 0.6).slo == Slo(LEAST_LEFT_S, 0.02)
    assert with_what_is_left(Caller("acme"), engines, 0.05) == Caller("acme", slo=Slo(0.2 - 0.05))
    for nothing in (None, Slo(None, 0.01)):
        assert with_what_is_left(Caller("acme"), nothing, 0.1) == Caller("acme")


def test_time_counts_from_when_the_head_was_read(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To find the tokens of the prompt takes longer than the first token may."""
    objective = {"x-weft-slo-ttft-ms": "250"}
    body = {"model": NAME, "prompt": "the quick", "max_tokens": 400, "ignore_eos": True}
    with live_server(model) as server:
        busy = threading.Thread(target=server.ask, args=("/v1/completions", body))
        busy.start()
        eventually(lambda: server.live_requests() != [])
        assert server.ask("/v1/completions", {**body, "max_tokens": 1}, headers=objective).status == 200
        encode = server.llm.prompting.encode

        def slow(prompt: Prompt) -> tuple[int, ...]:
            time.sleep(0.3)
            return encode(prompt)

        monkeypatch.setattr(server.llm.prompting, "encode", slow)
        refused = server.ask("/v1/completions", {**body, "max_tokens": 1}, headers=objective)
        assert refused.status == 429
        busy.join()
