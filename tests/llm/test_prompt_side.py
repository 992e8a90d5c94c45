"""What the Python API tells of prompts: log-probabilities and vectors."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.llm.tiny_model import make_model
from weft import LLM, AsyncLLM, Pooling, SamplingParams
from weft.contracts.errors import ConfigurationError, InvalidRequest
from weft.contracts.events import RequestEnded, Status
from weft.llm.prompting import ContextLengthExceeded

OPTIONS: dict[str, Any] = {"device": "cpu", "num_threads": 1, "max_num_seqs": 4}
TEXTS = ["the sea", "an old house", "tea"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def llm(model: Path) -> Iterator[LLM]:
    with LLM(model, **OPTIONS) as made:
        yield made


def test_vectors_come_in_the_order_of_prompts(llm: LLM) -> None:
    together = llm.embed(TEXTS)
    assert [each.embedding for each in together] == [llm.embed(text)[0].embedding for text in TEXTS]
    assert [each.prompt_token_ids for each in together] == [tuple(llm.encode(text)) for text in TEXTS]
    assert llm.embed([llm.encode(text) for text in TEXTS])[1].embedding == together[1].embedding
    assert sum(value * value for value in together[0].embedding) == pytest.approx(1.0, abs=1e-6)


def test_vectors_and_texts_are_made_side_by_side(model: Path) -> None:
    async def main() -> None:
        async with AsyncLLM(model, **OPTIONS) as llm:
            known = [await llm.embed(text, "mean") for text in TEXTS]
            sampling = SamplingParams(max_tokens=20, seed=1)
            beside = asyncio.ensure_future(llm.generate("tea", sampling))
            mixed = await asyncio.gather(*(llm.embed(text, "mean") for text in TEXTS))
            await beside
            assert [each.embedding for each in mixed] == [each.embedding for each in known]

    asyncio.run(main())


def test_the_models_own_pooling_is_the_default(tmp_path: Path, llm: LLM) -> None:
    by_name = {pooling: llm.embed("the sea", pooling)[0].embedding for pooling in ("last", "mean")}
    assert by_name["last"] != by_name["mean"]
    assert llm.embed("the sea", Pooling.MEAN)[0].embedding == by_name["mean"]
    assert llm.embed("the sea")[0].embedding == by_name["last"]
    trained = make_model(tmp_path / "trained")
    (trained / "1_Pooling").mkdir()
    (trained / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    with LLM(trained, **OPTIONS) as other:
        assert other.embed("the sea")[0].embedding == by_name["mean"]


def test_another_pooling_is_refused(llm: LLM) -> None:
    with pytest.raises(InvalidRequest, match="pooling is 'cls'; it must be 'last' or 'mean'"):
        llm.embed("tea", "cls")


def test_a_model_that_was_trained_for_another_is_not_loaded(tmp_path: Path) -> None:
    model = make_model(tmp_path / "cls")
    (model / "1_Pooling").mkdir()
    (model / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    with pytest.raises(ConfigurationError, match="pooling_mode_cls_token is true"):
        LLM(model, **OPTIONS)


def test_a_caller_that_goes_cancels_its_vector(model: Path) -> None:
    async def main() -> None:
        async with AsyncLLM(model, max_num_batched_tokens=16, **OPTIONS) as llm:
            task = asyncio.ensure_future(llm.embed([5] * 120, "mean"))
            while llm.engine is None or not llm.engine.num_in_flight:  # noqa: ASYNC110  nothing tells
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert llm.engine.live_requests() == []
            (end,) = [event for event in llm.log.events() if isinstance(event, RequestEnded)]
            assert end.status is Status.CANCELLED

    asyncio.run(main())


def test_prompts_without_output_may_fill_the_context(llm: LLM) -> None:
    assert len(llm.embed([[5] * 128])[0].prompt_token_ids) == 128
    with pytest.raises(ContextLengthExceeded, match="has 129 tokens; it must stay within 128"):
        llm.embed([[5] * 129])
    with pytest.raises(ContextLengthExceeded, match="has 128 tokens; with an output it must stay within 128"):
        llm.generate([[5] * 128], SamplingParams(max_tokens=1))


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("stop", [(), ("a string that never comes",)])
def test_a_prompts_logprobs_are_the_same_for_all_its_outputs(llm: LLM, n: int, stop: tuple[str, ...]) -> None:
    sampling = SamplingParams(max_tokens=5, n=n, prompt_logprobs=1, seed=3, stop=stop)
    (output,) = llm.generate("the old house", sampling)
    assert output.prompt_logprobs is not None
    first, *rest = output.prompt_logprobs
    assert first is None
    assert [each.token for each in rest if each] == list(output.prompt_token_ids[1:])
    assert {each.prompt_logprobs for each in output.outputs} == {output.prompt_logprobs}
    alone = llm.generate("the old house", SamplingParams(max_tokens=0, prompt_logprobs=1))[0]
    assert alone.prompt_logprobs == output.prompt_logprobs
    assert (alone.outputs[0].token_ids, alone.outputs[0].finish_reason) == ((), "length")


def test_who_does_not_ask_is_told_nothing(llm: LLM) -> None:
    assert llm.generate("tea", SamplingParams(max_tokens=1))[0].prompt_logprobs is None
    told = llm.generate([[5]], SamplingParams(max_tokens=1, prompt_logprobs=0))[0]
    assert told.prompt_logprobs == (None,)
