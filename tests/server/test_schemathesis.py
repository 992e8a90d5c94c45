"""A client that has read nothing but our description asks what that allows, and what it does not.

`schemathesis` makes the requests and judges the answers: no error of the server's, no status, type or form of an answer
that is not described, no body accepted that the description forbids.
"""

from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.server.in_process import description
from tests.server.live_server import LiveServer

CHECKS: list[Callable[..., Any]] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
ANSWER_WITHIN_S = 20.0
REFUSALS = ["400", "404", "405", "413", "415", "422"]
"""413: what is above the limits of lists in the description may also be above that of bodies."""
CONFIG = schemathesis.Config.from_dict(
    {"checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}}}
)
DESCRIBED: Any = schemathesis.openapi.from_dict(description(), config=CONFIG)
FOUND = [found.ok() for found in DESCRIBED.get_all_operations()]
OPERATIONS = {f"{operation.method.upper()} {operation.path}": operation for operation in FOUND}
ASKED = pytest.mark.parametrize(
    ("name", "mode"),
    [
        (name, mode)
        for name, operation in OPERATIONS.items()
        for mode in GenerationMode
        if mode is GenerationMode.POSITIVE or operation.body  # what has none cannot be asked wrongly
    ],
    ids=str,
)


def ask(server: LiveServer, name: str, mode: GenerationMode, num_examples: int) -> None:
    """So many requests to one operation, made as the mode says; raises at the first answer that is wrong."""

    @seed(8)
    @settings(
        max_examples=num_examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
        database=None,
    )
    @given(OPERATIONS[name].as_strategy(generation_mode=mode))
    def all_answers_are_right(case: Any) -> None:
        response = case.call(base_url=server.url, timeout=ANSWER_WITHIN_S)
        case.validate_response(response, checks=CHECKS)

    all_answers_are_right()


@ASKED
def test_the_server_keeps_to_its_description(server: LiveServer, name: str, mode: GenerationMode) -> None:
    ask(server, name, mode, 8)


@pytest.mark.nightly
@ASKED
def test_it_keeps_to_it_for_long(server: LiveServer, name: str, mode: GenerationMode) -> None:
    ask(server, name, mode, 400)
