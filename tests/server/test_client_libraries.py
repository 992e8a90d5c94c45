"""Libraries that others wrote, with what they ask by themselves, against the model that comes with Weft.

The same checks make `docs/clients.md`, there also of libraries that need an environment of their own.
"""

import shutil
from collections.abc import Iterator

import pytest

from tests.server.live_server import live_server
from tools.clients import with_curl, with_langchain_openai, with_pydantic_ai
from tools.clients.checking import MODEL, Check, refusal
from weft.llm.model_path import resolve_model
from weft.server.state import ServerSettings

LIBRARIES: dict[str, dict[str, Check]] = {
    "langchain": {**with_langchain_openai.CHECKS},
    "pydantic-ai": {**with_pydantic_ai.CHECKS},
}
CASES = [
    pytest.param(check, id=f"{library} {feature}")
    for library, checks in LIBRARIES.items()
    for feature, check in checks.items()
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with live_server(resolve_model(MODEL), ServerSettings((MODEL,))) as server:
        yield server.url


@pytest.mark.parametrize("check", CASES)
def test_a_library_gets_what_it_asks_for(check: Check, url: str) -> None:
    check(url)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
@pytest.mark.parametrize("feature", with_curl.CHECKS)
def test_curl_gets_what_it_asks_for(feature: str, url: str) -> None:
    checks: dict[str, Check] = {**with_curl.CHECKS}
    checks[feature](url)


def test_a_check_tells_a_refusal_from_an_answer_and_from_another_error() -> None:
    def fail() -> None:
        raise ValueError("images are not known here")

    assert refusal(fail, "not known here") == "not known here"
    with pytest.raises(AssertionError, match="images are not known"):
        refusal(fail, "too many")
    with pytest.raises(AssertionError, match="no error but 7"):
        refusal(lambda: 7, "too many")
