"""Expected lengths of outputs, from those that ended."""

from hypothesis import given
from hypothesis import strategies as st

from tests.policies.views import Seen
from weft.contracts.events import RequestArrived, RequestEnded, Status, Transition
from weft.policies.length_prediction import LEAST_REMEMBERED, MOST_REMEMBERED, LengthPredictor, Lengths
from weft.policies.shortest_job_first import ShortestJobFirst


def test_before_anything_has_ended_an_output_is_expected_to_be_as_long_as_it_may() -> None:
    assert LengthPredictor().remaining(Seen(0, max_tokens=50)) == 50.0


def test_the_mean_of_those_that_ended_is_expected_and_never_more_than_is_allowed() -> None:
    predictor = LengthPredictor()
    for length in (10, 20, 30):
        predictor.learn("default", 10, length)
    assert predictor.remaining(Seen(0, max_tokens=100)) == 20.0
    assert predictor.remaining(Seen(0, max_tokens=5)) == 5.0


def test_what_is_there_already_rules_shorter_ones_out() -> None:
    lengths = Lengths()
    for length in (10, 20, 60):
        lengths.add(length)
    assert lengths.remaining(10) == 30.0  # 20 and 60, less 10
    assert lengths.remaining(20) == 40.0
    assert lengths.remaining(60) == 60.0  # nobody had more: as much again


def test_a_class_with_enough_of_its_own_does_not_look_at_others() -> None:
    predictor = LengthPredictor()
    for _ in range(LEAST_REMEMBERED):
        predictor.learn("a", 10, 5)
        predictor.learn("b", 10, 500)
    assert predictor.remaining(Seen(0, tenant="a", max_tokens=1000)) == 5.0
    assert predictor.remaining(Seen(0, tenant="b", max_tokens=1000)) == 500.0
    assert predictor.remaining(Seen(0, tenant="c", max_tokens=1000)) == 252.5


@given(st.lists(st.integers(1, 9), min_size=1, max_size=200), st.integers(0, 10))
def test_only_the_newest_count(given_lengths: list[int], emitted: int) -> None:
    lengths = Lengths()
    for length in given_lengths:
        lengths.add(length)
    longer = [each for each in given_lengths[-MOST_REMEMBERED:] if each > emitted]
    expected = sum(longer) / len(longer) - emitted if longer else max(1, emitted)
    assert lengths.remaining(emitted) == expected


def test_an_order_learns_from_what_finished_and_not_from_what_was_cut_short() -> None:
    policy = ShortestJobFirst()
    for number, (status, tokens) in enumerate([(Status.FINISHED, 8), (Status.CANCELLED, 1)]):
        name = f"r{number}"
        policy.observe(RequestArrived(0.0, name, "default", 10, 100))
        for _ in range(2):  # two samples
            policy.observe(Transition(0.0, name, number, None, Status.WAITING, ""))
        policy.observe(RequestEnded(1.0, name, status, "", tokens))
    assert policy.lengths.remaining(Seen(5, max_tokens=100)) == 4.0
