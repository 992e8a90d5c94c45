"""Models that were trained by others: perplexity, logits and greedy text, against published figures and transformers.

They lie in `shared/data` beside some checkouts; nothing of it is part of this repository.
"""

import asyncio
import json
import math
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import transformers
import zstandard
from click.testing import CliRunner
from sentencepiece import SentencePieceProcessor
from torch import Tensor
from torch.nn import functional

from tests.models.paged_runs import PagedRuns, chunked, together
from weft import LLM
from weft.cli.convert import command
from weft.contracts.errors import ConfigurationError
from weft.contracts.options import ServingOptions
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.engine.client import generate
from weft.engine.driver import EngineDriver
from weft.executor.loading import load_serving
from weft.ops.reference_ops import ReferenceOps
from weft.ops.torch_ops import TorchOps

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
FAMILY = SHARED / "models" / "tok512_family"
TOKENIZER = FAMILY / "tok512.model"
TEXTS = SHARED / "text" / "tinystories_1000_cased.txt.zst"

pytestmark = pytest.mark.skipif(
    not (FAMILY.exists() and TEXTS.exists()),
    reason=f"{SHARED} is not here: the shared data lies beside some checkouts only",
)

NUM_STORIES, MOST_TOKENS, NUM_PREDICTED = 60, 250, 14_839
BOS_TOKEN = 1
GREEDY_TOKENS = 80


class Checkpoint(NamedTuple):
    """Where it is, in whose file format; and its perplexity by numpy in float32, from the data's README."""

    path: Path
    is_converted: bool
    perplexity: float


CHECKPOINTS = {
    "stories260K-hf": Checkpoint(SHARED / "models" / "stories260K_hf", False, 3.865),
    "stories260K": Checkpoint(FAMILY / "stories260K.bin", True, 3.865),
    "llama2xs": Checkpoint(FAMILY / "llama2xs.bin", True, 7.457),
}


class Loaded(NamedTuple):
    """A directory that Weft serves, and what transformers makes of it."""

    directory: Path
    perplexity: float
    oracle: Any

    @torch.no_grad()
    def expected(self, tokens: Sequence[int]) -> Tensor:
        """Scores after every token, by transformers: [T, V]."""
        logits: Tensor = self.oracle(torch.tensor([tokens])).logits[0]
        return logits


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def convert(source: Path, target: Path, *options: str) -> Path:
    outcome = CliRunner().invoke(command, [str(source), str(target), "--format", "llama2.c", *options])
    assert outcome.exit_code == 0, outcome.output
    return target


def by_transformers(directory: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)


@pytest.fixture(scope="module", params=CHECKPOINTS)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    checkpoint = CHECKPOINTS[request.param]
    directory = checkpoint.path
    if checkpoint.is_converted:
        directory = convert(checkpoint.path, tmp_path_factory.mktemp("converted") / request.param)
    return Loaded(directory, checkpoint.perplexity, by_transformers(directory))


def read_tokenizer() -> SentencePieceProcessor:
    processor = SentencePieceProcessor()
    processor.LoadFromSerializedProto(TOKENIZER.read_bytes())
    return processor


@pytest.fixture(scope="module")
def stories() -> list[list[int]]:
    """Token ids, with the one for the begin of a text."""
    processor = read_tokenizer()
    with zstandard.open(TEXTS, "rt", encoding="utf-8") as file:
        texts = file.read().split("<|endoftext|>")[:NUM_STORIES]
    encoded = [[BOS_TOKEN, *processor.encode(text.strip())][:MOST_TOKENS] for text in texts]
    assert sum(len(tokens) - 1 for tokens in encoded) == NUM_PREDICTED
    return encoded


def perplexity(runs: PagedRuns, texts: Sequence[Sequence[int]]) -> float:
    """Of every token after the first of each text, given those before it."""
    found = runs.logits(texts, chunked([len(text) for text in texts], 32))
    surprise = sum(
        functional.cross_entropy(logits_TV[:-1].double(), torch.tensor(text[1:]), reduction="sum").item()
        for text, logits_TV in zip(texts, found, strict=True)
    )
    return math.exp(surprise / sum(len(text) - 1 for text in texts))


def relative_error(ours: Tensor, theirs: Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max())


def test_perplexity_is_the_published_one(loaded: Loaded, stories: list[list[int]]) -> None:
    found = perplexity(PagedRuns(loaded.directory, TorchOps(1)), stories)
    assert found == pytest.approx(loaded.perplexity, rel=0.005)


