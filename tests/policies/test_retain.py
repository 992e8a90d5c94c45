"""Which cached blocks are given up first."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from weft.contracts.events import RequestArrived, RequestEnded, Status
from weft.contracts.policies import BlocksCached, BlocksEvicted, BlocksIdled, BlocksReused
from weft.contracts.prompts import LengthPrompt
from weft.contracts.requests import Request
from weft.policies.greedy_dual import GreedyDual
from weft.policies.lfu import Lfu
from weft.policies.registry import POLICIES, make_retain_policy
from weft.policies.session_aware import SessionAware
from weft.policies.tenant_quota import TenantQuota


def asked(tenant: str = "default", session: str | None = None) -> Request:
    return Request("r", LengthPrompt(64), tenant=tenant, session=session)


def test_the_longest_unused_go_first_and_of_those_released_together_the_first_named() -> None:
    policy = make_retain_policy("lru")
    policy.observe(BlocksIdled([5, 3]))
    policy.observe(BlocksIdled([9]))
    assert [list(policy.decide(count)) for count in (1, 2, 3)] == [[5], [5, 3], [5, 3, 9]]


def test_a_block_in_use_is_no_candidate_and_one_used_again_goes_last() -> None:
    policy = make_retain_policy("lru")
    policy.observe(BlocksIdled([1, 2, 3]))
    policy.observe(BlocksReused([1, 2]))
    assert list(policy.decide(1)) == [3]
    policy.observe(BlocksIdled([2]))
    assert list(policy.decide(2)) == [3, 2]


@given(blocks=st.lists(st.integers(0, 50), unique=True, min_size=1), count=st.integers(1, 10))
def test_deciding_changes_nothing_and_evictions_are_forgotten(blocks: list[int], count: int) -> None:
    policy = make_retain_policy("lru")
    policy.observe(BlocksIdled(blocks))
    given_up = list(policy.decide(count))
    assert given_up == list(policy.decide(count)) == blocks[:count]
    policy.observe(BlocksEvicted(given_up))
    assert list(policy.decide(len(blocks))) == blocks[count:]


def test_the_least_used_go_first_and_counts_go_with_the_content() -> None:
    policy = Lfu()
    policy.observe(BlocksIdled([1, 2, 3]))
    policy.observe(BlocksReused([1]))
    policy.observe(BlocksIdled([1]))
    assert list(policy.decide(3)) == [2, 3, 1]
    policy.observe(BlocksEvicted([2, 3, 1]))
    policy.observe(BlocksIdled([1, 2]))
    assert list(policy.decide(1)) == [1]


def test_what_costs_more_to_compute_again_stays_until_it_is_old() -> None:
    policy = GreedyDual(crossover_blocks=10.0)
    for first, blocks in ((0, [0, 1]), (100, [2, 3]), (0, [4, 5])):
        policy.observe(BlocksCached(blocks, asked(), first))
    policy.observe(BlocksIdled([3, 2]))
    policy.observe(BlocksIdled([1, 0]))
    assert list(policy.decide(4)) == [1, 0, 3, 2]
    policy.observe(BlocksEvicted([1, 0]))
    policy.observe(BlocksEvicted([3]))
    policy.observe(BlocksIdled([5, 4]))  # above the worth of what went last
    assert list(policy.decide(3)) == [2, 5, 4]


def test_one_that_is_used_is_worth_more() -> None:
    policy = GreedyDual()
    policy.observe(BlocksCached([1, 2, 3], asked(), 0))
    policy.observe(BlocksIdled([3, 2, 1]))
    policy.observe(BlocksReused([3]))
    policy.observe(BlocksIdled([3]))
    assert list(policy.decide(3)) == [2, 1, 3]


def paused(policy: SessionAware, session: str, left_s: float, back_s: float | None = None) -> None:
    """A session's request ends; the next one comes, or does not."""
    policy.observe(RequestArrived(left_s, f"{session}{left_s}", "a", 1, 1, session))
    policy.observe(RequestEnded(left_s, f"{session}{left_s}", Status.FINISHED, "", 1))
    if back_s is not None:
        policy.observe(RequestArrived(back_s, f"{session}{back_s}", "a", 1, 1, session))


def learned() -> SessionAware:
    """Of a tenant whose sessions pause for a second."""
    policy = SessionAware()
    for number in range(8):
        paused(policy, "old", 2.0 * number, 2.0 * number + 1.0)
    return policy


def test_a_session_that_is_expected_back_keeps_its_blocks_until_it_is_overdue() -> None:
    policy = learned()
    policy.observe(BlocksCached([1, 2], asked("a", "s"), 0))
    policy.observe(BlocksCached([3], asked("a"), 0))
    paused(policy, "s", 20.0)
    policy.observe(BlocksIdled([2, 1]))
    policy.observe(BlocksIdled([3]))
    assert list(policy.decide(1)) == [3]
    assert list(policy.decide(3)) == [3, 2, 1]
    policy.observe(RequestArrived(21.5, "later", "a", 1, 1))
    assert list(policy.decide(3)) == [2, 1, 3]


