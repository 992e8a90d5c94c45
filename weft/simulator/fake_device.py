"""A device that runs the fake model on physical blocks and checks that it is driven by the contract.

`FakeDevice` has no clock and no loop: `execute` a step, `move` a transfer. `FakeExecutor` puts it behind
the asynchronous seam.
"""

from collections.abc import Mapping
from typing import NamedTuple

from weft.contracts.errors import InvariantViolation
from weft.contracts.state import Tier
from weft.contracts.steps import Candidate, Step, StepEntry, StepResult, TokenLogprobs, Verification
from weft.contracts.transfers import Transfer, TransferResult
from weft.simulator.fake_compute import FakeCompute
from weft.simulator.fake_drafts import DraftTree, check_draft, claim_draft
from weft.simulator.fake_model import (
    MASK,
    FakeModelSpec,
    choose_token,
    likeliest_candidates,
    stops,
    token_logprobs,
)
from weft.simulator.fake_row import Row
from weft.simulator.fake_rows import FakeRows
from weft.simulator.fake_state import BlockStore, WriteClaims


class _Outcome(NamedTuple):
    tokens: list[int]
    finished: list[int]
    verified: dict[int, Verification]
    candidates: dict[int, tuple[Candidate, ...]]
    logprobs: dict[int, tuple[TokenLogprobs, ...]]


