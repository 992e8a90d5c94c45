"""What holds for every test of a command."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_logging_left() -> Iterator[None]:
    """`weft serve` tells its process to log to standard error, which is another one in every test."""
    yield
    root = logging.getLogger()
    for handler in [each for each in root.handlers if type(each) is logging.StreamHandler]:
        root.removeHandler(handler)
    logging.getLogger("weft").setLevel(logging.NOTSET)
