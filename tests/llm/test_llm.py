"""The synchronous API: lists in and out, inside a running loop too, interruption, and nothing left behind."""

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.llm.tiny_model import make_model
from weft import LLM, SamplingParams
from weft.contracts.errors import ConfigurationError, InvalidRequest

GREEDY = SamplingParams(max_tokens=12, temperature=0.0, ignore_eos=True)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def llm(model: Path) -> LLM:
    return LLM(model, backend="reference", num_threads=1, max_num_seqs=4)


def test_outputs_come_in_the_order_of_prompts(llm: LLM) -> None:
    with llm:
        texts = ["the sea", "an old house", "tea"]
        alone = [llm.generate(text, GREEDY)[0].outputs[0] for text in texts]
        together = llm.generate(texts, [GREEDY, GREEDY, GREEDY])
        assert [each.prompt for each in together] == texts
        assert [each.outputs[0] for each in together] == alone
        as_tokens = llm.generate([llm.encode(text) for text in texts], GREEDY)
        assert [each.outputs[0].token_ids for each in as_tokens] == [each.token_ids for each in alone]
        assert llm.generate(llm.encode("tea"), GREEDY)[0].outputs[0] == alone[2]
        assert llm.decode(alone[0].token_ids) == alone[0].text


def test_many_more_prompts_than_fit_are_all_served(llm: LLM) -> None:
    with llm:
        outputs = llm.generate(["tea"] * 300, SamplingParams(max_tokens=2), progress=False)
        assert len(outputs) == 300


def test_conversations_alone_and_in_lists(llm: LLM) -> None:
    with llm:
        conversation = [{"role": "user", "content": "tea?"}]
        (alone,) = llm.chat(conversation, GREEDY)
        pair = llm.chat([conversation, conversation], GREEDY)
        assert [each.outputs for each in pair] == [alone.outputs] * 2


def test_it_works_where_a_loop_runs_already(llm: LLM) -> None:
    async def notebook_cell() -> str:
        return llm.generate("tea", GREEDY)[0].outputs[0].text

    with llm:
        assert asyncio.run(notebook_cell()) == llm.generate("tea", GREEDY)[0].outputs[0].text


def test_one_bad_prompt_ends_the_call_and_nothing_goes_on(llm: LLM) -> None:
    with llm:
        with pytest.raises(InvalidRequest, match="token id 400"):
            llm.generate([[5], [400]], SamplingParams(max_tokens=100))
        with pytest.raises(InvalidRequest, match="1 sampling parameters for 2 prompts"):
            llm.generate(["a", "b"], [GREEDY])
        assert len(llm.generate("tea", GREEDY)) == 1
        assert llm._llm._driver is not None
        assert llm._llm._driver.engine.live_requests() == []


def test_closing_ends_all_threads_and_files(model: Path) -> None:
    threads = threading.active_count()
    for _ in range(2):
        llm = LLM(model, backend="reference", num_threads=2)
        llm.generate("tea", GREEDY)
        llm.close()
        llm.close()
        files = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ConfigurationError, match="was closed"):
        llm.generate("tea")
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == files


def test_a_program_that_does_not_close_ends_all_the_same(model: Path) -> None:
    program = (
        "from weft import LLM, SamplingParams\n"
        f"llm = LLM({str(model)!r}, num_threads=1)\n"
        "print(len(llm.generate('tea', SamplingParams(max_tokens=3))))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "1\n", "")


def test_importing_weft_imports_little() -> None:
    program = "import weft, sys; print(*(name for name in ('torch', 'tokenizers', 'jinja2') if name in sys.modules))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "\n"
