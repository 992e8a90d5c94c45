"""What requests name, and what they are judged by."""

from collections.abc import Iterator

import pytest

from weft.contracts.prompts import LengthPrompt
from weft.contracts.requests import Slo
from weft.measurement.comparison.objectives import Judged
from weft.workloads.sessions import ANYONE, Client, Session, Turn

GOAL = Slo(0.5, 0.02)


class Two:
    """A session that names nothing, and one that names the time to its first token."""

    name = "two"

    def sessions(self) -> Iterator[Session]:
        for number, client in enumerate((ANYONE, Client(slo=Slo(3.0, None)))):
            yield Session(number, float(number), (Turn(LengthPrompt(4), 2),), client)


@pytest.mark.parametrize(
    ("told", "slo", "own"),
    [
        ("both", GOAL, Slo(3.0, 0.02)),
        ("ttft", Slo(0.5, None), Slo(3.0, None)),
        ("tpot", Slo(None, 0.02), Slo(3.0, 0.02)),
        ("none", None, Slo(3.0, None)),
    ],
)
def test_requests_name_what_they_are_told_to_unless_they_name_their_own(
    told: str, slo: Slo | None, own: Slo
) -> None:
    assert [each.client.slo for each in Judged(Two(), GOAL, told).sessions()] == [slo, own]


@pytest.mark.parametrize("told", ["both", "none"])
def test_they_are_judged_by_all_of_it_whatever_they_name(told: str) -> None:
    load = Judged(Two(), GOAL, told)
    assert load.name == "two"
    assert len(list(load.sessions())) == 2
    assert [load.objective(name) for name in ("0.0", "1.0", "1.7")] == [GOAL, Slo(3.0, 0.02), Slo(3.0, 0.02)]