def test_a_session_whose_blocks_were_idle_before_its_request_ended_keeps_them_too() -> None:
    policy = learned()
    policy.observe(BlocksCached([1], asked("a", "s"), 0))
    policy.observe(BlocksCached([2], asked("a"), 0))
    policy.observe(BlocksIdled([1]))
    policy.observe(BlocksIdled([2]))
    assert list(policy.decide(1)) == [1]
    paused(policy, "s", 20.0)
    assert list(policy.decide(1)) == [2]


def test_of_sessions_that_are_expected_the_last_goes_first() -> None:
    policy = learned()
    for block, session in ((1, "s"), (2, "t")):
        policy.observe(BlocksCached([block], asked("a", session), 0))
        paused(policy, session, 20.0 + block / 10)
        policy.observe(BlocksIdled([block]))
    assert list(policy.decide(2)) == [2, 1]


def test_before_any_session_came_back_the_least_recently_used_go_first() -> None:
    policy = SessionAware()
    policy.observe(BlocksCached([1], asked("a", "s"), 0))
    paused(policy, "s", 1.0)
    policy.observe(BlocksIdled([1]))
    policy.observe(BlocksCached([2], asked("a"), 0))
    policy.observe(BlocksIdled([2]))
    assert list(policy.decide(2)) == [1, 2]


def test_the_tenant_that_has_most_gives_up_until_it_is_even_with_others() -> None:
    policy = TenantQuota()
    policy.observe(BlocksCached([1, 2, 3, 4], asked("large"), 0))
    policy.observe(BlocksCached([5, 6], asked("small"), 0))
    policy.observe(BlocksIdled([6, 5]))
    policy.observe(BlocksIdled([4, 3, 2, 1]))
    assert sorted(policy.decide(2)) == [3, 4]
    assert sorted(policy.decide(4)) == [2, 3, 4, 6]


class Retaining(RuleBasedStateMachine):
    """Any use of a pool: a policy names as many different idle blocks as it is asked for, twice the same."""

    NUM_BLOCKS = 12

    @initialize(name=st.sampled_from(sorted(POLICIES["retain"])))
    def begin(self, name: str) -> None:
        self.policy = make_retain_policy(name)
        self.idle, self.held, self.now_s = set[int](), set[int](), 0.0
        self.num_requests = 0

    @rule(blocks=st.sets(st.integers(0, NUM_BLOCKS - 1), min_size=1), who=st.sampled_from("ab"))
    def cache(self, blocks: set[int], who: str) -> None:
        new = sorted(blocks - self.idle - self.held)
        if new:
            if BlocksCached in self.policy.observes:
                self.policy.observe(BlocksCached(new, asked(who, f"session {who}"), 0))
            self.held |= set(new)

    @rule(data=st.data())
    def let_go(self, data: st.DataObject) -> None:
        if self.held:
            blocks = data.draw(st.lists(st.sampled_from(sorted(self.held)), min_size=1, unique=True))
            self.policy.observe(BlocksIdled(blocks))
            self.held, self.idle = self.held - set(blocks), self.idle | set(blocks)

    @rule(data=st.data())
    def take_up(self, data: st.DataObject) -> None:
        if self.idle:
            blocks = data.draw(st.lists(st.sampled_from(sorted(self.idle)), min_size=1, unique=True))
            self.policy.observe(BlocksReused(blocks))
            self.held, self.idle = self.held | set(blocks), self.idle - set(blocks)

    @rule(who=st.sampled_from("ab"), gap_s=st.floats(0, 3), ends=st.booleans())
    def request(self, who: str, gap_s: float, ends: bool) -> None:
        if RequestArrived not in self.policy.observes:
            return
        self.now_s += gap_s
        self.num_requests += 1
        name = f"r{self.num_requests}"
        self.policy.observe(RequestArrived(self.now_s, name, who, 1, 1, f"session {who}"))
        if ends:
            self.policy.observe(RequestEnded(self.now_s, name, Status.FINISHED, "", 1))

    @rule(count=st.integers(1, NUM_BLOCKS))
    def evict(self, count: int) -> None:
        count = min(count, len(self.idle))
        blocks = list(self.policy.decide(count))
        assert blocks == list(self.policy.decide(count))
        self.policy.observe(BlocksEvicted(blocks))
        self.idle -= set(blocks)

    @invariant()
    def names_idle_blocks(self) -> None:
        if hasattr(self, "policy"):
            named = list(self.policy.decide(len(self.idle)))
            assert sorted(named) == sorted(self.idle)


TestRetaining = Retaining.TestCase
