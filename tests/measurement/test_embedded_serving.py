"""A policy over HTTP, in a small form; on Ray, its card asks it."""

import numpy as np
import pytest

from weft.measurement.embedded_serving import Policy, states_per_s_over_http
from weft.measurement.state_forms import Form, read_states, write_states


@pytest.mark.parametrize("form", Form)
def test_states_arrive_as_they_were(form: Form) -> None:
    states = np.random.default_rng(0).random((3, 5), dtype=np.float32)
    assert np.array_equal(read_states(write_states(states, form), form, width=5), states)


def test_a_policy_is_no_faster_than_its_model() -> None:
    assert 0.0 < states_per_s_over_http(Policy(64, 0.05), Form.NUMBERS, seed=0, duration_s=0.2) <= 64 / 0.05
