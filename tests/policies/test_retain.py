"""Which cached blocks are given up first."""

from hypothesis import given
from hypothesis import strategies as st

from weft.contracts.policies import BlocksEvicted, BlocksIdled, BlocksReused
from weft.policies.registry import make_retain_policy


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
