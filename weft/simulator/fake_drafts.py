"""How a fake device verifies drafts: token trees whose nodes lie in the slots after the last unit."""

from weft.contracts.state import PagedGroup
from weft.contracts.steps import Draft, TokenLogprobs, Verification
from weft.simulator.fake_compute import FakeCompute
from weft.simulator.fake_model import choose_token, ends, mix, state_entry, state_salt, token_logprobs
from weft.simulator.fake_row import Row
from weft.simulator.fake_state import WriteClaims


class DraftTree:
    """A draft on a row whose entry has been computed up to position `first` (exclusive).

    Node i lies in the slot of position `first` + i, whatever its depth. `paths[i]`: the ancestors of node
    i, itself last. `views[i]`: what node i sees, itself included. `logprobs`: of the verified tokens, where the
    request asks.
    """

    def __init__(self, compute: FakeCompute, row: Row, draft: Draft) -> None:
        self._compute = compute
        self._row = row
        self._draft = draft
        self._first = row.computed
        self._paths: list[tuple[int, ...]] = []
        self._views: list[list[int]] = []
        self.logprobs: list[TokenLogprobs] = []

    def verify(self, views: list[int]) -> Verification:
        """Compute all nodes and accept those that the model would have said; `views` at the last unit.

        Leaves the accepted path's state in consecutive slots and poison in the others.
        """
        for node, (token, parent) in enumerate(zip(self._draft.tokens, self._draft.parents, strict=True)):
            self._paths.append((*(self._paths[parent] if parent >= 0 else ()), node))
            self._compute_node(node, token)
        verification = self._walk(views)
        self._compact(verification.accepted)
        self._row.computed = self._first + len(verification.accepted)
        self._row.outputs.extend(verification.tokens)
        return verification

    def _compute_node(self, node: int, token: int) -> None:
        compute, row = self._compute, self._row
        position = self._first + len(self._paths[node]) - 1
        salt = state_salt(compute.spec, row.request, compute.weights_version)
        views = [self._view_before(group, node, position) for group in compute.text_groups]
        before = mix(*views)
        for index, group in enumerate(compute.text_groups):
            entry = state_entry(group, token, position, salt, before)
            if isinstance(compute.group(group), PagedGroup):
                compute.write(row, group, self._first + node, entry)
                views[index] += entry
            else:
                compute.store.block(group, self._draft.state_blocks[group][node])[0] = entry
                views[index] = entry
        self._views.append(views)

    def _view_before(self, group: int, node: int, position: int) -> int:
        compute, row = self._compute, self._row
        ancestors = self._paths[node][:-1]
        if not isinstance(compute.group(group), PagedGroup):
            block = self._draft.state_blocks[group][ancestors[-1]] if ancestors else row.live_block(group)
            return compute.store.block(group, block)[0]
        first_seen = max(0, compute.first_visible(group, position) - self._first)
        seen = sum(compute.read(row, group, self._first + ancestor) for ancestor in ancestors[first_seen:])
        return seen + compute.visible_sum(row, group, position, self._first)

    def _walk(self, views: list[int]) -> Verification:
        """Follow the model from the last unit through the tree as far as the tree goes with it."""
        row, draft = self._row, self._draft
        accepted: list[int] = []
        tokens: list[int] = []
        while True:
            position = self._first + len(tokens)
            token = self._choose(position, views)
            tokens.append(token)
            here = accepted[-1] if accepted else -1
            children = [node for node, parent in enumerate(draft.parents) if parent == here]
            matching = [node for node in children if draft.tokens[node] == token]
            if not matching or ends(row.request, token, position - row.prompt_tokens + 1):
                return Verification(tuple(accepted), tuple(tokens))
            accepted.append(matching[0])
            views = self._views[matching[0]]

    def _choose(self, position: int, views: list[int]) -> int:
        spec, row = self._compute.spec, self._row
        token = choose_token(spec, row.request, row.sample_index, position, views)
        if row.request.sampling.logprobs is not None:
            self.logprobs.append(token_logprobs(spec, row.request, token, position, views))
        return token

    def _compact(self, accepted: tuple[int, ...]) -> None:
        compute, row, first = self._compute, self._row, self._first
        for group in compute.text_groups:
            if not isinstance(compute.group(group), PagedGroup):
                for node, block in enumerate(self._draft.state_blocks[group]):
                    if node not in accepted:
                        compute.store.poison_block(group, block)
                continue
            # An accepted node never lies before its target slot, so moving in order loses nothing.
            for depth, node in enumerate(accepted):
                compute.write(row, group, first + depth, compute.read(row, group, first + node))
            for node in range(len(accepted), len(self._draft.tokens)):
                compute.store.poison(group, *row.locate(group, first + node, compute.block_tokens))


def check_draft(compute: FakeCompute, row: Row, draft: Draft) -> None:
    """Raises `InvariantViolation` `draft_malformed` where parents or state blocks do not fit the nodes."""
    if not draft.tokens or len(draft.parents) != len(draft.tokens):
        raise row.violation("draft_malformed", f"{len(draft.tokens)} tokens, {len(draft.parents)} parents")
    if not all(-1 <= parent < node for node, parent in enumerate(draft.parents)):
        raise row.violation("draft_malformed", f"parents {draft.parents}: each must come before its children")
    for group in compute.text_groups:
        blocks = draft.state_blocks[group] if group < len(draft.state_blocks) else ()
        if not isinstance(compute.group(group), PagedGroup) and len(blocks) != len(draft.tokens):
            raise row.violation(
                "draft_malformed", f"{len(blocks)} state blocks in group {group}, one per node"
            )


def claim_draft(compute: FakeCompute, claims: WriteClaims, row: Row, draft: Draft) -> None:
    """Claim the blocks of constant state that the nodes write."""
    for group in compute.text_groups:
        if not isinstance(compute.group(group), PagedGroup):
            for block in draft.state_blocks[group]:
                claims.claim(group, block, 0, row.number)
