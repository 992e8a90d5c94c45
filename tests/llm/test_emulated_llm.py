"""A server without a model: its text, its ends, its pace, and what it refuses."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.costs.calibrated_examples import profile
from tests.executor.tiny_serving import CONFIG
from weft import SamplingParams
from weft.contracts.constraints import Constraint
from weft.contracts.errors import ConfigurationError, InvalidRequest
from weft.contracts.events import StepRecord, TransferEnded
from weft.costs.local_profile import write_profile
from weft.llm.emulated_llm import SAID, EmulatedLLM
from weft.model_specs.builtin import builtin_model
from weft.observation.event_log import EventLog

MODEL, HARDWARE = "llama-3.1-8b", "h100"
LIMITED = SamplingParams(max_tokens=12, ignore_eos=True)


def play(scene: Callable[[EmulatedLLM], Awaitable[None]], hardware: str = HARDWARE, **named: Any) -> None:
    async def main() -> None:
        async with EmulatedLLM(MODEL, hardware, **named) as llm:
            await scene(llm)
            if llm.engine is not None:
                llm.engine.check_integrity()

    asyncio.run(main())


def step_times_s(log: EventLog) -> list[float]:
    times = list[float]()
    log.subscribe(lambda step: times.append(step.time_s), StepRecord)
    return times


def test_outputs_are_text_that_says_what_it_is_and_end_where_they_should() -> None:
    async def scene(llm: EmulatedLLM) -> None:
        (limited,) = (await llm.generate([1, 2, 3], LIMITED)).outputs
        assert (limited.finish_reason, len(limited.token_ids)) == ("length", 12)
        assert limited.text in 3 * SAID
        several = await llm.generate("hello", SamplingParams(max_tokens=500, n=4))
        assert {each.finish_reason for each in several.outputs} == {"stop"}
        assert len({len(each.token_ids) for each in several.outputs}) > 1
        assert all(each.text in 40 * SAID for each in several.outputs)
        (least,) = (await llm.generate("hello", SamplingParams(max_tokens=90, min_tokens=80))).outputs
        assert len(least.token_ids) >= 80

    play(scene, output_tokens=10.0)


def test_steps_take_as_long_as_the_cost_model_says() -> None:
    """No step ends sooner; how much later depends on this machine, so that is not looked at."""
    shortest_s = dict[str, float]()

    async def scene(llm: EmulatedLLM) -> None:
        times_s = step_times_s(llm.log)
        await llm.generate([1, 2, 3], LIMITED)
        shortest_s[llm.serving.hardware] = (times_s[-1] - times_s[0]) / (len(times_s) - 1)

    play(scene)
    play(scene, "4xh100")
    one_s, four_s = shortest_s["H100 SXM"], shortest_s["4 x H100 SXM"]
    weights_s = 16e9 / 3.35e12  # bytes of an 8B model by the bandwidth of an H100
    assert one_s > weights_s > four_s


def test_it_says_what_it_is() -> None:
    async def scene(llm: EmulatedLLM) -> None:
        assert llm.emulates == "H100 SXM"
        assert llm.fingerprint == "emulated-h100-sxm"

    play(scene)


def test_a_stop_string_of_a_client_ends_an_output() -> None:
    async def scene(llm: EmulatedLLM) -> None:
        sampling = SamplingParams(max_tokens=200, stop=("model",), ignore_eos=True)
        (output,) = (await llm.generate("hello", sampling)).outputs
        assert (output.finish_reason, output.stop_reason) == ("stop", "model")

    play(scene)


@pytest.mark.parametrize(
    "asked",
    [
        {"logprobs": 1},
        {"prompt_logprobs": 0},
        {"logit_bias": {5: 1.0}},
        {"beam_width": 2},
        {"stop_token_ids": (5,)},
        {"constraint": Constraint("regex", "a+")},
    ],
)
def test_what_needs_a_model_is_refused(asked: dict[str, Any]) -> None:
    async def scene(llm: EmulatedLLM) -> None:
        (name,) = asked
        with pytest.raises(
            InvalidRequest, match=f"^{name} is .* an emulated model cannot follow; leave it out"
        ):
            await llm.generate("hello", SamplingParams(**asked))
        with pytest.raises(InvalidRequest, match="no hidden states"):
            await llm.embed("hello")

    play(scene)


def test_preempted_outputs_go_through_host_memory() -> None:
    """Three sequences, and blocks for two: whoever gives way is swapped over the emulated link."""

    async def scene(llm: EmulatedLLM) -> None:
        sampling, ended = SamplingParams(max_tokens=60, ignore_eos=True), list[str | None]()
        llm.log.subscribe(lambda transfer: ended.append(transfer.error), TransferEnded)
        outputs = await asyncio.gather(*(llm.generate([seed] * 40, sampling) for seed in (1, 2, 3)))
        assert [len(each.outputs[0].token_ids) for each in outputs] == [60, 60, 60]
        assert set(ended) == {None}

    block_bytes = 2 << 20
    play(
        scene,
        max_model_len=112,
        kv_cache_memory_bytes=14 * block_bytes,
        swap_memory_bytes=64 * block_bytes,
    )


@pytest.mark.parametrize(
    ("model", "hardware", "options", "problem"),
    [
        (MODEL, "h1000", {}, "h1000"),
        ("lama-3.1-8b", HARDWARE, {}, "neither a path nor in the catalogue"),
        ("llama-3.1-70b", HARDWARE, {}, "memory|fit"),
        (
            MODEL,
            HARDWARE,
            {"num_threads": 2},
            "num_threads is 2, and where hardware is emulated nothing computes",
        ),
        (MODEL, HARDWARE, {"output_tokens": 0.5}, "output_tokens is 0.5; give a finite mean of at least 1"),
    ],
)
def test_what_cannot_be_emulated_is_refused(
    model: str, hardware: str, options: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        EmulatedLLM(model, hardware, **options)


def test_a_machine_that_was_calibrated_is_emulated_by_its_profile(tmp_path: Path) -> None:
    config, file = tmp_path / "config.json", tmp_path / "profile.json"
    config.write_text(json.dumps(CONFIG))
    write_profile(profile(), file)

    async def main() -> None:
        async with EmulatedLLM(str(config), f"local:{file}", block_tokens=4, max_model_len=64) as llm:
            assert llm.emulates == "this machine (a test)"
            (output,) = (await llm.generate([1, 2, 3], LIMITED)).outputs
            assert len(output.token_ids) == 12

    asyncio.run(main())


def test_texts_are_read_by_the_models_own_tokenizer_where_it_has_one(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "config.json").write_text((builtin_model("weft-tiny") / "config.json").read_text())
    for model in (builtin_model("weft-nano"), bare, bare / "config.json"):
        llm = EmulatedLLM(str(model), HARDWARE)
        assert llm.prompting.encode("hello")
        assert llm.serving.spec.hidden_size == json.loads(_config(model))["hidden_size"]
        asyncio.run(llm.close())


def _config(model: Path) -> str:
    return (model if model.is_file() else model / "config.json").read_text()