class FakeDevice:
    """Rows, blocks and the fake model, driven one step at a time.

    `num_blocks` and `num_host_blocks`: blocks per state group by name, a group left out has none.
    `max_step_tokens`: the most units that a step may compute.

    Rows of a step are computed one after the other: standing rows in the order in which they began to
    stand, then entries. Every slot that will be written is poisoned before the first is computed.

    Raises `InvariantViolation` where a step breaks the contract: `step_order`, `weights_version`, `budget`,
    `row_in_use`, `row_unknown`, `row_stands`, `row_repeated`, `position_gap`, `token_unknown`,
    `token_known`, `table_too_short`, `table_gap`, `block_unknown`, `write_shared`, `encoder_missing`,
    `draft_malformed`. After one the device's state means nothing.
    """

    def __init__(
        self,
        spec: FakeModelSpec,
        num_blocks: Mapping[str, int],
        num_host_blocks: Mapping[str, int] | None = None,
        max_step_tokens: int | None = None,
    ) -> None:
        self.spec = spec
        self._stores = {
            Tier.DEVICE: BlockStore(spec.layout, Tier.DEVICE, num_blocks),
            Tier.HOST: BlockStore(spec.layout, Tier.HOST, num_host_blocks or {}),
        }
        self._compute = FakeCompute(spec, self._stores[Tier.DEVICE])
        self._rows = FakeRows(spec)
        self._max_step_tokens = max_step_tokens
        self._last_number: int | None = None
        self._lost_steps = False

    @property
    def weights_version(self) -> int:
        """The version that steps must name."""
        return self._compute.weights_version

    @property
    def num_rows(self) -> int:
        """Rows held now."""
        return len(self._rows.held)

    def update_weights(self, version: int) -> None:
        """Whatever is computed from now on is computed with the weights of `version`."""
        self._compute.weights_version = version

    def execute(self, step: Step) -> StepResult:
        """Apply a step in the order of its fields and return what it produced."""
        self._check_header(step)
        self._rows.apply(step)
        self._copy(step)
        standing = list(self._rows.standing.values()) if step.advances else []
        entries = self._rows.match(step.entries)
        claims = self._claim(standing, entries)
        self._check_budget(step, len(standing), self._encode(step, claims))
        outcome = _Outcome([0] * (1 + max(self._rows.held, default=-1)), [], {}, {}, {})
        for row in standing:
            self._emit(row, self._compute.units(row, 1), outcome)
        for row, entry in entries:
            self._run_entry(row, entry, outcome)
        return StepResult(
            step.number,
            outcome.tokens,
            tuple(outcome.finished),
            outcome.verified,
            outcome.candidates,
            outcome.logprobs,
        )

    def lose(self, step: Step) -> None:
        """A step failed or was aborted: nothing is computed.

        Rows that it would have removed are gone; rows that it would have added do not exist, but a later
        step may name either in `removed`. All else is as the last executed step left it. The next step may
        have any later number.
        """
        self._rows.lose(step)
        self._lost_steps = True

    def forget_rows(self) -> None:
        """Another engine begins: no row is held, and the next step may have any later number."""
        self._rows.forget()
        self._lost_steps = True

    def _check_header(self, step: Step) -> None:
        last = self._last_number
        follows = last is None or step.number == last + 1 or (self._lost_steps and step.number > last)
        if not follows:
            raise InvariantViolation("step_order", f"step {step.number} follows step {last}")
        if step.weights_version != self.weights_version:
            detail = (
                f"step {step.number} is for version {step.weights_version}; loaded is {self.weights_version}"
            )
            raise InvariantViolation("weights_version", detail)
        self._last_number, self._lost_steps = step.number, False

    def _copy(self, step: Step) -> None:
        targets: dict[tuple[int, int], int] = {}
        for copy in step.copies:
            key = (copy.group, copy.target)
            if key in targets:
                detail = (
                    f"blocks {targets[key]} and {copy.source} are copied to {copy.target}, group {copy.group}"
                )
                raise InvariantViolation("write_shared", detail)
            targets[key] = copy.source
            self._stores[Tier.DEVICE].copy(copy.group, copy.source, copy.target)

    def _claim(self, standing: list[Row], entries: list[tuple[Row, StepEntry]]) -> WriteClaims:
        claims = WriteClaims(self._stores[Tier.DEVICE])
        for row in standing:
            self._compute.claim_units(claims, row, row.computed, row.computed + 1)
        for row, entry in entries:
            end = entry.start + entry.num_units
            if entry.draft is not None:
                check_draft(self._compute, row, entry.draft)
                claim_draft(self._compute, claims, row, entry.draft)
                end += len(entry.draft.tokens)
            self._compute.claim_units(claims, row, entry.start, end)
        return claims

    def _encode(self, step: Step, claims: WriteClaims) -> int:
        return sum(self._compute.encode(self._rows.get(entry.row), entry, claims) for entry in step.encodes)

    def _check_budget(self, step: Step, num_standing: int, num_encoded: int) -> None:
        drafted = sum(len(entry.draft.tokens) for entry in step.entries if entry.draft is not None)
        counted = num_standing + num_encoded + drafted + sum(entry.num_units for entry in step.entries)
        if counted != step.num_tokens:
            detail = f"step {step.number} says {step.num_tokens} units and has {counted}"
            raise InvariantViolation("budget", detail)
        if self._max_step_tokens is not None and counted > self._max_step_tokens:
            detail = f"step {step.number} has {counted} units; at most {self._max_step_tokens} are allowed"
            raise InvariantViolation("budget", detail)

    def _run_entry(self, row: Row, entry: StepEntry, outcome: _Outcome) -> None:
        row.choose(entry.start, entry.chosen)
        views = self._compute.units(row, entry.num_units)
        if entry.draft is not None:
            self._verify(row, entry, views, outcome)
        elif entry.emits and entry.num_candidates:
            outcome.candidates[row.number] = likeliest_candidates(
                self.spec, row.request, row.computed, views, entry.num_candidates
            )
        elif entry.emits:
            self._emit(row, views, outcome)
        if entry.stands:
            self._rows.stand(row)

    def _emit(self, row: Row, views: list[int], outcome: _Outcome) -> None:
        token = choose_token(self.spec, row.request, row.sample_index, row.computed, views)
        if row.request.sampling.logprobs is not None:
            logprobs = token_logprobs(self.spec, row.request, token, row.computed, views)
            outcome.logprobs[row.number] = (logprobs,)
        row.emit(token)
        self._report(row, token, outcome)

    def _verify(self, row: Row, entry: StepEntry, views: list[int], outcome: _Outcome) -> None:
        assert entry.draft is not None
        if row.computed != row.num_known:
            raise row.violation(
                "token_known", f"a draft follows position {row.computed} of {row.num_known} known"
            )
        tree = DraftTree(self._compute, row, entry.draft)
        outcome.verified[row.number] = verification = tree.verify(views)
        if tree.logprobs:
            outcome.logprobs[row.number] = tuple(tree.logprobs)
        self._report(row, verification.tokens[-1], outcome)

    def _report(self, row: Row, token: int, outcome: _Outcome) -> None:
        outcome.tokens[row.number] = token
        if stops(row.request, token, len(row.outputs)):
            outcome.finished.append(row.number)

    def move(self, transfer: Transfer) -> TransferResult:
        """Carry out a transfer between this device and its host memory, all blocks at once.

        The checksum is a sum over the blocks that moved, in any order. Another tier, and a checksum that
        differs from the one expected, are results with an error; the corrupt blocks have arrived then.
        """
        source, target = self._stores.get(transfer.source), self._stores.get(transfer.target)
        if source is None or target is None:
            path = f"{transfer.source.value} to {transfer.target.value}"
            return TransferResult(
                transfer.transfer_id, error=f"no path from {path}; only between device and host"
            )
        checksum = 0
        for move in transfer.moves:
            target.block(move.group, move.target)[:] = source.block(move.group, move.source)
            checksum = (checksum + source.checksum(move.group, move.source)) & MASK
        intact = transfer.expected_checksum in (None, checksum)
        return TransferResult(transfer.transfer_id, checksum, None if intact else "checksum mismatch")

    def fail_move(self, transfer: Transfer, error: str) -> TransferResult:
        """A transfer breaks off: its target blocks hold garbage."""
        target = self._stores.get(transfer.target)
        if target is not None:
            for move in transfer.moves:
                target.poison_block(move.group, move.target)
        return TransferResult(transfer.transfer_id, error=error)

    def corrupt(self, group: int, block: int, slot: int = 0, tier: Tier = Tier.DEVICE) -> None:
        """Flip a bit of an entry, as failing memory would."""
        self._stores[tier].block(group, block)[slot] ^= 1
