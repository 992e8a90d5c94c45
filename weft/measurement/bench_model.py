"""The model that a benchmark runs: a checkpoint, or random weights of a stated shape."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.contracts.errors import ConfigurationError
from weft.contracts.options import ServingOptions, serving_options
from weft.executor.limits import available_processors
from weft.model_specs.families import read_spec, spec_from_config
from weft.model_specs.model_spec import ModelSpec

if TYPE_CHECKING:
    from weft.executor.loading import Serving

RANDOM_MODEL: Mapping[str, Any] = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 1024,
    "intermediate_size": 2816,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "vocab_size": 32000,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": False,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "dtype": "bfloat16",
}
"""Llama-shaped, 349 M parameters: small enough for two cores, large enough to be bound by memory as real ones."""

WEIGHTS_SEED = 0


@dataclass(frozen=True, slots=True)
class BenchModel:
    """What is run. `directory`: of the checkpoint; None: random weights of the shape that `config` describes."""

    spec: ModelSpec
    directory: Path | None
    config: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The directory, or what the random model is."""
        return str(self.directory) if self.directory else "random Llama-shaped"


def find_model(directory: Path | None) -> BenchModel:
    """Raises `ConfigurationError` where the directory holds no model that is known."""
    if directory is None:
        return BenchModel(spec_from_config(RANDOM_MODEL, "the random model"), None, RANDOM_MODEL)
    return BenchModel(read_spec(directory), directory, {})


def fitted_options(
    spec: ModelSpec, given: Mapping[str, Any], longest_tokens: int, num_together: int
) -> ServingOptions:
    """Options as given; where they do not say how long a sequence may be, as long as the longest request, so that
    the cache is as large as the load needs. Raises `ConfigurationError` where the load is too large for them."""
    options = serving_options({"max_model_len": longest_tokens, **given})
    most_tokens = min(spec.max_length_tokens, given.get("max_model_len", spec.max_length_tokens))
    if longest_tokens > most_tokens:
        raise ConfigurationError(
            f"the longest request has {longest_tokens} tokens, prompt and output; the model or max_model_len "
            f"allows {most_tokens}: ask for shorter prompts or outputs"
        )
    if num_together > options.max_num_seqs:
        raise ConfigurationError(
            f"max_num_seqs is {options.max_num_seqs}, and {num_together} requests are to run at once; raise it"
        )
    return options


def load_model(model: BenchModel, options: ServingOptions) -> "Serving":
    """The model ready to serve; on the random one takes as long as drawing its numbers."""
    from weft.executor.loading import load_serving, make_serving
    from weft.weights.random_weights import RandomWeights

    if model.directory is not None:
        return load_serving(model.directory, options)
    return make_serving(model.spec, partial(RandomWeights, WEIGHTS_SEED), options)


def num_threads(serving: "Serving") -> int:
    """That one step may use on a CPU."""
    return serving.options.num_threads or available_processors()


def describe_serving(model: BenchModel, serving: "Serving") -> dict[str, Any]:
    """What is run and how, for reports: nothing is left at "auto"."""
    runner = serving.executor.runner
    keys = runner.pools.layers[0].keys_SGE
    return {
        "model": {"name": model.name, "parameters": model.spec.num_parameters},
        "backend": runner.ops.name,
        "device": str(keys.device),
        "dtype": str(keys.dtype).removeprefix("torch."),
        "threads": num_threads(serving),
        "fingerprint": serving.executor.numeric_fingerprint,
        "options": asdict(serving.options),
    }
