from typing import Any

import pytest

from tests.simulator.fake_driver import LAYOUTS, make_request
from weft.contracts.errors import ConfigurationError
from weft.contracts.events import Status
from weft.contracts.policies import DraftPolicy, Rank
from weft.contracts.prompts import LengthPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.contracts.steps import Draft
from weft.simulator.fake_drafter import FakeDrafter
from weft.simulator.fake_model import FakeModelSpec
from weft.simulator.fake_reference import reference_output

SPEC = FakeModelSpec(LAYOUTS["mixed"])


class View:
    """A sequence of which the first `num_output_tokens` of the reference's output are known."""

    status = Status.RUNNING
    arrival_s = 0.0
    rank: Rank = ()
    num_blocks = 0

    def __init__(self, request: Request, num_output_tokens: int, number: int = 0) -> None:
        self.number = number
        self.request = request
        self.num_output_tokens = self.num_stay_tokens = num_output_tokens
        self.num_known = request.prompt.num_tokens + num_output_tokens
        self.num_computed = self.num_known - 1
        self.text = reference_output(SPEC, request)

    def draft(self, **options: Any) -> Draft | None:
        drafter: DraftPolicy = FakeDrafter(SPEC, **{"seed": 1, **options})
        known = self.text[: self.num_output_tokens]
        drafts = [
            drafter.decide(self, (*range(self.request.prompt.num_tokens), *known), 0.0) for _ in range(2)
        ]
        assert drafts[0] == drafts[1]
        return drafts[0]


@pytest.mark.parametrize("known", [0, 1, 5])
def test_an_accurate_drafter_guesses_the_text(known: int) -> None:
    for request in (make_request(), Request("l", LengthPrompt(9), SamplingParams(max_tokens=12))):
        view = View(request, known)
        draft = view.draft(num_tokens=3, accuracy=1.0)
        assert draft == Draft(view.text[known : known + 3], (-1, 0, 1))


def test_it_also_guesses_where_only_output_tokens_are_handed_in() -> None:
    view = View(Request("l", LengthPrompt(9), SamplingParams(max_tokens=12)), 4)
    draft = FakeDrafter(SPEC, 1, accuracy=1.0).decide(view, view.text[:4], 0.0)
    assert draft == Draft(view.text[4:6], (-1, 0))


def test_an_inaccurate_drafter_is_always_wrong() -> None:
    view = View(make_request(), 3)
    for tree in (False, True):
        draft = view.draft(accuracy=0.0, tree=tree)
        assert draft is not None
        assert draft.tokens[0] != view.text[3]


def test_accuracy_is_the_share_of_right_guesses() -> None:
    right = 0
    for number in range(300):
        draft = View(make_request(), 3, number).draft(num_tokens=1, accuracy=0.6)
        assert draft is not None
        right += draft.tokens[0] == View(make_request(), 3).text[3]
    assert 0.5 < right / 300 < 0.7


def test_errors_follow_the_seed_and_the_sequence() -> None:
    drafts = [
        View(make_request(), 3, number).draft(seed=seed, num_tokens=8)
        for number, seed in ((0, 1), (0, 2), (1, 1))
    ]
    assert len({repr(draft) for draft in drafts}) == 3


def test_nothing_is_drafted_beyond_the_longest_output() -> None:
    lengths = []
    for known in (8, 9, 10, 11):
        draft = View(make_request(), known).draft(num_tokens=3)
        lengths.append(0 if draft is None else len(draft.tokens))
    assert lengths == [3, 2, 1, 0]


@pytest.mark.parametrize("accuracy", [0.0, 0.5, 1.0])
def test_one_branch_of_a_tree_begins_right(accuracy: float) -> None:
    for known in range(8):
        view = View(make_request(), known)
        draft = view.draft(num_tokens=2, accuracy=accuracy, tree=True)
        assert draft is not None
        assert draft.parents == (-1, -1, 0, 1)
        assert len(set(draft.tokens[:2])) == 2
        assert view.text[known] in draft.tokens[:2]
        chain = view.draft(num_tokens=2, accuracy=accuracy)
        assert chain is not None
        assert draft.tokens[::2] == chain.tokens


@pytest.mark.parametrize("options", [{"num_tokens": 0}, {"accuracy": 1.1}, {"accuracy": -0.1}])
def test_impossible_settings_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        FakeDrafter(SPEC, 1, **options)
