"""What is told of prompts: what transformers computes, and the same bits however the prompt was computed."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
import torch

from tests.executor.tiny_serving import tiny_serving
from tests.models.oracle import VARIANTS, Oracle, prompts
from weft.contracts.events import PrefixLookup, Status, StepRecord, Transition
from weft.contracts.options import ServingOptions
from weft.contracts.policies import PreemptionMethod
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Pooling, Request, SamplingParams
from weft.engine.client import Completion, generate
from weft.engine.driver import EngineDriver
from weft.executor import prompt_reading
from weft.executor.loading import Serving, load_serving

PROMPT = tuple(range(3, 60)) * 2
NUMBERS = count()
ASKED: Sequence[dict[str, Any]] = (
    {"prompt_logprobs": 2},
    {"pooling": Pooling.LAST},
    {"pooling": Pooling.MEAN},
    {"pooling": Pooling.MEAN, "prompt_logprobs": 0},
)


def curious(
    prompt: Sequence[int], *, pooling: Pooling | None = None, max_tokens: int = 0, **sampling: Any
) -> Request:
    params = SamplingParams(max_tokens=max_tokens, seed=1, **sampling)
    return Request(str(next(NUMBERS)), TokenPrompt(tuple(prompt)), params, pooling=pooling)


def plain(length: int, max_tokens: int) -> Request:
    return curious(range(7, 7 + length), max_tokens=max_tokens)


def play(serving: Serving, *rounds: Sequence[Request]) -> tuple[list[Completion], EngineDriver]:
    """Requests of a round at once, the rounds one after the other; nothing is left in the end."""

    async def main() -> tuple[list[Completion], EngineDriver]:
        driver = EngineDriver(serving.config, serving.executor)
        told: list[Completion] = []
        for requests in rounds:
            told.extend(await asyncio.gather(*(generate(driver, each) for each in requests)))
        driver.engine.check_integrity()
        return told, driver

    try:
        return asyncio.run(main())
    finally:
        serving.close()


def alone(asked: dict[str, Any], prompt: Sequence[int] = PROMPT) -> Completion:
    (told,), _ = play(tiny_serving(enable_prefix_caching=False), [curious(prompt, **asked)])
    assert (told.status, told.outputs) == (Status.FINISHED, ((),))
    return told


def same(told: Completion, known: Completion) -> bool:
    return (told.prompt_logprobs, told.embedding) == (known.prompt_logprobs, known.embedding)


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    return Oracle(VARIANTS["qwen3"], tmp_path_factory.mktemp("oracle"))


def test_logprobs_are_those_of_transformers(oracle: Oracle) -> None:
    texts = prompts((1, 2, 17, 40))
    options = ServingOptions(backend="reference", num_threads=1, max_num_seqs=4, max_num_batched_tokens=16)
    told, _ = play(
        load_serving(oracle.directory, options), [curious(text, prompt_logprobs=3) for text in texts]
    )
    for text, completion in zip(texts, told, strict=True):
        theirs = oracle.logits(text).log_softmax(-1)
        assert completion.prompt_logprobs is not None
        assert [each.token for each in completion.prompt_logprobs] == list(text[1:])
        for position, each in enumerate(completion.prompt_logprobs):
            assert each.logprob == pytest.approx(float(theirs[position, each.token]), abs=2e-3)
            best = [candidate.logprob for candidate in each.likeliest]
            assert best == pytest.approx(theirs[position].topk(3).values.tolist(), abs=2e-3)


@pytest.mark.parametrize("pooling", Pooling)
def test_vectors_are_pooled_from_the_states_of_transformers(oracle: Oracle, pooling: Pooling) -> None:
    texts = prompts((1, 17, 40))
    options = ServingOptions(backend="reference", num_threads=1, max_num_seqs=4, max_num_batched_tokens=16)
    told, _ = play(
        load_serving(oracle.directory, options), [curious(text, pooling=pooling) for text in texts]
    )
    for text, completion in zip(texts, told, strict=True):
        with torch.no_grad():
            states_TD = oracle.model.model(torch.tensor([text])).last_hidden_state[0]
        pooled_D = states_TD[-1] if pooling is Pooling.LAST else states_TD.mean(0)
        expected = torch.nn.functional.normalize(pooled_D, dim=0).tolist()
        assert completion.embedding is not None
        assert completion.embedding.tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("step_tokens", [16, 37, 64])
def test_chunks_and_neighbours_change_no_bit(asked: dict[str, Any], step_tokens: int) -> None:
    others = [plain(30, 9), curious(PROMPT[:50], prompt_logprobs=1), plain(5, 30)]
    serving = tiny_serving(max_num_batched_tokens=step_tokens)
    told, _ = play(serving, [others[0], curious(PROMPT, **asked), *others[1:]])
    assert same(told[1], alone(asked))


@pytest.mark.parametrize("asked", ASKED)
def test_a_cached_prefix_changes_no_bit(asked: dict[str, Any]) -> None:
    told, driver = play(tiny_serving(), [curious(PROMPT, max_tokens=3)], [curious(PROMPT, **asked)])
    assert same(told[1], alone(asked))
    hits = [event.hit_tokens for event in driver.engine.log.events() if isinstance(event, PrefixLookup)]
    reads_cache = asked == {"pooling": Pooling.LAST}
    assert (hits[-1] > 0) == reads_cache


def test_the_prompt_of_who_asked_is_there_for_others() -> None:
    _, driver = play(tiny_serving(), [curious(PROMPT, pooling=Pooling.MEAN)], [curious(PROMPT, max_tokens=3)])
    hits = [event.hit_tokens for event in driver.engine.log.events() if isinstance(event, PrefixLookup)]
    assert hits == [0, 112]


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("method", PreemptionMethod)
def test_preemption_half_way_changes_no_bit(asked: dict[str, Any], method: PreemptionMethod) -> None:
    serving = tiny_serving(max_num_batched_tokens=16, swap_memory_bytes=1 << 18)

    async def main() -> Completion:
        driver = EngineDriver(serving.config, serving.executor)
        replica, steps = driver.engine._replica, count()
        task = asyncio.ensure_future(generate(driver, curious(PROMPT, **asked)))
        half_way = asyncio.Event()

        def note_step(_: StepRecord) -> None:
            if next(steps) == 3:
                half_way.set()

        driver.engine.log.subscribe(note_step, StepRecord)
        await half_way.wait()
        (sequence,) = replica.running.values()
        driver.engine._reclaim.preempt(sequence, method)
        told = await task
        moves = [event.reason for event in driver.engine.log.events() if isinstance(event, Transition)]
        goes_on = method is PreemptionMethod.SWAP and asked.get("pooling") is not Pooling.MEAN
        assert ("swapped in" in moves) == goes_on
        assert method.value in moves
        driver.engine.check_integrity()
        return told

    try:
        assert same(asyncio.run(main()), alone(asked))
    finally:
        serving.close()


def test_an_output_may_follow_and_is_what_it_is_without_questions() -> None:
    asked = curious(PROMPT[:20], prompt_logprobs=1, max_tokens=8, n=3)
    without = replace(asked, request_id="plain", sampling=replace(asked.sampling, prompt_logprobs=None))
    (told, known), _ = play(tiny_serving(), [asked, without])
    assert told.outputs == known.outputs
    assert (told.prompt_logprobs, known.prompt_logprobs) == (
        alone({"prompt_logprobs": 1}, PROMPT[:20]).prompt_logprobs,
        None,
    )


def test_few_logits_exist_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_reading, "MOST_LOGITS", 61 * 5)
    serving = tiny_serving()
    widths: list[int] = []
    logits = serving.executor.runner.model.logits

    def counted(hidden_TD: torch.Tensor) -> torch.Tensor:
        widths.append(len(hidden_TD))
        return logits(hidden_TD)

    monkeypatch.setattr(serving.executor.runner.model, "logits", counted)
    (told,), _ = play(serving, [curious(PROMPT, prompt_logprobs=2)])
    assert same(told, alone({"prompt_logprobs": 2}))
    assert (max(widths), sum(widths)) == (5, len(PROMPT) - 1)


def test_a_prompt_of_one_token_has_nothing_to_tell_but_its_vector() -> None:
    told = alone({"prompt_logprobs": 2, "pooling": Pooling.MEAN}, [5])
    assert told.prompt_logprobs == ()
    assert told.embedding == alone({"pooling": Pooling.LAST}, [5]).embedding
