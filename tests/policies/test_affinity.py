"""Requests that go where their prefix or their session is, unless it is too busy there."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policies.traffic import Traffic, request, traffic
from weft.contracts.prompts import HashPrompt, LengthPrompt, TokenPrompt
from weft.contracts.requests import Request
from weft.policies.load_bound import LoadBound
from weft.policies.prefix_affinity import HOLDERS

BUSY = 20
PREFIX = "prefix_affinity:block_tokens=4"


def prompt(*parts: str) -> TokenPrompt:
    """Eight tokens for each letter."""
    return TokenPrompt(tuple(8 * ord(letter) + place for letter in "".join(parts) for place in range(8)))


def ask(name: str, text: str, **fields: Any) -> Request:
    return request(name, prompt=prompt(text), **fields)


def test_a_prompt_goes_where_its_beginning_was_computed() -> None:
    seen = traffic(PREFIX)
    seen.fill(b=3)
    seen.place("b", ask("first", "xxy"))
    assert seen.choose(ask("same", "xxyz")) == "b"
    assert seen.choose(ask("other", "yxxz")) == "a"


def test_the_longest_prefix_wins_over_the_latest_and_the_idle() -> None:
    seen = traffic(PREFIX)
    seen.place("c", ask("long", "uvwx"))
    seen.place("b", ask("short", "uvz"))
    assert seen.choose(ask("next", "uvwy")) == "c"
    assert seen.choose(ask("next", "uvzz")) == "b"


def test_of_several_that_have_it_the_least_loaded_takes_it() -> None:
    seen = traffic(PREFIX)
    seen.place("b", ask("one", "uv"))
    seen.place("c", ask("two", "uv"))
    seen.place("c", ask("three", "zz"))
    assert seen.choose(ask("next", "uvw")) == "b"


def test_a_short_beginning_in_common_is_not_worth_a_detour() -> None:
    seen = traffic(PREFIX)
    seen.place("b", ask("one", "svv"))
    assert seen.choose(ask("next", "sww")) == "b"  # a third of it
    assert seen.choose(ask("next", "swww")) == "a"  # a quarter


@pytest.mark.parametrize("apart", [{"tenant": "other"}, {"adapter": "lora"}, {"cache_salt": "salt"}])
def test_who_shares_nothing_is_not_sent_there(apart: dict[str, str]) -> None:
    seen = traffic(PREFIX)
    seen.place("b", ask("one", "uvw"))
    assert seen.choose(ask("next", "uvw")) == "b"
    assert seen.choose(ask("next", "uvw", **apart)) == "a"


def test_tenants_that_name_one_salt_share() -> None:
    seen = traffic(PREFIX)
    seen.place("b", ask("one", "uvw", tenant="one", cache_salt="salt"))
    assert seen.choose(ask("next", "uvw", tenant="two", cache_salt="salt")) == "b"


def test_prompts_of_which_only_the_length_is_known_go_to_the_least_loaded() -> None:
    seen = traffic(PREFIX)
    seen.place("b", request("one", prompt=LengthPrompt(400)))
    assert seen.choose(request("next", prompt=LengthPrompt(400))) == "a"


def test_prompts_known_by_hashes_are_found() -> None:
    seen = traffic("prefix_affinity")
    seen.place("c", request("one", prompt=HashPrompt(100, (1, 2), 64)))
    assert seen.choose(request("next", prompt=HashPrompt(120, (1, 3), 64))) == "c"


@pytest.mark.parametrize("choice", [PREFIX, "session_affinity"])
def test_a_replica_that_came_back_has_forgotten(choice: str) -> None:
    seen, asked = traffic(choice, "abcdefgh"), ask("one", "uvw", session="s")
    target = next(name for name in "hgfedcba" if name != seen.choose(asked))
    seen.place(target, asked)
    seen.end("one")
    assert seen.choose(asked) == target
    seen.leave(target)
    assert seen.choose(asked) != target
    seen.join(target)
    assert seen.choose(asked) != target


def test_a_hot_prefix_spills_over_and_is_then_known_in_several_places() -> None:
    seen = traffic("prefix_affinity:block_tokens=4:free_requests=0")
    for number in range(60):
        seen.send(ask(f"r{number}", "hot"))
    assert max(seen.counts) <= 26  # 1.25 times a third, rounded up
    assert sorted(seen.policy._holders.values())[0][:2] != ()  # type: ignore[attr-defined]
    assert all(1 < len(known) <= HOLDERS for known in seen.policy._holders.values())  # type: ignore[attr-defined]


def test_memory_is_bounded_and_ends_of_prefixes_go_first() -> None:
    seen = traffic("prefix_affinity:block_tokens=8:most_blocks=5")
    seen.place("c", ask("old", "uvw"))
    seen.place("b", ask("new", "lmn"))
    assert seen.policy.num_blocks == 5  # type: ignore[attr-defined]
    assert seen.choose(ask("next", "uvx")) == "c"
    for number in range(40):
        seen.send(ask(f"r{number}", chr(200 + number) * 3))
    assert seen.policy.num_blocks == 5  # type: ignore[attr-defined]


def talk(name: str, session: str, **fields: Any) -> Request:
    return request(name, session=session, **fields)


def test_a_session_stays_where_it_was() -> None:
    seen = traffic("session_affinity", "abcdefgh")
    homes = {f"s{number}": seen.send(talk(f"r{number}", f"s{number}")) for number in range(30)}
    assert len(dict.fromkeys(homes.values())) > 4
    assert all(seen.choose(talk("next", session)) == home for session, home in homes.items())


def test_a_session_that_was_moved_stays_where_it_was_moved_to() -> None:
    seen = traffic("session_affinity")
    home = seen.send(talk("first", "s"))
    seen.fill(**{home: BUSY})
    moved = seen.send(talk("second", "s"))
    assert moved != home
    for number in range(BUSY):
        seen.end(f"{home}{number}")
    assert seen.choose(talk("third", "s")) == moved


def test_without_a_session_the_least_loaded_takes_it() -> None:
    seen = traffic("session_affinity")
    seen.fill(a=2, b=1, c=2)
    assert seen.send() == "b"


def test_two_tenants_with_the_same_session_name_are_apart() -> None:
    seen = traffic("session_affinity", "abcdefgh")
    homes = {tenant: seen.choose(talk("r", "s", tenant=tenant)) for tenant in "klmnopq"}
    assert len(dict.fromkeys(homes.values())) > 1


def test_the_memory_of_sessions_is_bounded() -> None:
    seen = traffic("session_affinity:most_sessions=3")
    for number in range(10):
        seen.send(talk(f"r{number}", f"s{number}"))
    assert seen.policy.num_sessions == 3  # type: ignore[attr-defined]


@given(st.integers(2, 12), st.integers(0, 11), st.integers(0, 1000))
def test_when_a_replica_leaves_only_its_sessions_move(count: int, gone: int, first: int) -> None:
    replicas = [f"replica-{number}" for number in range(count)]
    seen = Traffic(traffic("session_affinity:most_sessions=0", "").policy, replicas)
    sessions = [f"s{number}" for number in range(first, first + 30)]
    before = {each: seen.choose(talk("r", each)) for each in sessions}
    lost = replicas[gone % count]
    seen.leave(lost)
    after = {each: seen.choose(talk("r", each)) for each in sessions}
    assert all(after[each] == before[each] for each in sessions if before[each] != lost)


def test_sessions_are_spread_evenly() -> None:
    seen = traffic("session_affinity", "abcd")
    homes = Counter(seen.choose(talk("r", f"s{number}")) for number in range(4000))
    assert all(880 < count < 1120 for count in homes.values())  # four standard deviations


def all_alike(number: int) -> Request:
    return ask(f"r{number}", "hot", session="s")


def all_different(number: int) -> Request:
    return ask(f"r{number}", chr(100 + number), session=f"s{number}")


@pytest.mark.parametrize("policy", ["prefix_affinity:block_tokens=4", "session_affinity"])
@given(
    load_bound=st.floats(1.0, 3.0),
    free_requests=st.integers(0, 6),
    ends=st.lists(st.integers(0, 30), max_size=40),
    asked=st.sampled_from((all_alike, all_different)),
)
def test_no_replica_ever_has_more_than_its_bound(
    policy: str, load_bound: float, free_requests: int, ends: list[int], asked: Callable[[int], Request]
) -> None:
    seen = traffic(f"{policy}:load_bound={load_bound}:free_requests={free_requests}", "abcd")
    bound = LoadBound("test", load_bound, free_requests)
    for number, end in enumerate(ends):
        most = bound.most(seen.counts)
        chosen = seen.send(asked(number))
        assert seen.books[chosen].num_outstanding <= most
        if f"r{end}" in seen.under_way:
            seen.end(f"r{end}")
