"""Prequal: what its pool keeps, and which replica it takes."""

import pytest

from tests.policies.traffic import Traffic, request, traffic
from weft.contracts.routing import Probed
from weft.policies.prequal import POOL_SIZE
from weft.policies.probe_pool import MOST_LOADS, Probe, ProbePool, RecentLoads, best

PLAIN = "prequal:removed=0"
"""Nothing is removed for its own sake."""


def probe(replica: str, num_in_flight: int = 1, latency_s: float | None = 1.0, uses: float = 9) -> Probe:
    return Probe(Probed(0.0, replica, num_in_flight, latency_s), uses)


def pool(*probes: Probe, size: int = 4) -> ProbePool:
    filled = ProbePool(size)
    for each in probes:
        filled.add(each)
    return filled


def names(filled: ProbePool) -> str:
    return "".join(each.replica for each in filled.young(0.0))


def test_the_fastest_cold_one_is_the_best_and_the_emptiest_where_all_are_hot() -> None:
    probes = [probe("a", 9, 0.1), probe("b", 3, 0.5), probe("c", 1, 0.9)]
    assert best(probes, limit=3).replica == "b"
    assert best(probes, limit=9).replica == "a"
    assert best(probes, limit=0).replica == "c"


def test_who_has_no_experience_yet_gets_some() -> None:
    assert best([probe("a", 1, 0.1), probe("b", 1, None)], limit=1).replica == "b"


def test_a_pool_keeps_the_newest_of_each_and_no_more_than_it_has_room_for() -> None:
    filled = pool(*(probe(name) for name in "abcda"))
    assert names(filled) == "bcda"
    filled.add(probe("e"))
    assert names(filled) == "cdae"


def test_what_is_removed_is_by_turns_the_worst_and_the_oldest() -> None:
    filled = pool(probe("a", 1, 0.1), probe("b", 5, 0.1), probe("c", 1, 0.9), probe("d", 1, 0.2))
    filled.thin_out(limit=4)  # the fullest of the hot
    assert names(filled) == "acd"
    filled.thin_out(limit=4)  # the oldest
    assert names(filled) == "cd"
    filled.thin_out(limit=4)  # the slowest of the cold
    assert names(filled) == "d"


def test_a_request_counts_in_the_answer_and_uses_it_up() -> None:
    filled = pool(probe("a", 1, uses=2))
    filled.use("a")
    assert filled.young(0.0)[0].num_in_flight == 2
    filled.use("a")
    assert len(filled) == 0
    filled.use("a")  # nobody asked it since


def test_the_quantile_is_of_the_newest_answers() -> None:
    loads = RecentLoads()
    assert loads.quantile(0.5) == float("inf")
    for _ in range(5):
        loads.add(1000)
    for number in range(MOST_LOADS):
        loads.add(number)
    assert (loads.quantile(0.0), loads.quantile(0.5), loads.quantile(1.0)) == (0, 64, float("inf"))


def answered(choice: str, **latencies_s: float) -> Traffic:
    seen = traffic(choice, "abcd")
    for name, latency_s in latencies_s.items():
        seen.answer(name, 1, latency_s)
    return seen


def test_the_fastest_takes_the_request_until_it_is_full() -> None:
    seen = answered(f"{PLAIN}:hot_quantile=0.9", a=3.0, b=1.0, c=2.0)
    for _ in range(7):
        seen.answer("d", 4, 9.0)
    assert [seen.send() for _ in range(6)] == ["b", "b", "b", "b", "c", "c"]


def test_quantile_0_looks_at_load_alone_and_1_at_latency_alone() -> None:
    for quantile, chosen in ((0.0, "a"), (1.0, "b")):
        seen = traffic(f"{PLAIN}:hot_quantile={quantile}")
        seen.answer("a", 1, 5.0)
        seen.answer("b", 3, 0.1)
        assert seen.send() == chosen


def test_with_too_few_answers_the_books_decide() -> None:
    chosen = []
    for seed in range(12):
        seen = answered(f"{PLAIN}:seed={seed}", a=0.1)
        seen.fill(a=3, b=1, c=3, d=3)
        chosen.append(seen.send())
    assert "b" in chosen  # of any two of which it is one
    assert len(dict.fromkeys(chosen)) > 1  # and chance says which two


def test_answers_grow_old() -> None:
    seen = answered(PLAIN, a=3.0, b=2.0, c=1.0)
    seen.fill(c=9, b=9, a=9)
    seen.now_s = 1.5
    seen.answer("a", 1, 3.0)
    seen.answer("b", 1, 2.0)
    assert seen.send() == "b"


def test_a_replica_that_left_is_not_chosen_and_not_remembered() -> None:
    seen = answered(f"{PLAIN}:hot_quantile=1", a=3.0, b=2.0, c=1.0)
    seen.leave("c")
    assert seen.send() == "b"
    seen.join("c")
    assert seen.send() == "b"


def test_only_those_that_may_take_it_are_chosen() -> None:
    """A router leaves out a replica for a while without taking it for lost."""
    seen = answered(PLAIN, a=3.0, b=2.0, c=1.0)
    seen.names.remove("c")
    assert seen.choose(request("next")) == "b"


@pytest.mark.parametrize(
    ("probes", "removed", "uses"),
    # (1 + 1) / ((1 - 16 / 100) * probes - removed), the examples being those of the paper's experiments
    [(3.0, 1.0, 1.3158), (1.0, 0.25, 3.3898), (0.5, 0.25, 11.7647), (1.0, 1.0, float("inf"))],
)
def test_equation_1_says_how_often_an_answer_is_used(probes: float, removed: float, uses: float) -> None:
    seen = Traffic(
        traffic(f"prequal:probes={probes}:removed={removed}", "").policy, [f"r{n}" for n in range(100)]
    )
    drawn = [seen.policy._next_uses() for _ in range(2000)]  # type: ignore[attr-defined]
    assert sum(drawn) / len(drawn) == pytest.approx(uses, abs=1e-3)


def test_the_pool_of_a_busy_router_stays_filled_and_bounded() -> None:
    seen = Traffic(traffic("prequal", "").policy, [f"r{number}" for number in range(100)])
    sizes = []
    for number in range(500):
        seen.now_s = number / 100.0
        seen.send()
        for ahead in range(3):
            seen.answer(f"r{(7 * number + 31 * ahead) % 100}", 1, 1.0)
        sizes.append(len(seen.policy._pool))  # type: ignore[attr-defined]
    assert max(sizes) == POOL_SIZE
    assert min(sizes[10:]) >= 2
