"""What goes wrong in one row of a step ends that request, by a reason; the others get what they would have got."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from math import nan
from pathlib import Path

import pytest
from torch import Tensor

from tests.llm.tiny_model import make_model
from weft import AsyncLLM, RequestOutput, SamplingParams
from weft.contracts.events import RequestEnded
from weft.executor.sampling import NOT_FINITE, Sampled, Sampler
from weft.llm.output_reader import OutputReader

PARAMS = SamplingParams(max_tokens=20, temperature=0.0, ignore_eos=True)
PROMPTS = ("one for sorrow", "two for joy", "three for a girl")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("lost") / "tiny")


async def all_at_once(llm: AsyncLLM, params: SamplingParams) -> list[RequestOutput | BaseException]:
    return await asyncio.gather(*(llm.generate(each, params) for each in PROMPTS), return_exceptions=True)


def play(
    model: Path, params: SamplingParams
) -> tuple[list[RequestOutput | BaseException], list[RequestEnded]]:
    """What each got, and how the requests ended."""

    async def main() -> tuple[list[RequestOutput | BaseException], list[RequestEnded]]:
        async with AsyncLLM(model, backend="reference", num_threads=1) as llm:
            ends: list[RequestEnded] = []
            llm.log.subscribe(ends.append, RequestEnded)
            found = await all_at_once(llm, params)
            assert llm.engine is not None
            llm.engine.check_integrity()
            return found, ends

    return asyncio.run(main())


def assert_only_the_second_failed(model: Path, params: SamplingParams, sound: object) -> RequestEnded:
    found, ends = play(model, params)
    assert isinstance(sound, list)
    for index in (0, 2):
        got = found[index]
        assert isinstance(got, RequestOutput), got
        assert got.outputs == sound[index].outputs
    assert isinstance(found[1], BaseException)
    (end,) = [each for each in ends if each.status.value != "finished"]
    return end


@pytest.mark.parametrize("params", [PARAMS, replace(PARAMS, n=2, temperature=1.0, seed=1, logprobs=1)])
@pytest.mark.parametrize("position", [0, 7])
def test_logits_of_one_row_that_are_no_numbers_fail_its_request_alone(
    model: Path, monkeypatch: pytest.MonkeyPatch, params: SamplingParams, position: int
) -> None:
    sound, _ = play(model, params)
    first = sound[1]
    assert isinstance(first, RequestOutput)  # the only one with a prompt of its length
    broken_at, sample = len(first.prompt_token_ids) + position, Sampler.sample

    def with_a_nan(
        self: Sampler, logits_RV: Tensor, rows: Sequence[int], positions: Sequence[int]
    ) -> Sampled:
        for index, (row, at) in enumerate(zip(rows, positions, strict=True)):
            if self._row(row).num_prompt == len(first.prompt_token_ids) and at == broken_at:
                logits_RV[index, 3] = nan
        return sample(self, logits_RV, rows, positions)

    monkeypatch.setattr(Sampler, "sample", with_a_nan)
    end = assert_only_the_second_failed(model, params, sound)
    assert end.reason == NOT_FINITE
    # Whatever stood in place of the token is no output.
    assert end.output_tokens == position * params.n


def test_text_that_cannot_be_made_of_tokens_fails_its_request_alone(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    streamed = replace(PARAMS, stop=("never said",))
    sound, _ = play(model, streamed)
    read, readers = OutputReader.read, list[OutputReader]()

    def fails_for_the_second(self: OutputReader, *news: object) -> object:
        if self not in readers:
            readers.append(self)
        if readers.index(self) == 1:
            raise ValueError("no such token")
        return read(self, *news)  # type: ignore[arg-type]

    monkeypatch.setattr(OutputReader, "read", fails_for_the_second)
    found, _ = play(model, streamed)
    assert [isinstance(each, ValueError) for each in found].count(True) == 1
    whole = [each for each in found if isinstance(each, RequestOutput)]
    assert all(
        each.outputs in [same.outputs for same in sound if isinstance(same, RequestOutput)] for each in whole
    )
    assert len(whole) == 2
