"""Helpers for tests that break the contract of steps."""

import pytest

from tests.simulator.fake_driver import Driver, make_request
from weft.contracts.errors import InvariantViolation
from weft.contracts.steps import Admission, StepEntry


def expect(name: str, driver: Driver, *entries: StepEntry, **parts: object) -> None:
    """The next step is refused under this name."""
    with pytest.raises(InvariantViolation) as caught:
        driver.step(*entries, **parts)
    assert caught.value.name == name


def standing(layout: str = "mixed", **sampling: object) -> tuple[Driver, Admission]:
    """A driver with a sequence of 10 computed units that stands in row 0."""
    driver = Driver(layout)
    admission = driver.admission(0, make_request(**sampling))  # type: ignore[arg-type]
    driver.prefill(admission, stands=True)
    return driver, admission
