"""The recipe of the built-in model: a small Qwen3-shaped model that tells short stories and follows a small chat.

A killed run leaves what was there before and loses only time: the directory is written at the end, whole.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import tokenizers
import torch

from weft.executor.loading import build_model
from weft.model_specs.families import read_spec, spec_from_config
from weft.models.decoder import Decoder
from weft.ops.torch_ops import TorchOps
from weft.training.chat_format import write_text_files
from weft.training.objective import bits_per_byte
from weft.training.packing import Batch, pack
from weft.training.text.documents import BEGIN, END, documents
from weft.training.text.echoes import with_echoes
from weft.training.tokenizer import encode_documents, train_tokenizer
from weft.training.trainable_weights import TrainableWeights
from weft.training.trainer import Record, Trainer, TrainingConfig
from weft.weights.checkpoint import CheckpointWeights
from weft.weights.random_weights import RandomWeights
from weft.weights.save import save_checkpoint

CONTEXT_TOKENS = 1024
"""The longest sequence; longer documents are cut there. Six in ten have 50 to 300 tokens, a quarter 300 to 1,000."""
VOCABULARY = 1024
TOKENIZER_DOCUMENTS = 20_000
TIMED_STEPS = 12
"""Of the trial that says how many steps fit into some minutes."""


@dataclass(frozen=True, slots=True)
class FirstModel:
    """The sizes of the recipe. `batch_tokens`: of a step, at most. `initial_std`: of the weights before the first
    step. `evaluated_documents`: that bits per byte are measured on."""

    seed: int = 1
    hidden_size: int = 128
    intermediate_size: int = 512
    num_layers: int = 4
    num_heads: int = 4
    num_kv_heads: int = 2
    batch_tokens: int = 2048
    initial_std: float = 0.04
    evaluated_documents: int = 200
    num_threads: int = 2

    def model_config(self, tokenizer: tokenizers.Tokenizer) -> dict[str, Any]:
        """config.json."""
        return {
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            "vocab_size": tokenizer.get_vocab_size(),
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_layers,
            "num_attention_heads": self.num_heads,
            "num_key_value_heads": self.num_kv_heads,
            "head_dim": self.hidden_size // self.num_heads,
            "max_position_embeddings": CONTEXT_TOKENS,
            "rope_theta": 10000.0,
            "rms_norm_eps": 1e-6,
            "hidden_act": "silu",
            "attention_bias": False,
            "tie_word_embeddings": True,
            "use_sliding_window": False,
            "bos_token_id": tokenizer.token_to_id(BEGIN),
            "eos_token_id": tokenizer.token_to_id(END),
            "dtype": "bfloat16",
        }


def first_tokenizer(recipe: FirstModel) -> tokenizers.Tokenizer:
    """Learned from documents of a stream of its own."""
    texts = documents(recipe.seed, "tokenizer", held_out=False)
    return train_tokenizer(islice(texts, TOKENIZER_DOCUMENTS), VOCABULARY)


def training_batches(recipe: FirstModel, tokenizer: tokenizers.Tokenizer) -> Iterator[Batch]:
    """Without end; no document is made twice."""
    texts = with_echoes(documents(recipe.seed, "training", held_out=False), recipe.seed)
    return pack(encode_documents(tokenizer, texts, CONTEXT_TOKENS), recipe.batch_tokens)


def evaluation_batches(recipe: FirstModel, tokenizer: tokenizers.Tokenizer, *, held_out: bool) -> list[Batch]:
    """Fresh documents; `held_out`: with names, things and sentences that training never has."""
    texts = islice(documents(recipe.seed, "evaluation", held_out=held_out), recipe.evaluated_documents)
    return list(pack(encode_documents(tokenizer, texts, CONTEXT_TOKENS), recipe.batch_tokens))


def train_first_model(
    recipe: FirstModel,
    directory: Path,
    *,
    minutes: float,
    num_steps: int | None,
    report: Callable[[Record], None],
    config: TrainingConfig | None = None,
) -> None:
    """Make the whole model directory, which must not exist or be empty.

    `num_steps`: None takes as many as a short trial says fit into `minutes`. At the same number of steps and threads
    the same seed makes the same model.
    """
    ops = TorchOps(recipe.num_threads)
    ops.bind_thread()
    tokenizer = first_tokenizer(recipe)
    settings = config or TrainingConfig(num_steps=1)
    if num_steps is None:
        num_steps = steps_within(recipe, tokenizer, ops, settings, minutes)
    settings = replace(settings, num_steps=num_steps)
    held_out = evaluation_batches(recipe, tokenizer, held_out=True)
    weights = TrainableWeights(
        RandomWeights(recipe.seed, torch.float32, torch.device("cpu"), recipe.initial_std)
    )
    trainer = _trainer(
        recipe, tokenizer, ops, weights, settings, partial(bits_per_byte, ops=ops, batches=held_out)
    )
    trainer.run(report)
    save_model(recipe, tokenizer, weights, directory)


def steps_within(
    recipe: FirstModel,
    tokenizer: tokenizers.Tokenizer,
    ops: TorchOps,
    config: TrainingConfig,
    minutes: float,
) -> int:
    """How many steps fit into so many minutes, by a trial on weights that are thrown away."""
    weights = TrainableWeights(RandomWeights(0, torch.float32, torch.device("cpu")))
    trial = replace(config, num_steps=TIMED_STEPS)
    trainer = _trainer(recipe, tokenizer, ops, weights, trial, lambda model: 0.0)
    start_s = time.monotonic()
    trainer.run(lambda record: None, progress=False)
    return max(1, int(minutes * 60 / (time.monotonic() - start_s) * TIMED_STEPS))


def _trainer(
    recipe: FirstModel,
    tokenizer: tokenizers.Tokenizer,
    ops: TorchOps,
    weights: TrainableWeights,
    config: TrainingConfig,
    evaluate: Callable[[Decoder], float],
) -> Trainer:
    spec = spec_from_config(recipe.model_config(tokenizer), "the recipe")
    return Trainer(spec, weights, ops, training_batches(recipe, tokenizer), evaluate, config)


def save_model(
    recipe: FirstModel, tokenizer: tokenizers.Tokenizer, weights: TrainableWeights, directory: Path
) -> None:
    """Weights in bfloat16 and all that stands beside them."""
    with tempfile.TemporaryDirectory() as folder:
        files = write_text_files(Path(folder), tokenizer)
        save_checkpoint(
            directory, recipe.model_config(tokenizer), weights.values(torch.bfloat16), other_files=files
        )


def evaluate_directory(directory: Path, recipe: FirstModel, *, held_out: bool) -> float:
    """Bits per byte of a saved model, computed in float32 from its stored weights."""
    ops = TorchOps(recipe.num_threads)
    spec = read_spec(directory)
    weights = CheckpointWeights(directory, torch.float32, torch.device("cpu"))
    model = build_model(spec, weights, ops, CONTEXT_TOKENS)
    tokenizer = tokenizers.Tokenizer.from_file(str(directory / "tokenizer.json"))
    return bits_per_byte(model, ops, evaluation_batches(recipe, tokenizer, held_out=held_out))