def test_a_wrong_rotary_base_is_noticed(loaded: Loaded, stories: list[list[int]], tmp_path: Path) -> None:
    """The bound is tight enough to tell such a mistake."""
    config = json.loads((loaded.directory / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"rope_theta": 2 * config["rope_theta"]}))
    shutil.copy(loaded.directory / "model.safetensors", tmp_path)
    found = perplexity(PagedRuns(tmp_path, TorchOps(1)), stories)
    assert found != pytest.approx(loaded.perplexity, rel=0.005)


def test_logits_are_those_of_transformers(loaded: Loaded, stories: list[list[int]]) -> None:
    texts = stories[:6]
    found = PagedRuns(loaded.directory, TorchOps(1)).logits(texts, together([len(text) for text in texts]))
    for text, ours in zip(texts, found, strict=True):
        assert relative_error(ours, loaded.expected(text)) <= 1e-4


def test_backends_agree(loaded: Loaded, stories: list[list[int]]) -> None:
    texts = stories[6:9]
    steps = chunked([len(text) for text in texts], 50)
    plain, reference = (
        PagedRuns(loaded.directory, ops).logits(texts, steps) for ops in (TorchOps(1), ReferenceOps(1))
    )
    for theirs, ours in zip(plain, reference, strict=True):
        assert relative_error(ours, theirs) <= 1e-4


@pytest.mark.parametrize("backend", ["torch", "reference"])
def test_greedy_text_is_that_of_transformers(loaded: Loaded, stories: list[list[int]], backend: str) -> None:
    """Through engine and executor: three prompts at once, the others wait, long ones are cut into chunks."""
    prompts = [tuple(story[: 3 + 9 * index]) for index, story in enumerate(stories[:5])]
    options = ServingOptions(
        backend=backend, num_threads=1, block_tokens=8, max_num_seqs=3, max_num_batched_tokens=16
    )
    for prompt, ours in zip(prompts, asyncio.run(_generate(loaded.directory, options, prompts)), strict=True):
        assert ours == _greedy(loaded.oracle, prompt)


async def _generate(
    directory: Path, options: ServingOptions, prompts: Sequence[tuple[int, ...]]
) -> list[tuple[int, ...]]:
    serving = load_serving(directory, options)
    driver = EngineDriver(serving.config, serving.executor)
    sampling = SamplingParams(max_tokens=GREEDY_TOKENS, temperature=0.0)
    requests = [Request(str(i), TokenPrompt(prompt), sampling) for i, prompt in enumerate(prompts)]
    completions = await asyncio.gather(*(generate(driver, request) for request in requests))
    driver.engine.check_integrity()
    serving.close()
    return [completion.outputs[0] for completion in completions]


def _greedy(oracle: Any, prompt: tuple[int, ...]) -> tuple[int, ...]:
    """By transformers' own loop, on past the end of a text."""
    ids = torch.tensor([prompt])
    output = oracle.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=GREEDY_TOKENS,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    return tuple(output[0, len(prompt) :].tolist())


def test_without_a_tokenizer_a_model_takes_token_ids(loaded: Loaded, stories: list[list[int]]) -> None:
    prompt = stories[0][:20]
    with LLM(loaded.directory, num_threads=1) as model:
        (result,) = model.generate(prompt, SamplingParams(max_tokens=5, temperature=0.0))
        assert result.outputs[0].token_ids == _greedy(loaded.oracle, tuple(prompt))[:5]
        assert result.outputs[0].text == ""
        with pytest.raises(ConfigurationError, match="has no tokenizer"):
            model.generate("Once upon a time")


def test_with_a_tokenizer_a_converted_model_writes_text(tmp_path: Path) -> None:
    directory = convert(FAMILY / "stories260K.bin", tmp_path / "out", "--tokenizer", str(TOKENIZER))
    oracle = by_transformers(directory)
    prompt, processor = "Once upon a time", read_tokenizer()
    with LLM(directory, num_threads=1) as model:
        (result,) = model.generate(prompt, SamplingParams(max_tokens=GREEDY_TOKENS, temperature=0.0))
    tokens = (BOS_TOKEN, *processor.encode(prompt))
    expected = processor.decode([*tokens, *_greedy(oracle, tokens)])
    assert prompt + result.outputs[0].text == expected
    assert ", there was a little girl" in expected
