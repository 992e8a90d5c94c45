"""Errors carry what a caller needs to act on, beside a message for people."""

import pytest

from weft.contracts.errors import InvariantViolation, PolicyError, RequestRejected, WeftError


def test_a_policy_error_names_the_policy_and_the_request_it_hit() -> None:
    error = PolicyError("Fair", "raised", "r1")
    assert str(error) == "policy 'Fair' (request 'r1'): raised"
    assert (error.policy, error.request_id) == ("Fair", "r1")


def test_a_policy_error_about_nobody_in_particular_says_so_by_silence() -> None:
    error = PolicyError("Fair", "raised")
    assert str(error) == "policy 'Fair': raised"
    assert error.request_id is None


def test_a_rejection_tells_when_to_come_back() -> None:
    error = RequestRejected("r1", "full", 2.5)
    assert str(error) == "request 'r1' rejected: full"
    assert (error.request_id, error.reason, error.retry_after_s) == ("r1", "full", 2.5)


def test_a_violated_invariant_is_no_mistake_of_a_user() -> None:
    error = InvariantViolation("blocks_conserved", "one is gone")
    assert str(error) == "[blocks_conserved] one is gone"
    assert error.name == "blocks_conserved"
    assert not isinstance(error, WeftError)
    with pytest.raises(AssertionError):
        raise error
