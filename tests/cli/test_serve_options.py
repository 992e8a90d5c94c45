"""Whom `weft serve` answers, by its flags."""

from pathlib import Path

import pytest

from weft.cli.serve_options import checked_keys, objective
from weft.contracts.errors import ConfigurationError
from weft.contracts.requests import Slo


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "models.example.org"])
def test_other_machines_are_answered_with_keys_or_where_that_is_wanted(host: str) -> None:
    with pytest.raises(ConfigurationError, match="there is no API key; add --api-key KEY"):
        checked_keys(host, (), None, allow_unauthenticated=False)
    assert checked_keys(host, ("k",), None, allow_unauthenticated=False) == ("k",)
    assert checked_keys(host, (), None, allow_unauthenticated=True) == ()


def test_keys_come_from_flags_and_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# of customers\nacme k1\nk2\n")
    keys = checked_keys("127.0.0.1", ("k0",), file, allow_unauthenticated=False)
    assert keys == ("k0", "acme k1", "k2")


def test_what_contradicts_itself_or_is_no_key_is_refused_without_being_repeated() -> None:
    with pytest.raises(ConfigurationError, match="leave out one of them"):
        checked_keys("127.0.0.1", ("k",), None, allow_unauthenticated=True)
    with pytest.raises(ConfigurationError, match="give KEY or 'TENANT KEY'") as caught:
        checked_keys("127.0.0.1", ("a secret key",), None, allow_unauthenticated=False)
    assert "secret" not in str(caught.value)


def test_objectives_are_told_in_milliseconds() -> None:
    assert objective(None, None) is None
    assert objective(250.0, None) == Slo(0.25, None)
    assert objective(None, 20.0) == Slo(None, 0.02)
