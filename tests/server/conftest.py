"""One server for all tests that only ask it; they run against a tiny random model."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.llm.tiny_model import make_model
from tests.server.live_server import LiveServer, live_server
from weft.llm.model_path import resolve_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `make_model` has it, but with room for 2,048 tokens, so that outputs can take seconds."""
    return make_model(tmp_path_factory.mktemp("served") / "tiny", max_position_embeddings=2048)


@pytest.fixture(scope="session")
def server(model: Path) -> Iterator[LiveServer]:
    with live_server(model) as up:
        yield up


@pytest.fixture(scope="session")
def builtin_server() -> Iterator[LiveServer]:
    """Serves the model that comes with Weft: its chat template knows tools."""
    with live_server(resolve_model("weft-tiny")) as up:
        yield up


@pytest.fixture(autouse=True)
def nothing_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever a test did to the shared server, no request is left in its engine."""
    yield
    for name in {"server", "builtin_server"}.intersection(request.fixturenames):
        up: LiveServer = request.getfixturevalue(name)
        assert up.live_requests() == []
        up.check_integrity()
