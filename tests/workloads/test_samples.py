"""Several samples of each prompt."""

import json
from itertools import islice
from pathlib import Path

import pytest

from weft.contracts.record import replaced
from weft.workloads.errors import TraceError, WorkloadError
from weft.workloads.registry import find_workload
from weft.workloads.samples import SeveralSamples
from weft.workloads.sessions import Turn, Workload


def first_turns(workload: Workload, number: int = 300) -> list[Turn]:
    return [turn for session in islice(workload.sessions(), number) for turn in session.turns]


def test_the_first_sample_is_the_workloads_and_the_others_are_as_long_as_answers_before() -> None:
    plain = find_workload("mooncake-conversation", seed=3)
    turns = first_turns(SeveralSamples(plain, 4, seed=3))
    assert [replaced(turn, more_output_tokens=()) for turn in turns] == first_turns(plain)
    for index, turn in enumerate(turns):
        assert len(turn.more_output_tokens) == 3
        assert set(turn.more_output_tokens) <= {each.output_tokens for each in turns[: index + 1]}
    assert turns[0].more_output_tokens == (turns[0].output_tokens,) * 3
    assert len({turn.more_output_tokens for turn in turns}) > len(turns) / 2


def test_the_same_seed_gives_the_same_samples_and_one_is_the_workload() -> None:
    plain = find_workload("azure-conv", seed=1)
    once, again, other = (first_turns(SeveralSamples(plain, 2, seed)) for seed in (1, 1, 2))
    assert once == again != other
    assert first_turns(SeveralSamples(plain, 1)) == first_turns(plain)


@pytest.mark.parametrize("n", [0, 129])
def test_a_number_that_no_request_may_have_is_refused(n: int) -> None:
    with pytest.raises(WorkloadError, match=f"n is {n}; a request asks for 1 to 128"):
        SeveralSamples(find_workload("azure-conv"), n)


def timed(tmp_path: Path, more: object) -> Workload:
    row = {"arrival_s": 0, "prompt_tokens": 9, "output_tokens": 4, "more_output_tokens": more}
    (tmp_path / "trace.jsonl").write_text(json.dumps(row))
    return find_workload(str(tmp_path / "trace.jsonl"))


def test_a_timed_trace_tells_how_long_each_sample_was(tmp_path: Path) -> None:
    (turn,) = first_turns(timed(tmp_path, [7, 2]))
    assert turn.samples_tokens == (4, 7, 2)


@pytest.mark.parametrize("more", [[0], [5, -1], [1] * 128, [10**9]])
def test_lengths_that_cannot_be_are_named(tmp_path: Path, more: list[int]) -> None:
    with pytest.raises(
        TraceError, match=r"line 1: column 'more_output_tokens' .* at most 127 numbers of tokens"
    ):
        first_turns(timed(tmp_path, more))
