"""`weft generate`: the text of `LLM`, as it comes or as JSON, and clean ends of all kinds."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.cli.running import ENDLESS, LONG, end, start
from tests.llm.tiny_model import make_model
from tests.text import tiny
from weft import LLM, SamplingParams
from weft.cli.main import command_line, main
from weft.contracts.requests import SamplingParams as Params

EXACT = ("--backend", "reference", "--threads", "1")
GREEDY = ("--temperature", "0", "--ignore-eos", "--max-tokens", "12")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_model(tmp_path_factory.mktemp("models") / "tiny"))


def generate(*arguments: str, text: str | bytes | None = None) -> str:
    outcome = CliRunner().invoke(command_line, ["generate", *arguments, *EXACT], input=text)
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def expected(model: str, *prompts: str, params: Params | None = None) -> list[Any]:
    with LLM(model, backend="reference", num_threads=1) as llm:
        return [each.outputs for each in llm.generate(list(prompts), params, progress=False)]


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ending:
        main(["generate", *arguments, *EXACT])
    assert ending.value.code == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    return line


def test_one_text_is_that_of_the_python_api(model: str) -> None:
    params = SamplingParams(max_tokens=12, temperature=0.0, ignore_eos=True)
    ((output,),) = expected(model, "the quick brown", params=params)
    assert generate(model, "the quick brown", *GREEDY) == output.text + "\n"


def test_defaults_are_the_models_own(model: str) -> None:
    ((output,),) = expected(model, "tea")
    assert generate(model, "tea") == output.text + "\n"
    (line,) = generate(model, "tea", "--json").splitlines()
    (told,) = json.loads(line)["outputs"]
    assert (told["text"], told["token_ids"]) == (output.text, list(output.token_ids))


def test_a_prompt_on_standard_input(model: str) -> None:
    as_argument = generate(model, "two\nlines", *GREEDY)
    for text in ("two\nlines", "two\nlines\n"):
        assert generate(model, *GREEDY, text=text) == as_argument
    assert generate(model, *GREEDY, text="two\nlines\n\n") != as_argument


def test_several_prompts_and_outputs_in_order(model: str) -> None:
    params = SamplingParams(max_tokens=9, temperature=1.0, seed=7, n=2)
    texts = expected(model, "tea", "the sea", params=params)
    flags = ("--max-tokens", "9", "--temperature", "1", "--seed", "7", "--n", "2")
    assert generate(model, "tea", "the sea", *flags) == "".join(
        f"[prompt {prompt + 1}, output {index + 1}]\n{texts[prompt][index].text}\n"
        for prompt in range(2)
        for index in range(2)
    )
    assert generate(model, "tea", *flags).startswith("[output 1]\n")


def test_json_lines(model: str) -> None:
    params = SamplingParams(max_tokens=6, temperature=0.0, logprobs=1, stop=("q",))
    outputs = expected(model, "tea", "thé", params=params)
    flags = ("--max-tokens", "6", "--temperature", "0", "--logprobs", "1", "--stop", "q", "--json")
    lines = [json.loads(line) for line in generate(model, "tea", "thé", *flags).splitlines()]
    assert [line["prompt"] for line in lines] == ["tea", "thé"]
    for line, (output,) in zip(lines, outputs, strict=True):
        (told,) = line["outputs"]
        assert told["text"] == output.text
        assert told["finish_reason"] == output.finish_reason
        assert told["stop_reason"] == output.stop_reason
        assert told["logprobs"][0]["token"] == output.token_ids[0]
        assert told["logprobs"][0]["likeliest"][0]["logprob"] == output.logprobs[0].likeliest[0].logprob


def test_a_prompt_that_is_only_scored(model: str) -> None:
    params = SamplingParams(max_tokens=0, prompt_logprobs=1)
    ((output,),) = expected(model, "the sea", params=params)
    assert output.prompt_logprobs is not None
    told = json.loads(generate(model, "the sea", "--max-tokens", "0", "--prompt-logprobs", "1", "--json"))
    assert told["outputs"][0]["token_ids"] == []
    first, *others = told["prompt_logprobs"]
    assert first is None
    assert len(others) == told["prompt_tokens"] - 1
    assert others[0]["logprob"] == output.prompt_logprobs[1].logprob


def test_beam_search(model: str) -> None:
    ((output,),) = expected(model, "the", params=SamplingParams(max_tokens=8, beam_width=3))
    assert generate(model, "the", "--max-tokens", "8", "--beam-width", "3") == output.text + "\n"


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (
            ("tea", "--max-tokens", "500"),
            "max_tokens is 500; after a prompt of 2 tokens there is room for 126",
        ),
        (("tea", "tea " * 200), "prompt 2: the prompt has"),
        (("tea", "--temperature", "-1"), "temperature is -1.0; it must be"),
        (("tea", "--logprobs", "2"), "log-probabilities are told with --json only"),
        (("tea", "--beam-width", "2", "--n", "2"), "beam_width is 2; it must be 1 where n is above 1"),
        (("tea", "--stop-token-id", "999"), "stop_token_ids has token id 999"),
        (("tea", "--max-model-len", "4096"), "the model was made for at most 128"),
        (("tea", "\udcff"), "prompt 2: a text cannot be encoded"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: tuple[str, ...], advice: str, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert advice in refusal(capsys, model, *arguments)


def test_no_model_and_no_prompt(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "the model comes first" in refusal(capsys, "Once upon a time")
    for text, advice in ((b"", "there is no prompt"), (b"\xff\xfe", "standard input is not UTF-8")):
        outcome = CliRunner().invoke(command_line, ["generate", model], input=text)
        assert advice in str(outcome.exception)


def test_what_a_model_warns_of_is_a_line(tmp_path: Path) -> None:
    model = make_model(tmp_path / "odd")
    tiny.write_json(model / "generation_config.json", {"num_beams": 4, "max_new_tokens": 3})
    outcome = CliRunner().invoke(command_line, ["generate", str(model), "tea", *EXACT])
    assert outcome.stderr == (
        f"weft: warning: {model}: its generation_config.json sets num_beams, which has no effect here\n"
    )


def test_interruption_ends_cleanly(tmp_path: Path) -> None:
    process = start("generate", make_model(tmp_path / "long", **LONG), "tea", *ENDLESS)
    assert process.stdout is not None
    process.stdout.read(20)
    process.send_signal(signal.SIGINT)
    code, _, err = end(process)
    assert (code, err.strip()) == (130, "")


def test_nobody_reading_ends_quietly(tmp_path: Path) -> None:
    process = start("generate", make_model(tmp_path / "long", **LONG), "tea", *ENDLESS)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(20)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=40) == 1
    for stream in (process.stdin, process.stderr):
        assert stream is not None
        stream.close()
