"""Every verb that takes a model takes a GGUF file."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.text.test_gguf_tokenizer import whole_tokenizer
from tests.weights.gguf_models import write_model
from weft import LLM, SamplingParams
from weft.cli.doctor import check_model
from weft.cli.doctor_checks import Level
from weft.cli.main import command_line, main
from weft.model_specs.builtin import builtin_model
from weft.model_specs.catalogue.find import find_model

GREEDY = ("--temperature", "0", "--max-tokens", "12")
PROMPTS = ["Once upon a time", "What is 3 plus 4?"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """weft-tiny, by format."""
    folder, source = tmp_path_factory.mktemp("gguf"), builtin_model()
    return {
        format: write_model(source, folder / f"tiny-{format}.gguf", format, whole_tokenizer(source))
        for format in ("BF16", "Q8_0", "Q4_0")
    }


def told(*arguments: object) -> str:
    outcome = CliRunner().invoke(command_line, [*map(str, arguments)], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return outcome.stdout


def test_a_file_in_the_models_own_format_says_the_same(files: dict[str, Path]) -> None:
    for backend in ("cpu", "torch"):
        ask = (*PROMPTS, *GREEDY, "--backend", backend, "--threads", "1")
        assert told("generate", files["BF16"], *ask) == told("generate", "weft-tiny", *ask)


@pytest.mark.parametrize("format", ["Q8_0", "Q4_0"])
def test_integers_are_served_by_the_kernels(files: dict[str, Path], format: str) -> None:
    """Near to what torch makes of the numbers that they stand for: activations are rounded as well."""
    score = SamplingParams(max_tokens=0, prompt_logprobs=0)
    found = []
    for backend in ("cpu", "torch"):
        with LLM(files[format], backend=backend, dtype="float32", num_threads=1) as llm:
            (result,) = llm.generate([PROMPTS[0]], score, progress=False)
        assert result.prompt_logprobs is not None
        found.append([each.logprob for each in result.prompt_logprobs if each is not None])
    assert found[0] == pytest.approx(found[1], abs=0.3)
    assert found[0] != found[1]


def test_a_conversation_by_the_template_of_the_file(files: dict[str, Path]) -> None:
    chat = [{"role": "user", "content": "What is 3 plus 4?"}]
    greedy = SamplingParams(max_tokens=8, temperature=0.0)
    texts = []
    for model in (files["BF16"], builtin_model()):
        with LLM(model, num_threads=1) as llm:
            (result,) = llm.chat([chat], greedy)
            texts.append(result.outputs[0].text)
    assert texts[0] == texts[1]


def test_what_serving_would_take(files: dict[str, Path]) -> None:
    plan = told("serve", files["Q8_0"], "--dry-run", "--max-model-len", "256")
    assert "it fits" in plan
    findings = list(check_model(str(files["Q8_0"])))
    assert [each.level for each in findings if each.level is Level.PROBLEM] == []


def test_a_simulation_is_of_the_same_model(files: dict[str, Path]) -> None:
    assert find_model(str(files["BF16"])) == find_model("weft-tiny")


def test_only_directories_are_quantised_for_good(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["quantize", str(files["BF16"]), "--quantization", "int4", "--out", str(tmp_path / "out")])
    assert "is a GGUF file, and only directories are written again" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_benchmarks_and_evaluation_take_a_file(files: dict[str, Path]) -> None:
    short = (
        "--batch",
        "1",
        "--prompt-tokens",
        "8",
        "--prefill-tokens",
        "16",
        "--output-tokens",
        "4",
        "--repeats",
        "1",
    )
    figures = json.loads(told("bench", "latency", files["Q8_0"], *short, "--json"))
    assert figures["serving"]["model"]["name"] == str(files["Q8_0"])
    assert told("eval", files["Q8_0"], "--tasks", "copy", "--examples", "2")
