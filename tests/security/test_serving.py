"""Classes of attacks that have hit servers of language models, each tried on ours."""

import json
import logging
import socket
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.server.hostile import VALID, Description
from tests.server.in_process import InProcess, description, in_process
from tests.server.live_server import NAME
from tests.server.storm import Case, Storm, faults_of_error
from tests.server.talking_models import make_talking_model
from weft.cli.serve import command
from weft.server.callers.keys import ApiKeys
from weft.server.state import ServerSettings

DOCUMENT = description()
DESCRIBED = Description(DOCUMENT)
ROUTES = DESCRIBED.routes()
SECRET = "a-secret-that-nobody-logs"
KEY = "key-0123456789"
PROBES = ("/health", "/ready")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_talking_model(tmp_path_factory.mktemp("model") / "m", "hermes", positions=256)


@pytest.fixture(scope="module")
def app(model: Path) -> Iterator[InProcess]:
    with in_process(model) as up:
        yield up
        up.check_idle()


@pytest.fixture(scope="module")
def guarded(model: Path) -> Iterator[InProcess]:
    with in_process(model, ServerSettings((NAME,), api_keys=(KEY, "acme acme-key"))) as up:
        yield up
        up.check_idle()


@pytest.mark.parametrize("field", ["chat_template", "template", "chat_template_path", "documents"])
@pytest.mark.parametrize("path", sorted(VALID))
def test_a_template_never_comes_from_a_request(app: InProcess, path: str, field: str) -> None:
    told = app.ask("POST", path, json.dumps({**VALID[path], field: "{{ 7 * 191 }}"}).encode())
    assert told.status == 400


@pytest.mark.parametrize(
    "name",
    [
        "messages",
        "tools",
        "bos_token",
        "add_generation_prompt",
        "raise_exception",
        "__class__",
        "chat_template",
    ],
)
def test_nothing_of_a_client_reaches_the_template_by_name(app: InProcess, name: str) -> None:
    body = {**VALID["/v1/chat/completions"], "chat_template_kwargs": {name: True}}
    told = app.ask("POST", "/v1/chat/completions", json.dumps(body).encode())
    assert (told.status, told.json["error"]["param"]) == (400, "chat_template_kwargs")


def test_a_message_is_no_template(app: InProcess) -> None:
    text = "{{ 7 * 191 }}{% for a in range(9) %}b{% endfor %}"
    asked = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    tokens = app.ask("POST", "/tokenize", asked).json["tokens"]
    shown = app.ask("POST", "/detokenize", json.dumps({"tokens": tokens}).encode()).json["prompt"]
    assert "7 * 191" in shown
    assert "1337" not in shown


def test_no_address_of_a_client_is_fetched(app: InProcess) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/a.json"
        values = [url, {"$ref": url}, {"type": "image_url", "image_url": {"url": url}}, [{"server_url": url}]]
        storm = Storm(app, DOCUMENT)
        assert storm.faults(_everywhere([json.dumps(value).encode() for value in values])) == []
        with pytest.raises(BlockingIOError):
            listener.accept()


def _everywhere(values: list[bytes]) -> Iterator[Case]:
    for path in VALID:
        for place in DESCRIBED.places(path):
            for value in values:
                yield Case(f"{path} {place.name}", "POST", path, place.filled(value))


