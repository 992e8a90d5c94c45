"""Turning a sequence's missing units into an entry of the step being planned."""

from weft.contracts.errors import PolicyError
from weft.contracts.events import Status
from weft.contracts.policies import DraftPolicy, StepBudget
from weft.contracts.prompts import TokenPrompt
from weft.contracts.steps import Draft, StepEntry
from weft.engine.lifecycle import Lifecycle
from weft.engine.reclaim import Reclaim
from weft.engine.replica import Replica
from weft.engine.sequence import Sequence
from weft.observation.conditions import sometimes
from weft.observation.faults import declare_fault_point, fault

DRAFT = declare_fault_point("policy.draft", "asking the draft policy for guesses")

CHUNKED = sometimes("schedule: a prompt was split over steps")
DRAFT_WITHOUT_ROOM = sometimes("schedule: a draft was left out for lack of blocks")


def _is_free(sequence: Sequence) -> bool:
    """Whether nothing but tokens and blocks keeps a sequence with a row from going on."""
    return sequence.status is Status.RUNNING and not sequence.is_awaited and not sequence.is_held


def _is_tree(draft: Draft) -> bool:
    in_order = all(-1 <= parent < node for node, parent in enumerate(draft.parents))
    return 0 < len(draft.tokens) == len(draft.parents) and in_order


class Entries:
    """Plans explicit entries within what is left of the step's tokens."""

    def __init__(self, replica: Replica, lifecycle: Lifecycle, reclaim: Reclaim) -> None:
        self._replica = replica
        self._lifecycle = lifecycle
        self._reclaim = reclaim
        self._prefill_left = 0
        self._chunk = True

    def open(self, budget: StepBudget) -> None:
        """Begin the part of a step that computes prompts."""
        self._prefill_left = budget.prefill_tokens
        self._chunk = budget.chunk

    @property
    def tokens_left(self) -> int:
        """What is left of the step's tokens."""
        plan, standing = self._replica.plan, self._replica.standing
        decoding = standing.count if plan.advances else 0
        return self._replica.config.max_step_tokens - plan.num_tokens - decoding

    @property
    def prefill_left(self) -> int:
        """What is left of it for prompts."""
        return min(self._prefill_left, self.tokens_left)

    def fits_budget(self, num_missing: int) -> bool:
        """Whether a prompt with so many units missing may start. Unsplit means: unless it exceeds a whole step."""
        left = self.prefill_left
        if self._chunk or num_missing <= left:
            return left > 0
        return num_missing > left == self._replica.config.max_step_tokens

    def plan_decode(self, sequence: Sequence) -> None:
        """An entry for a sequence with one unit missing, with a draft where there is one."""
        if not _is_free(sequence) or self.tokens_left < 1:
            return
        start = sequence.num_computed
        draft = self._room_for_draft(sequence, start)
        if draft is not None or self._reclaim.make_room(sequence, start, start + 1):
            self._replica.starved.pop(sequence.number, None)
            self._commit(sequence, start, 1, draft)

    def plan_prefill(self, sequence: Sequence) -> None:
        """An entry for as many missing units as the budget allows."""
        if not _is_free(sequence):
            return
        start = sequence.num_computed
        count = self._share(sequence, start) if self.fits_budget(sequence.num_missing) else 0
        if count < 1:
            self._lifecycle.wait(sequence, "token budget")
        elif self._reclaim.make_room(sequence, start, start + count):
            self._commit(sequence, start, count, None)
            self._prefill_left -= count

    def _share(self, sequence: Sequence, start: int) -> int:
        missing = sequence.num_missing
        count = min(missing, self.prefill_left)
        boundary = self._replica.store.snapshot_boundary(sequence.num_known) if self._chunk else 0
        if start < boundary < start + count:
            count = boundary - start
        count = self._stop_before_media(sequence, start, count)
        if count < missing:
            CHUNKED.hit()
        return count

    def _stop_before_media(self, sequence: Sequence, start: int, count: int) -> int:
        """Encoding a media item takes tokens of the same step; stop short of one that does not fit."""
        left = self.tokens_left
        for group in self._replica.store.encoders:
            for first, num_tokens in group.encode_tokens(sequence, start, start + count):
                before = max(0, first - start)
                if before >= count:
                    break
                left -= num_tokens
                if count > left:
                    count = left if left > before else before
        return count

    def _room_for_draft(self, sequence: Sequence, start: int) -> Draft | None:
        draft = self._ask_draft(sequence)
        if draft is None:
            return None
        store, count = self._replica.store, len(draft.tokens)
        if store.has_room_for_draft(count) and store.grow(
            sequence, start, start + 1 + count, self._replica.plan
        ):
            return draft
        DRAFT_WITHOUT_ROOM.hit()
        return None

    def _ask_draft(self, sequence: Sequence) -> Draft | None:
        policy = self._replica.draft
        limit = min(sequence.num_remaining_tokens - 1, self.tokens_left - 1)
        record = self._replica.requests[sequence.request.request_id]
        if policy is None or limit < 1 or sequence.num_output_tokens == 0 or not record.tells_each:
            return None
        draft = self._guess(policy, sequence)
        return draft and Draft(draft.tokens[:limit], draft.parents[:limit])

    def _guess(self, policy: DraftPolicy, sequence: Sequence) -> Draft | None:
        prompt = sequence.request.prompt
        known = prompt.tokens if isinstance(prompt, TokenPrompt) else ()
        name, request_id = type(policy).__name__, sequence.request.request_id
        try:
            fault(DRAFT)
            draft: object = policy.decide(sequence, (*known, *sequence.output), self._replica.now_s)
        except Exception as error:
            raise PolicyError(name, f"raised {type(error).__name__}: {error}", request_id) from error
        if draft is None or (isinstance(draft, Draft) and _is_tree(draft)):
            return draft
        raise PolicyError(name, f"gave {draft!r}, which is not a tree of tokens", request_id)

    def _commit(self, sequence: Sequence, start: int, count: int, draft: Draft | None) -> None:
        plan, store = self._replica.plan, self._replica.store
        store.take_snapshots(sequence, start, plan)
        if draft is not None:
            draft = draft._replace(state_blocks=store.reserve_draft(sequence, len(draft.tokens)))
        completes = start + count == sequence.num_known >= sequence.prompt_tokens
        remaining = sequence.num_remaining_tokens
        emits = completes and remaining > 0
        record = self._replica.requests[sequence.request.request_id]
        candidates = record.client.num_candidates if record.client is not None and emits else 0
        stands = emits and not candidates and not sequence.is_synchronous and remaining > 1
        chosen = sequence.unsent_tokens if sequence.is_announced else ()
        sequence.unsent_tokens = ()
        if not sequence.is_announced:
            plan.announce(sequence, store.layout)
        plan.add_entry(
            sequence, StepEntry(sequence.row, start, count, emits, stands, candidates, chosen, draft)
        )
        sequence.last_step = plan.number
        sequence.is_awaited = emits and sequence.is_synchronous
        if draft is None:
            self._count_progress(sequence, count, emits=emits and not candidates, stands=stands)
            if completes and remaining == 0:  # the request wants no output
                self._replica.plan.ending.append(sequence)

    def _count_progress(self, sequence: Sequence, count: int, *, emits: bool, stands: bool) -> None:
        sequence.base_computed += count
        sequence.base_known += emits
        if stands:
            self._replica.plan.joining.append(sequence)
        elif emits and not sequence.num_remaining_tokens:
            self._replica.plan.ending.append(sequence)
