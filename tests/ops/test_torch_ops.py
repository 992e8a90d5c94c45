"""What the torch backend asks of the libraries below it."""

import os

import pytest

from weft.ops.torch_ops import TorchOps

VARIABLE = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"


@pytest.mark.parametrize(("set_by_user", "found"), [(None, "16384"), ("2000", "2000")])
def test_more_shapes_are_remembered_than_by_default(
    set_by_user: str | None, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if set_by_user is not None:
        monkeypatch.setenv(VARIABLE, set_by_user)
    TorchOps(1)
    assert os.environ[VARIABLE] == found
