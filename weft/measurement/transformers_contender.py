"""The `generate` of transformers as a contender: the same shapes, number format, device and threads."""

import gc
from collections.abc import Sequence
from importlib import import_module
from time import perf_counter
from typing import TYPE_CHECKING, Any

from weft.contracts.errors import ConfigurationError, InvariantViolation
from weft.measurement.bench_model import WEIGHTS_SEED, BenchModel, num_threads
from weft.measurement.contenders import Load
from weft.measurement.token_times import LatencyRun, ThroughputRun

if TYPE_CHECKING:
    from weft.executor.loading import Serving

PADDING = 0
"""The token in front of shorter prompts; the attention mask keeps it from being seen."""


class TransformersContender:
    """Serves a batch by one greedy `generate` that ignores ends of sequence.

    `max_batch`: how many requests of a load one `generate` takes; the next batch begins when the longest
    output of this one is done, since `generate` takes nobody in meanwhile.
    """

    name = "transformers"

    def __init__(self, model: BenchModel, serving: "Serving", max_batch: int) -> None:
        self._threads = num_threads(serving)
        self._max_batch = max_batch
        self._library = _import_library()
        self._model = _load(self._library, model, serving)

    def latency(self, load: Load) -> LatencyRun:
        """Two calls: one that ends with the first token, and one with the last.

        The first is the time to the first token; the rest of the second is the decoding. The intervals
        between tokens are not seen.
        """
        prompts, num_tokens = [job.prompt for job in load], load[0].output_tokens
        first_s = self._time(prompts, 1)
        following = num_tokens - 1
        decode_s = self._time(prompts, num_tokens) - first_s if following else 0.0
        is_told = decode_s > 0.0
        return LatencyRun(
            first_s,
            decode_s / following if is_told else None,
            None,
            sum(map(len, prompts)) / first_s,
            len(load) * following / decode_s if is_told else None,
            len(load) * num_tokens,
            0,
        )

    def throughput(self, load: Load) -> ThroughputRun:
        """Batches one after the other, in the order of the load; only what was asked for counts as output."""
        total_s = 0.0
        for start in range(0, len(load), self._max_batch):
            batch = load[start : start + self._max_batch]
            total_s += self._time([job.prompt for job in batch], max(job.output_tokens for job in batch))
        prompt_tokens = sum(len(job.prompt) for job in load)
        return ThroughputRun(total_s, len(load), prompt_tokens, sum(job.output_tokens for job in load))

    def close(self) -> None:
        """Let the weights go."""
        self._model = None

    def outputs(self, prompts: Sequence[Sequence[int]], num_tokens: int) -> list[list[int]]:
        """The output tokens for each prompt, exactly so many."""
        longest = max(map(len, prompts))
        rows = [[PADDING] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
        mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        batch = self._library.BatchEncoding({"input_ids": rows, "attention_mask": mask}, tensor_type="pt")
        lengths = {"min_new_tokens": num_tokens, "max_new_tokens": num_tokens}
        found = self._model.generate(
            **batch.to(self._model.device), **lengths, do_sample=False, pad_token_id=PADDING
        )
        outputs: list[list[int]] = found[:, longest:].tolist()  # waits for a GPU, too
        return outputs

    def _time(self, prompts: Sequence[Sequence[int]], num_tokens: int) -> float:
        from weft.ops.torch_ops import TorchOps

        TorchOps(self._threads).bind_thread()
        gc.collect()
        begun_s = perf_counter()
        outputs = self.outputs(prompts, num_tokens)
        seconds = perf_counter() - begun_s
        if any(len(output) != num_tokens for output in outputs):
            raise InvariantViolation(
                "whole_output", f"transformers gave {outputs}, {num_tokens} were asked for"
            )
        return seconds


def _import_library() -> Any:
    """Untyped, as transformers is."""
    try:
        return import_module("transformers")
    except ImportError as error:
        raise ConfigurationError(
            "transformers is not installed; run `pip install 'transformers>=5'`, or leave out --against"
        ) from error


def _load(library: Any, model: BenchModel, serving: "Serving") -> Any:
    """A directory's own generation settings (penalties, ends) are left out."""
    keys = serving.executor.runner.pools.layers[0].keys_SGE
    try:
        loaded = _make_model(library, model, keys.dtype)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"transformers cannot load {model.name}: {error}; mend that, or leave out --against"
        ) from error
    loaded.generation_config = library.GenerationConfig()
    return loaded.to(keys.device).eval()


def _make_model(library: Any, model: BenchModel, dtype: Any) -> Any:
    if model.directory is not None:
        return library.AutoModelForCausalLM.from_pretrained(model.directory, dtype=dtype)
    config = library.AutoConfig.for_model(**model.config)
    made = library.AutoModelForCausalLM.from_config(config, dtype=dtype)
    _copy_random_weights(made)
    return made


def _copy_random_weights(made: Any) -> None:
    """The same numbers as Weft's, since each tensor's follow from its name."""
    from weft.weights.random_weights import RandomWeights

    for name, parameter in made.named_parameters():
        weights = RandomWeights(WEIGHTS_SEED, parameter.dtype, parameter.device)
        parameter.data.copy_(weights.read(name, tuple(parameter.shape)))
