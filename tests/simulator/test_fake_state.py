import pytest

from tests.simulator.fake_driver import LAYOUTS
from weft.contracts.errors import InvariantViolation
from weft.contracts.state import Tier
from weft.simulator.fake_state import BlockStore, WriteClaims


def _store(tier: Tier = Tier.DEVICE) -> BlockStore:
    return BlockStore(LAYOUTS["mixed"], tier, {"state": 3, "full": 5, "window": 5})


def _entries(store: BlockStore) -> list[int]:
    return [
        entry
        for group, count in ((0, 3), (1, 5), (2, 5))
        for block in range(count)
        for entry in store.block(group, block)
    ]


def test_poison_differs_from_slot_to_slot_and_tier_to_tier() -> None:
    entries = _entries(_store()) + _entries(_store(Tier.HOST))
    assert len(set(entries)) == len(entries) == 2 * (3 + 4 * 5 + 4 * 5)
    assert _entries(_store()) == _entries(_store())


def test_poison_comes_back() -> None:
    store = _store()
    before = list(store.block(1, 2))
    store.copy(1, 3, 2)
    assert store.block(1, 2) == store.block(1, 3) != before
    store.poison(1, 2, 0)
    assert store.block(1, 2) == [before[0], *store.block(1, 3)[1:]]
    store.poison_block(1, 2)
    assert store.block(1, 2) == before


def test_a_checksum_covers_every_entry_and_its_place_but_not_the_block_number() -> None:
    store = _store()
    store.copy(1, 3, 2)
    same = store.checksum(1, 3)
    assert store.checksum(1, 2) == same
    store.block(1, 2).reverse()
    assert store.checksum(1, 2) != same
    store.copy(1, 3, 2)
    store.block(1, 2)[3] += 1
    assert store.checksum(1, 2) != same


def test_claims_poison_what_will_be_overwritten_and_keep_what_is_read_first() -> None:
    store, fresh = _store(), _store()
    store.block(1, 0)[1] = store.block(0, 0)[0] = 5
    claims = WriteClaims(store)
    claims.claim(1, 0, 1, row=0)
    claims.claim(0, 0, 0, row=0, keeps_content=True)
    assert store.block(1, 0) == fresh.block(1, 0)
    assert store.block(0, 0) == [5]
    with pytest.raises(InvariantViolation, match=r"\[write_shared\] rows 0 and 7 write slot 1 of block 0"):
        claims.claim(1, 0, 1, row=7)


@pytest.mark.parametrize("slot", [-1, 4])
def test_a_claim_names_a_slot_of_the_block(slot: int) -> None:
    with pytest.raises(InvariantViolation, match=r"\[block_unknown\]"):
        WriteClaims(_store()).claim(1, 0, slot, row=0)
