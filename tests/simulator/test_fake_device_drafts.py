"""Drafts: whatever is guessed, the text is that of the reference."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulator.fake_driver import LAYOUTS, Driver, make_request
from weft.contracts.requests import Request
from weft.contracts.state import ConstantGroup
from weft.contracts.steps import Draft, StepEntry, StepResult, TableChange, Verification
from weft.simulator.fake_model import FakeModelSpec
from weft.simulator.fake_reference import reference_output

every_variant = pytest.mark.parametrize("layout", LAYOUTS)


class Speculation:
    """One sequence in row 0 that is drafted for by hand."""

    def __init__(self, layout: str | FakeModelSpec, request: Request) -> None:
        self.driver = Driver(layout, num_blocks=400)
        self.admission = self.driver.admission(0, request)
        self.result = self.driver.prefill(self.admission)
        self.text = [self.result.tokens[0]]
        self.computed = request.prompt.num_tokens
        self._changes: tuple[TableChange, ...] = ()

    def verify(self, tokens: tuple[int, ...], parents: tuple[int, ...]) -> Verification:
        """Draft a tree after the last known token, and keep the state of what is accepted."""
        groups = self.driver.spec.layout.groups
        blocks = tuple(
            self.driver.take(index, len(tokens)) if isinstance(group, ConstantGroup) else ()
            for index, group in enumerate(groups)
        )
        self.result = self._step(Draft(tokens, parents, blocks))
        verification = self.result.verified[0]
        self.computed += 1 + len(verification.accepted)
        self.text += verification.tokens
        if verification.accepted:
            last = verification.accepted[-1]
            self._changes = tuple(
                TableChange(0, index, 0, (states[last],)) for index, states in enumerate(blocks) if states
            )
        return verification

    def plain(self) -> None:
        """Compute a unit without a draft."""
        self.result = self._step(None)
        self.computed += 1
        self.text.append(self.result.tokens[0])

    def _step(self, draft: Draft | None) -> StepResult:
        entry = StepEntry(0, self.computed, 1, True, draft=draft)
        changes, self._changes = self._changes, ()
        return self.driver.step(entry, tables=changes)

    @property
    def has_ended(self) -> bool:
        return self.driver.has_ended(0, self.result)


@every_variant
@pytest.mark.parametrize("right", range(4))
def test_a_chain_is_accepted_as_far_as_it_is_right(layout: str, right: int) -> None:
    request = make_request()
    speculation = Speculation(layout, request)
    text = reference_output(speculation.driver.spec, request)
    guesses = (*text[1 : 1 + right], *((token + 1) % 97 for token in text[1 + right : 4]))
    verification = speculation.verify(guesses, (-1, 0, 1))
    assert verification == (tuple(range(right)), text[1 : 2 + right])
    while not speculation.has_ended:
        speculation.plain()
    assert tuple(speculation.text) == text


@every_variant
@pytest.mark.parametrize("shape", ["second branch", "between", "nothing"])
def test_a_tree_keeps_the_one_path_that_is_right(layout: str, shape: str) -> None:
    request = make_request()
    speculation = Speculation(layout, request)
    text = reference_output(speculation.driver.spec, request)
    a, b, c = text[1:4]
    trees = {
        "second branch": ((a + 1, a + 2, a, b, c), (-1, 0, -1, 2, 3), (2, 3, 4)),
        "between": ((a, a + 1, b + 1, b, b), (-1, -1, 0, 0, 1), (0, 3)),
        "nothing": ((a + 1, a + 2, b), (-1, -1, 0), ()),
    }
    tokens, parents, accepted = trees[shape]
    verification = speculation.verify(tuple(token % 97 for token in tokens), parents)
    assert verification == (accepted, text[1 : 2 + len(accepted)])
    speculation.verify(tuple(text[len(speculation.text) :][:2]), (-1, 0))
    while not speculation.has_ended:
        speculation.plain()
    assert tuple(speculation.text) == text


@given(st.data(), st.sampled_from(list(LAYOUTS)))
def test_any_trees_leave_the_text_alone(data: st.DataObject, layout: str) -> None:
    spec = FakeModelSpec(LAYOUTS[layout], stop_bias=0.05)
    seed = data.draw(st.integers(0, 1000))
    request = make_request(temperature=1.0, seed=seed, stop_token_ids=(1,), min_tokens=4, max_tokens=16)
    text = reference_output(spec, request)
    speculation = Speculation(spec, request)
    while not speculation.has_ended:
        size = data.draw(st.integers(0, 4))
        known = len(speculation.text)
        parents = tuple(data.draw(st.integers(-1, node - 1)) for node in range(size))
        depths: list[int] = []
        for parent in parents:
            depths.append(1 + depths[parent] if parent >= 0 else 0)
        right = [data.draw(st.booleans()) for _ in range(size)]
        padded = (*text, *range(8))
        tokens = tuple(
            padded[known + depth] if is_right else (padded[known + depth] + 1 + node) % 97
            for node, (depth, is_right) in enumerate(zip(depths, right, strict=True))
        )
        if size:
            speculation.verify(tokens, parents)
        else:
            speculation.plain()
        assert tuple(speculation.text) == text[: len(speculation.text)]
    assert tuple(speculation.text) == text


@pytest.mark.parametrize("limit", ["max_tokens", "stop"])
def test_nothing_is_accepted_beyond_the_end(limit: str) -> None:
    open_text = reference_output(FakeModelSpec(LAYOUTS["mixed"]), make_request())
    assert open_text[2] not in open_text[:2]
    limits = {"max_tokens": 3} if limit == "max_tokens" else {"stop_token_ids": (open_text[2],)}
    request = make_request(**limits)
    speculation = Speculation("mixed", request)
    verification = speculation.verify(open_text[1:5], (-1, 0, 1, 2))
    assert verification == ((0,), open_text[1:3])
    assert speculation.has_ended


@every_variant
def test_a_row_can_stand_after_its_draft(layout: str) -> None:
    request = make_request()
    driver = Driver(layout, num_blocks=400)
    text = reference_output(driver.spec, request)
    driver.prefill(driver.admission(0, request))
    groups = driver.spec.layout.groups
    blocks = tuple(
        driver.take(i, 1) if isinstance(group, ConstantGroup) else () for i, group in enumerate(groups)
    )
    entry = StepEntry(0, 10, 1, True, True, draft=Draft((text[1],), (-1,), blocks))
    result = driver.step(entry)
    assert result.tokens[0] == text[2]
    states = [TableChange(0, group, 0, states) for group, states in enumerate(blocks) if states]
    rest = driver.decode(0, driver.step(advances=True, tables=tuple(states)))
    assert (*text[:3], *rest) == text


@pytest.mark.parametrize("layout", ["recurrent", "mixed", "everything"])
def test_recurrent_state_that_is_not_switched_after_a_draft_shows(layout: str) -> None:
    request = make_request()
    speculation = Speculation(layout, request)
    text = reference_output(speculation.driver.spec, request)
    speculation.verify(text[1:3], (-1, 0))
    speculation._changes = ()
    while not speculation.has_ended:
        speculation.plain()
    assert tuple(speculation.text) != text


def token_after(speculation: Speculation, known: int) -> int:
    """What another sequence says that believes the state of the first `known` - 1 output tokens is there."""
    text = reference_output(speculation.driver.spec, make_request())
    tables = speculation.admission.tables
    thief = speculation.driver.admission(1, make_request(), tables, text[:known], computed=9 + known)
    return speculation.driver.step(StepEntry(1, 9 + known, 1, True), added=(thief,)).tokens[1]


def test_an_accepted_node_moves_to_the_slot_of_its_position() -> None:
    speculation = Speculation("windowed", make_request())
    text = reference_output(speculation.driver.spec, make_request())
    assert speculation.verify(((text[1] + 1) % 97, text[1]), (-1, -1)).accepted == (1,)
    assert token_after(speculation, 3) == text[3]


def test_a_rejected_node_leaves_garbage() -> None:
    """Nodes beyond the end are rejected although they are right: only poison keeps them from being used."""
    speculation = Speculation("windowed", make_request(max_tokens=3))
    text = reference_output(speculation.driver.spec, make_request())
    assert speculation.verify(text[1:4], (-1, 0, 1)).accepted == (0,)
    assert token_after(speculation, 4) != text[4]