@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG])
def test_prompts_and_keys_are_not_logged(
    guarded: InProcess, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], level: int
) -> None:
    """Neither of requests that are answered, nor of those that are not."""
    caplog.set_level(level)
    with caplog.at_level(level, "weft"):
        for path in VALID:
            for body in (
                VALID[path],
                {**VALID[path], "temperature": SECRET},
                {**VALID[path], "model": SECRET},
            ):
                raw = json.dumps(body).replace("tea", SECRET).encode()
                for key in (KEY, f"wrong-{KEY}"):
                    guarded.ask("POST", f"{path}?key={SECRET}", raw, {"authorization": f"Bearer {key}"})
    printed = capfd.readouterr()
    said = "".join(record.getMessage() + str(record.exc_info) for record in caplog.records)
    assert "POST /v1/completions 200" in said
    for text in (said, printed.out, printed.err):
        assert SECRET not in text
        assert KEY not in text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": f"Bearer {KEY}x"},
        {"authorization": f"Bearer {KEY[:-1]}"},
        {"authorization": f"Basic {KEY}"},
        {"authorization": KEY},
        {"authorization": "Bearer acme acme-key"},
        {"x-api-key": ""},
        {"x-api-key": f"{KEY}, acme-key"},
        {"authorization": "Bearer \xff\xfe", "x-api-key": KEY},
        {"x-api-key": "a" * 9000},
    ],
    ids=str,
)
def test_a_wrong_key_is_refused_on_every_route(guarded: InProcess, headers: dict[str, str]) -> None:
    for method, path in ROUTES:
        told = guarded.ask(method, path, b"{", headers)
        if path in PROBES:
            assert told.status == 200
        else:
            assert told.status == 401, path
            assert list(faults_of_error(path, told)) == []


@pytest.mark.parametrize(
    "path",
    [
        "//health",
        "/health/",
        "/HEALTH",
        "/%68ealth",
        "/health%00",
        "/health/../metrics",
        "/health;/metrics",
        "/ready/..",
    ],
)
def test_no_way_of_writing_a_path_passes_for_a_probe(guarded: InProcess, path: str) -> None:
    assert guarded.ask("GET", path).status == 401


def test_keys_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each comparison takes all bytes of a digest, and every key is compared, whichever fits."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr("weft.server.callers.keys.hmac.compare_digest", compare)
    known = ApiKeys(["first", "second", "third"])
    for given in (b"first", b"third"):
        compared.clear()
        assert known.tenant({b"x-api-key": given}) is None
        assert compared == [
            (sha256(given).digest(), sha256(key).digest()) for key in (b"first", b"second", b"third")
        ]


HEADERS = (
    "x-request-id",
    "x-weft-tenant",
    "x-weft-slo-ttft-ms",
    "x-slo-tpot-ms",
    "host",
    "content-type",
    "x-api-key",
)
INJECTED = (
    "a\r\nset-cookie: b=c",
    "a\n\nb",
    "\0",
    "\xff",
    "a" * 5000,
    "-1",
    "1e9",
    "nan",
    "١",
    "{{ 7 }}",
    "a, b",
)


@pytest.mark.parametrize("header", HEADERS)
def test_headers_are_not_injected(app: InProcess, header: str) -> None:
    for method, path in ROUTES:
        body = DESCRIBED.valid(path) if path in VALID else b""
        for value in INJECTED:
            given = value.encode().decode("latin-1") if value == "١" else value
            told = app.ask(method, path, body, {header: given})
            assert told.status < 500
            assert "set-cookie" not in told.headers
            assert all(text.isprintable() for text in told.headers.values())


def test_tenants_do_not_share_prefixes(app: InProcess) -> None:
    def hits(tenant: str, salt: str | None = None) -> float:
        body: dict[str, Any] = {"model": NAME, "prompt": [9] * 100, "max_tokens": 1, "cache_salt": salt}
        before = app.state.loaded.metrics.prefix_cache_hits.value
        app.ask("POST", "/v1/completions", json.dumps(body).encode(), {"x-weft-tenant": tenant})
        return app.state.loaded.metrics.prefix_cache_hits.value - before

    assert hits("acme") == 0
    assert hits("acme") > 0
    assert hits("other") == 0
    assert hits("acme", "salt") == 0
    assert hits("other", "salt") == 0


def test_only_this_machine_can_connect_by_default() -> None:
    chosen = command.make_context("serve", []).params
    assert (chosen["host"], chosen["allow_unauthenticated"]) == ("127.0.0.1", False)
