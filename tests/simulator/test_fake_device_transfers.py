"""State that leaves the device and comes back, whole, corrupt or not at all."""

import pytest

from tests.simulator.fake_driver import LAYOUTS, Driver, make_request
from weft.contracts.errors import InvariantViolation
from weft.contracts.prompts import MediaItem
from weft.contracts.requests import Request
from weft.contracts.state import Tier
from weft.contracts.steps import Admission, StepEntry
from weft.contracts.transfers import BlockMove, Transfer, TransferKind, TransferResult
from weft.simulator.fake_reference import reference_output

every_variant = pytest.mark.parametrize("layout", LAYOUTS)
PICTURE = (MediaItem(b"cat", 1, 5),)
Tables = tuple[tuple[int, ...], ...]


def swap(source: Tables, target: Tables, out: bool, expected: int | None = None) -> Transfer:
    moves = tuple(
        BlockMove(group, *pair)
        for group in range(len(source))
        for pair in zip(source[group], target[group], strict=True)
    )
    kind = TransferKind.SWAP_OUT if out else TransferKind.SWAP_IN
    tiers = (Tier.DEVICE, Tier.HOST) if out else (Tier.HOST, Tier.DEVICE)
    return Transfer(3, kind, 0, *tiers, moves, 13, expected_checksum=expected)


class Swapped:
    """A sequence preempted after four tokens: its state is on the host, its device blocks are reused."""

    def __init__(self, layout: str) -> None:
        self.driver = Driver(layout)
        self.request: Request = make_request(media=PICTURE)
        before = self.driver.admission(0, self.request)
        self.text = [self.driver.prefill(before, stands=True).tokens[0]]
        self.text += [self.driver.step(advances=True).tokens[0] for _ in range(3)]
        self.host = self.driver.tables(self.request, spare_tokens=8)
        self.out = self.driver.device.move(swap(before.tables, self.host, out=True))
        usurper = self.driver.admission(0, make_request("u", prompt=tuple(range(50, 60))), before.tables)
        self.driver.step(StepEntry(0, 0, 10, False), removed=(0,), added=(usurper,))
        self.driver.step(removed=(0,))
        self.tables = self.driver.tables(self.request, spare_tokens=8)

    def move_back(self, expected: int | None = None) -> TransferResult:
        return self.driver.device.move(swap(self.host, self.tables, out=False, expected=expected))

    def finish(self) -> tuple[int, ...]:
        known = tuple(self.text)
        back: Admission = self.driver.admission(0, self.request, self.tables, known, computed=13)
        result = self.driver.step(StepEntry(0, 13, 1, True, True), added=(back,))
        return known + self.driver.decode(0, result)


@every_variant
def test_state_survives_a_swap_to_other_blocks(layout: str) -> None:
    swapped = Swapped(layout)
    assert swapped.out.checksum is not None
    assert swapped.out.error is None
    assert swapped.move_back(swapped.out.checksum) == swapped.out
    assert swapped.finish() == reference_output(swapped.driver.spec, swapped.request)


@every_variant
def test_state_that_never_came_back_shows(layout: str) -> None:
    swapped = Swapped(layout)
    assert swapped.finish() != reference_output(swapped.driver.spec, swapped.request)


@every_variant
def test_a_broken_transfer_leaves_garbage(layout: str) -> None:
    swapped = Swapped(layout)
    swapped.move_back()
    transfer = swap(swapped.host, swapped.tables, out=False)
    assert swapped.driver.device.fail_move(transfer, "lost").error == "lost"
    assert swapped.finish() != reference_output(swapped.driver.spec, swapped.request)


@every_variant
def test_corruption_on_the_host_fails_the_checksum(layout: str) -> None:
    swapped = Swapped(layout)
    for group, blocks in enumerate(swapped.host):
        swapped.driver.device.corrupt(group, blocks[0], tier=Tier.HOST)
    result = swapped.move_back(swapped.out.checksum)
    assert result.error == "checksum mismatch"
    assert result.checksum != swapped.out.checksum
    assert swapped.move_back().error is None


def test_a_checksum_does_not_depend_on_the_order_of_blocks() -> None:
    swapped = Swapped("mixed")
    transfer = swap(swapped.host, swapped.tables, out=False, expected=swapped.out.checksum)
    assert swapped.driver.device.move(transfer._replace(moves=transfer.moves[::-1])).error is None


def test_tiers_that_do_not_exist_are_an_error_of_the_transfer() -> None:
    transfer = Transfer(3, TransferKind.MIGRATE, 0, Tier.DEVICE, Tier.REMOTE, (BlockMove(0, 0, 0),), 4)
    device = Driver("paged").device
    assert "device to remote" in (device.move(transfer).error or "")
    assert device.fail_move(transfer, "lost").error == "lost"


@pytest.mark.parametrize("move", [BlockMove(0, 0, 96), BlockMove(0, -1, 0), BlockMove(1, 0, 0)])
def test_blocks_that_do_not_exist_are_a_defect(move: BlockMove) -> None:
    transfer = Transfer(3, TransferKind.SWAP_OUT, 0, Tier.DEVICE, Tier.HOST, (move,), 4)
    with pytest.raises(InvariantViolation) as caught:
        Driver("paged").device.move(transfer)
    assert caught.value.name == "block_unknown"
