"""How long the trials of the live benchmark must be."""

import pytest

from weft.contracts.errors import ConfigurationError
from weft.contracts.requests import Slo
from weft.measurement.overload_bench import check_duration
from weft.measurement.overload_trials import Asked

ASKED = Asked((1000, 1000), (400, 1200))
SLO = Slo(0.05, 0.0125)


def test_trials_that_end_before_the_first_answers_are_refused_with_how_long_would_do() -> None:
    with pytest.raises(ConfigurationError, match=r"10\.1 s here.* --duration 41 or more"):
        check_duration(15.0, SLO, ASKED)


def test_trials_of_that_length_are_not() -> None:
    check_duration(41.0, SLO, ASKED)
    check_duration(15.0, SLO, Asked((1000, 1000), (100, 300)))
