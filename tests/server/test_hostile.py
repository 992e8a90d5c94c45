"""Every endpoint, every field, every hostile value: an error that says what to do, and nobody else notices.

A share of the cases runs in every test run, chosen so that each place meets several values and each value many places;
all of them run nightly.
"""

from collections.abc import Iterator, Mapping
from zlib import crc32

import pytest

from tests.server.hostile import LARGE, SMALL, VALID, Description
from tests.server.in_process import InProcess, description, in_process
from tests.server.storm import Case, Storm
from tests.server.talking_models import make_talking_model

DOCUMENT = description()
DESCRIBED = Description(DOCUMENT)
PATHS = DESCRIBED.paths_with_bodies()
SHARE_OF_SMALL, SHARE_OF_LARGE = 16, 160
"""One case of so many runs every time."""


@pytest.fixture(scope="module", params=["hermes", "thinking"])
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """Behind it models of two kinds, with room for 256 tokens."""
    model = make_talking_model(tmp_path_factory.mktemp("model") / "m", request.param, positions=256)
    with in_process(model) as up:
        yield up
        up.check_idle()


def cases(path: str, values: Mapping[str, bytes], share: int) -> Iterator[Case]:
    """One of `share` at each place of a body, another one at the next."""
    for place in DESCRIBED.places(path):
        for name, value in values.items():
            if crc32(f"{path} {place.name} {name}".encode()) % share == 0:
                yield Case(f"{path} {place.name}: {name}", "POST", path, place.filled(value))


def check(app: InProcess, hostile: Iterator[Case]) -> None:
    assert Storm(app, DOCUMENT).faults(hostile) == []
    assert app.ask("GET", "/health").status == 200
    app.check_idle()


def test_every_body_has_an_example_that_is_answered(app: InProcess) -> None:
    assert set(PATHS) == set(VALID)
    for path in PATHS:
        told = app.ask("POST", path, DESCRIBED.valid(path))
        assert told.status == 200, (path, told.body)


def test_cases_reach_deep_into_bodies() -> None:
    names = [place.name for path in PATHS for place in DESCRIBED.places(path)]
    assert len(names) * (len(SMALL) + len(LARGE)) > 20_000
    assert {"tools.0.function.parameters.KEY", "messages.0.content.0.tool_use_id", "input.0.summary"} <= set(
        names
    )
    assert "text.format.schema.KEY" in names


@pytest.mark.parametrize("path", PATHS)
def test_hostile_values_in_every_field(app: InProcess, path: str) -> None:
    check(app, cases(path, SMALL, SHARE_OF_SMALL))


@pytest.mark.parametrize("path", PATHS)
def test_too_much_in_every_field(app: InProcess, path: str) -> None:
    check(app, cases(path, LARGE, SHARE_OF_LARGE))


@pytest.mark.nightly
@pytest.mark.parametrize("path", PATHS)
def test_all_hostile_values_in_every_field(app: InProcess, path: str) -> None:
    check(app, cases(path, {**SMALL, **LARGE}, 1))
