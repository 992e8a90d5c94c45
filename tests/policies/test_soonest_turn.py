"""`vtc` across replicas: where a tenant's turn comes soonest."""

from tests.policies.traffic import Traffic, request, traffic
from weft.contracts.events import Status


def test_a_tenant_queues_behind_itself_and_not_where_others_have_more() -> None:
    seen = traffic("vtc", "ab")
    seen.place("a", request("mine", 100, tenant="me"))
    seen.place("b", request("theirs", 100, tenant="them"))
    seen.place("b", request("theirs too", 100, tenant="them"))
    # At a: 100 of my own and 50. At b: 50, and of theirs not more than as much.
    assert seen.choose(request("next", 50, tenant="me")) == "b"


def test_a_flood_of_one_tenant_does_not_scare_another_away() -> None:
    seen = traffic("vtc", "ab")
    for number in range(50):
        seen.place("a", request(f"flood{number}", 100, tenant="flood"))
    seen.place("b", request("one", 60, tenant="one"))
    seen.place("b", request("two", 60, tenant="two"))
    assert seen.choose(request("quiet", 50, tenant="quiet")) == "a"
    assert traffic_of("least_outstanding_tokens", seen).choose(request("quiet", 50)) == "b"


def traffic_of(choice: str, like: Traffic) -> Traffic:
    """The same requests under way at another policy."""
    seen = traffic(choice, "".join(like.names))
    for name, asked in like.under_way.values():
        seen.place(name, asked)
    return seen


def test_equal_turns_go_to_the_replica_with_less_to_do() -> None:
    seen = traffic("vtc", "ab")
    seen.place("a", request("big", 500, tenant="them"))
    seen.place("b", request("small", 200, tenant="them"))
    assert seen.choose(request("next", 50, tenant="me")) == "b"


def test_each_tenant_is_spread_over_all_replicas() -> None:
    seen = traffic("vtc", "abcd")
    for number in range(40):
        seen.send(request(f"greedy{number}", 10, tenant="greedy"))
        if number % 5 == 0:
            seen.send(request(f"modest{number}", 10, tenant="modest"))
    for tenant, each in (("greedy", 10), ("modest", 2)):
        places = [name for name, asked in seen.under_way.values() if asked.tenant == tenant]
        assert sorted(places) == sorted("abcd" * each)


def test_outputs_to_be_expected_count_twice() -> None:
    seen = traffic("vtc", "ab")
    seen.place("a", request("first", 10, tenant="me"))
    seen.end("first", output_tokens=100)
    seen.place("a", request("short", 10, tenant="me"))  # 210 with its output
    for number in range(2):
        seen.place("b", request(f"r{number}", 10, tenant="me"))
    assert seen.choose(request("next", 10, tenant="me")) == "a"
    seen.place("a", request("long", 300, tenant="me"))
    assert seen.choose(request("next", 10, tenant="me")) == "b"


def test_a_tenant_of_less_weight_waits_behind_more_of_the_others() -> None:
    for weights, chosen in (("", "b"), (":weights=me=0.25", "a")):
        seen = traffic(f"vtc{weights}", "ab")
        seen.place("a", request("mine", 100, tenant="me"))
        for tenant in ("x", "y"):
            seen.place("b", request(tenant, 90, tenant=tenant))
        assert seen.choose(request("next", 40, tenant="me")) == chosen


def test_what_ended_or_was_lost_counts_no_more() -> None:
    seen = traffic("vtc", "ab")
    seen.place("a", request("one", 100, tenant="me"))
    seen.place("b", request("two", 50, tenant="me"))
    assert seen.choose(request("next", tenant="me")) == "b"
    seen.end("one", 0, Status.FAILED)
    assert seen.choose(request("next", tenant="me")) == "a"
    seen.place("a", request("two", 50, tenant="me"))  # goes on elsewhere
    assert seen.choose(request("next", tenant="me")) == "b"
    assert seen.policy._backlogs == {"a": {"me": 50}, "b": {}}  # type: ignore[attr-defined]
