"""The asynchronous API: text, streams, stop strings, ends, refusals, cancellation, closing."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.llm.tiny_model import END, OTHER_END, make_model
from tests.text import tiny
from weft import AsyncLLM, CompletionChunk, RequestFailed, SamplingParams
from weft.contracts.errors import ConfigurationError, InvalidRequest, RequestRejected, WeftError

GREEDY = SamplingParams(max_tokens=30, temperature=0.0, ignore_eos=True)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "tiny")


@asynccontextmanager
async def loaded(model: Path, **options: Any) -> AsyncIterator[AsyncLLM]:
    async with AsyncLLM(model, **{"backend": "reference", "num_threads": 1, **options}) as llm:
        yield llm


def play(scene: Callable[[AsyncLLM], Awaitable[None]], model: Path, **options: Any) -> None:
    async def main() -> None:
        async with loaded(model, **options) as llm:
            await scene(llm)

    asyncio.run(main())


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def test_a_stream_joined_is_the_whole_output(model: Path) -> None:
    async def scene(llm: AsyncLLM) -> None:
        whole = await llm.generate("the quick brown", GREEDY)
        chunks = [chunk async for chunk in llm.stream("the quick brown", GREEDY)]
        output = whole.outputs[0]
        assert whole.prompt == "the quick brown"
        assert output.text == "".join(chunk.text for chunk in chunks) != ""
        assert output.token_ids == tuple(token for chunk in chunks for token in chunk.token_ids)
        assert len(output.token_ids) == 30
        assert len(chunks) > 5
        assert [chunk.finish_reason for chunk in chunks[-2:]] == [None, "length"]

    play(scene, model)


def test_a_stop_string_ends_its_output_and_no_other(model: Path) -> None:
    async def scene(llm: AsyncLLM) -> None:
        params = replace(GREEDY, n=3, temperature=1.0, seed=4, logprobs=2)
        plain = (await llm.generate("tea", params)).outputs
        stop = plain[1].text[8:11]
        stopped = (await llm.generate("tea", replace(params, stop=(stop,)))).outputs
        chunks: list[CompletionChunk] = []
        async for chunk in llm.stream("tea", replace(params, stop=(stop,))):
            chunks.append(chunk)
        for index, output in enumerate(stopped):
            before, found, _ = plain[index].text.partition(stop)
            assert output.text == before
            assert output.text == "".join(chunk.text for chunk in chunks if chunk.index == index)
            assert output.finish_reason == ("stop" if found else "length")
            assert output.stop_reason == (stop if found else None)
            assert output.token_ids == plain[index].token_ids[: len(output.token_ids)]
            assert output.logprobs == plain[index].logprobs[: len(output.token_ids)]
        assert stopped[1].stop_reason == stop
        driver = llm._driver
        assert driver is not None
        driver.engine.check_integrity()

    play(scene, model)


def test_every_end_of_the_model_counts_unless_ignored(model: Path) -> None:
    async def scene(llm: AsyncLLM) -> None:
        assert llm.prompting.end_token_ids == (END, OTHER_END)
        for end in (END, OTHER_END):
            forced = SamplingParams(max_tokens=9, temperature=0.0, logit_bias={end: 100.0})
            ended = (await llm.generate("the", replace(forced, min_tokens=2))).outputs[0]
            assert (len(ended.token_ids), ended.token_ids[-1]) == (3, end)
            assert (ended.finish_reason, ended.stop_reason) == ("stop", None)
            ignored = (await llm.generate("the", replace(forced, ignore_eos=True))).outputs[0]
            assert (len(ignored.token_ids), ignored.finish_reason) == (9, "length")

    play(scene, model)


def test_the_models_defaults_hold_where_nothing_is_said(model: Path) -> None:
    async def scene(llm: AsyncLLM) -> None:
        complete = llm.prompting.complete(None, 10)
        assert (complete.temperature, complete.max_tokens) == (0.5, 40)
        assert llm.prompting.complete(None, 120).max_tokens == 8
        assert len((await llm.generate([5] * 120)).outputs[0].token_ids) <= 8

    play(scene, model)


def test_a_conversation_becomes_the_templates_prompt(model: Path) -> None:
    async def scene(llm: AsyncLLM) -> None:
        messages = [{"role": "user", "content": "tea?"}]
        text = "<s><|turn|>user: tea?<|turn|>assistant:"
        assert llm.prompting.render(messages) == text
        answer = await llm.chat(messages, GREEDY)
        assert answer.prompt_token_ids.count(1) == 1
        assert llm.prompting.decode(answer.prompt_token_ids) == "user: tea?assistant:"
        same = await llm.generate(answer.prompt_token_ids, GREEDY)
        assert same.outputs[0].token_ids == answer.outputs[0].token_ids
        streamed = [chunk async for chunk in llm.stream_chat(messages, GREEDY)]
        assert "".join(chunk.text for chunk in streamed) == answer.outputs[0].text

    play(scene, model)


def test_beam_search_gives_the_best_output_only(model: Path) -> None:
    async def scene(llm: AsyncLLM) -> None:
        outputs = (await llm.generate("the", SamplingParams(max_tokens=8, beam_width=3))).outputs
        assert len(outputs) == 1
        assert outputs[0].text != ""

    play(scene, model)


@pytest.mark.parametrize(
    ("prompt", "changes", "message"),
    [
        ([5] * 128, {}, "the prompt has 128 tokens; with an output it must stay within 128"),
        ([5] * 100, {}, "max_tokens is 30; after a prompt of 100 tokens there is room for 28 of 128"),
        ([], {}, "the prompt is empty"),
        ([5, 400], {}, "the prompt has token id 400; ids are 0 to 399"),
        ([5, -1], {}, "the prompt has token id -1"),
        ([5], {"stop_token_ids": (7, 999)}, "stop_token_ids has token id 999"),
        ([5], {"logit_bias": {400: 1.0}}, "logit_bias has token id 400"),
    ],
)
def test_what_cannot_be_served_is_refused_with_advice(
    model: Path, prompt: list[int], changes: dict[str, Any], message: str
) -> None:
    async def scene(llm: AsyncLLM) -> None:
        with pytest.raises(InvalidRequest, match=message):
            await llm.generate(prompt, replace(GREEDY, **changes))

    play(scene, model)


def test_leaving_a_stream_frees_its_state(model: Path) -> None:
    async def scene(llm: AsyncLLM) -> None:
        stream = llm.stream("the", replace(GREEDY, max_tokens=100))
        async for _ in stream:
            break
        await stream.aclose()
        driver = llm._driver
        assert driver is not None
        assert driver.engine.live_requests() == []
        task = asyncio.create_task(llm.generate("the", replace(GREEDY, max_tokens=100)))
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert driver.engine.live_requests() == []
        await llm.generate("the", GREEDY)
        driver.engine.check_integrity()

    play(scene, model)


def test_a_server_refuses_what_would_wait_too_long(model: Path) -> None:
    async def scene(llm: AsyncLLM) -> None:
        asked = (llm.generate([5] * 20, GREEDY) for _ in range(200))
        answers = await asyncio.gather(*asked, return_exceptions=True)
        refused = [answer for answer in answers if isinstance(answer, RequestRejected)]
        assert 0 < len(refused) < 200
        assert len(refused) + sum(not isinstance(answer, BaseException) for answer in answers) == 200

    play(scene, model, max_num_seqs=2)


def test_closing_fails_what_runs_and_refuses_what_comes(model: Path) -> None:
    async def main() -> None:
        async with loaded(model) as llm:
            task = asyncio.create_task(llm.generate("the", replace(GREEDY, max_tokens=100)))
            await asyncio.sleep(0.02)
        with pytest.raises(RequestFailed, match="the model was closed"):
            await task
        with pytest.raises(ConfigurationError, match="was closed"):
            await llm.generate("the")
        await llm.close()

    asyncio.run(main())


def test_a_second_event_loop_is_refused(model: Path) -> None:
    llm = AsyncLLM(model, backend="reference", num_threads=1)
    asyncio.run(llm_says(llm))
    with pytest.raises(ConfigurationError, match="belongs to one event loop"):
        asyncio.run(llm_says(llm))
    asyncio.run(llm.close())


async def llm_says(llm: AsyncLLM) -> str:
    return (await llm.generate("the", GREEDY)).outputs[0].text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_model_length": 5}, "option max_model_length is unknown; did you mean max_model_len"),
        ({"max_model_len": 4096}, "max_model_len is 4096; the model was made for at most 128"),
        ({"backend": "fast"}, "backend is 'fast'; choose 'auto', 'torch', 'reference' or 'cpu'"),
        ({"dtype": "float8"}, "number format 'float8' is unknown; choose from float32"),
        ({"dtype": "bfloat16"}, "the reference backend computes in 'float32'"),
        ({"backend": "torch", "device": "abacus"}, "device 'abacus' cannot be used"),
        (
            {"kv_cache_memory_bytes": 5000},
            "set max_model_len to at most 16, or set kv_cache_memory_bytes to at least",
        ),
        ({"max_num_seqs": 0}, "max_num_seqs is 0; it must be at least 1"),
        ({"max_num_batched_tokens": 99}, r"max_num_seqs is 256, above max_num_batched_tokens \(99\)"),
        ({"tokenizer": "/nowhere"}, "/nowhere"),
        ({"chat_template": "/nowhere"}, "/nowhere"),
        ({"chat_template": str(Path(__file__).parent)}, "has no chat template"),
    ],
)
def test_what_cannot_be_loaded_is_refused_with_advice(
    model: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(WeftError, match=message):
        AsyncLLM(model, **{"backend": "reference", "num_threads": 1, **options})


def test_a_model_without_a_tokenizer_takes_token_ids_only(tmp_path: Path) -> None:
    model = make_model(tmp_path / "bare")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (model / name).unlink()

    async def scene(llm: AsyncLLM) -> None:
        output = (await llm.generate([5, 6], GREEDY)).outputs[0]
        assert (output.text, len(output.token_ids)) == ("", 30)
        for ask in (llm.generate("the"), llm.generate([5], replace(GREEDY, stop=("a",)))):
            with pytest.raises(ConfigurationError, match="--tokenizer PATH"):
                await ask
        with pytest.raises(ConfigurationError, match="--chat-template PATH"):
            await llm.chat([{"role": "user", "content": "tea?"}])

    play(scene, model)


def test_settings_that_have_no_effect_are_told(tmp_path: Path) -> None:
    model = make_model(tmp_path / "odd")
    tiny.write_json(model / "generation_config.json", {"num_beams": 4, "no_repeat_ngram_size": 3})
    with pytest.warns(UserWarning, match="sets num_beams, no_repeat_ngram_size, which has no effect here"):
        llm = AsyncLLM(model, backend="reference", num_threads=1)
    asyncio.run(llm.close())
