"""Functions are watched, and left as they were."""

import asyncio
import time

import pytest

from weft.measurement.latency_probes import Probe, Probes, call_cost_s

HERE = __name__


class Base:
    def work(self, seconds: float = 0.0) -> str:
        time.sleep(seconds)
        return "done"


class Worker(Base):
    async def wait(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "waited"


def fail() -> None:
    raise KeyError("lost")


def probes(*named: tuple[str, str]) -> Probes:
    return Probes([Probe(name, f"{HERE}:{place}") for name, place in named])


def test_calls_become_spans_in_the_order_of_their_ends() -> None:
    watching = probes(("a", "Base.work"), ("b", "Worker.wait"))
    before = dict(vars(Base)), dict(vars(Worker))
    watching.on()
    begun_s = time.monotonic()
    assert asyncio.run(Worker().wait(0.02)) == "waited"
    assert Base().work(0.01) == "done"
    seen = watching.take()
    watching.off()
    assert [span.name for span in seen] == ["b", "a"]
    assert [span.end_s - span.begin_s >= least for span, least in zip(seen, (0.02, 0.01), strict=True)] == [
        True,
        True,
    ]
    assert begun_s <= seen[0].begin_s <= seen[0].end_s <= seen[1].begin_s <= time.monotonic()
    assert (dict(vars(Base)), dict(vars(Worker))) == before
    Base().work()
    assert watching.take() == []


def test_what_is_inherited_is_watched_in_the_heir_only() -> None:
    watching = probes(("a", "Worker.work"))
    watching.on()
    Base().work()
    Worker().work()
    assert len(watching.take()) == 1
    watching.off()
    assert "work" not in vars(Worker)


def test_errors_pass() -> None:
    watching = probes(("a", "fail"))
    watching.on()
    with pytest.raises(KeyError, match="lost"):
        fail()
    assert len(watching.take()) == 1
    watching.off()


def test_twice_on_is_once_on() -> None:
    watching = probes(("a", "Base.work"))
    watching.on()
    watching.on()
    Base().work()
    assert len(watching.take()) == 1
    watching.off()
    assert vars(Base)["work"].__name__ == "work"
    assert not hasattr(Base.work, "__wrapped__")


def test_watching_costs_little() -> None:
    assert 0.0 <= call_cost_s(1000) < 1e-4


def test_a_function_that_has_gone_is_named() -> None:
    with pytest.raises(AttributeError, match="play"):
        probes(("a", "Worker.play")).on()
