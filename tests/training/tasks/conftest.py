"""What tests of the tasks share."""

import pytest

from weft.training.tasks import invented


@pytest.fixture
def nothing_invented(monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents say only what can be read by rules."""
    monkeypatch.setattr(invented, "INVENTED_SHARE", 0.0)
