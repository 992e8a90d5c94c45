"""What a run will need of memory and disk, estimated before its first step."""

import shutil
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import torch

from weft.contracts.errors import ConfigurationError
from weft.executor.limits import available_memory_bytes
from weft.model_specs.model_spec import ModelSpec
from weft.ops.packed_attention import EXPLICIT_TOKENS
from weft.training.adapter_recipe import AnyRecipe
from weft.training.products import product_of
from weft.training.run_checkpoints import KEPT

MEBIBYTE = 1 << 20
MASTER_BYTES = 16
"""Per parameter: weight, gradient and two moments of AdamW, in float32."""

CHECKPOINT_BYTES = 12
"""Per parameter: weight and two moments."""

COMPILED_BYTES = 3 << 29
"""What torch's library keeps of its products in bfloat16, which it compiles for each shape. Measured of 1,024, without
AMX: 1.2 GiB (0.7 M parameters) and 1.5 GiB (3 M); of the 256 that a run keeps, with AMX: 0.9 GiB (0.7 M). Of 3 M
parameters with AMX it may be more."""

RESULT_BYTES = 4
"""Per parameter, at most: of an adapter; models take 2."""


@dataclass(frozen=True, slots=True)
class Needs:
    """In bytes. `states`: weights, gradients, optimizer and the model's copies of the weights. `activations`: what one
    batch keeps until its gradients are there. `logits`: of the learnt tokens of a batch, as if all were learnt.
    `compiled`: what the library that multiplies keeps for itself in the course of a run."""

    states: int
    activations: int
    logits: int
    compiled: int
    disk: int

    @property
    def memory(self) -> int:
        """Altogether, beside what the process has already."""
        return self.of_a_step + self.compiled

    @property
    def of_a_step(self) -> int:
        """What the first step takes already."""
        return self.states + self.activations + self.logits


def estimate_needs(recipe: AnyRecipe, dtype: torch.dtype) -> Needs:
    """Of the longest batch of the longest stage. Activations are counted from what the operations keep for their
    gradients (see `_layer_numbers`); nothing is computed again. Raises `ConfigurationError` for a base that does not
    fit."""
    product = product_of(recipe)
    spec, trained = product.spec, product.num_trained
    batch_tokens = recipe.batch_tokens + recipe.longest_tokens()
    return Needs(
        states=trained * MASTER_BYTES + _copy_bytes(spec, product.num_frozen, dtype),
        activations=batch_tokens * dtype.itemsize * _activation_numbers(recipe, spec, dtype),
        # Scores, their logarithms and their gradient, in float32.
        logits=batch_tokens * spec.vocab_size * 4 * 3,
        compiled=0 if dtype == torch.float32 else COMPILED_BYTES,
        disk=trained * ((KEPT + 1) * CHECKPOINT_BYTES + RESULT_BYTES),
    )


def _copy_bytes(spec: ModelSpec, num_frozen: int, dtype: torch.dtype) -> int:
    """Of a model: joined weights and their gradients, below float32 also the casts and theirs. What is frozen has
    itself and its sum with an adapter, in float32."""
    copies = 2 if dtype == torch.float32 else 4
    return spec.num_parameters * copies * dtype.itemsize + num_frozen * 2 * torch.float32.itemsize


def _activation_numbers(recipe: AnyRecipe, spec: ModelSpec, dtype: torch.dtype) -> int:
    """Numbers per token that stay for the gradients. One layer more stands for the gradients themselves, which are
    there for one layer at a time."""
    layers = [_layer_numbers(recipe, spec, layer, dtype) for layer in range(spec.num_layers)]
    return sum(layers) + max(layers) + 4 * spec.hidden_size


def _layer_numbers(recipe: AnyRecipe, spec: ModelSpec, layer: int, dtype: torch.dtype) -> int:
    """Three for each of two norms over the stream; queries, keys and values as they are made, normalised and turned;
    what was attended; the feed-forward part. Norms compute in float32: below it they keep more bytes, and attention
    keeps its probabilities."""
    queries, keys = spec.num_heads * spec.head_dim, spec.num_kv_heads * spec.head_dim
    is_wide = dtype == torch.float32
    norm_numbers = 3 if is_wide else 5
    probabilities = 0 if is_wide else spec.num_heads * min(recipe.longest_tokens(), EXPLICIT_TOKENS)
    return (
        2 * norm_numbers * spec.hidden_size
        + norm_numbers * (queries + keys)
        + 3 * queries
        + 4 * keys
        + _feed_forward_numbers(spec, layer)
        + probabilities
    )


def _feed_forward_numbers(spec: ModelSpec, layer: int) -> int:
    """Four for each number inside. With experts, that for each of those chosen, the token sent to each, what each makes
    of it, before and after it is weighted, and the router's scores, shares and order."""
    experts = spec.experts_of(layer)
    if experts is None:
        return 4 * spec.intermediate_size
    return experts.num_chosen * (4 * experts.inner_size + 3 * spec.hidden_size) + 4 * experts.num_experts


def check_needs(recipe: AnyRecipe, dtype: torch.dtype, directory: Path) -> Needs:
    """Raises `ConfigurationError` where memory or the disk that `directory` is on cannot hold the run."""
    needs = estimate_needs(recipe, dtype)
    available = available_memory_bytes()
    if needs.memory > available:
        raise ConfigurationError(
            f"recipe {recipe.name!r} needs about {_mebibytes(needs.memory)} of memory (weights and optimizer "
            f"{_mebibytes(needs.states)}, activations of a batch {_mebibytes(needs.activations)}, logits "
            f"{_mebibytes(needs.logits)}, compiled products {_mebibytes(needs.compiled)}) and "
            f"{_mebibytes(available)} are free; {_advice(recipe, needs, available)}"
        )
    free = shutil.disk_usage(_existing(directory)).free
    if needs.disk > free:
        raise ConfigurationError(
            f"recipe {recipe.name!r} writes up to {_mebibytes(needs.disk)} of checkpoints and model, and "
            f"{_mebibytes(free)} are free where {directory} is; choose another --out, or a smaller model"
        )
    return needs


def _advice(recipe: AnyRecipe, needs: Needs, available: int) -> str:
    """Fewer tokens at once where that helps: the step stays as large."""
    per_token = (needs.activations + needs.logits) / (recipe.batch_tokens + recipe.longest_tokens())
    tokens = int((available - needs.states - needs.compiled) / per_token) - recipe.longest_tokens()
    if tokens < 1:
        return "choose a smaller model or shorter documents (max_length_tokens)"
    times = ceil(recipe.batch_tokens / tokens)
    return f"set batch_tokens to at most {tokens} and accumulate {times} times as many batches"


def _existing(directory: Path) -> Path:
    """The directory, or the nearest above it that is there."""
    return next(path for path in (directory.absolute(), *directory.absolute().parents) if path.exists())


def _mebibytes(count: int) -> str:
    return f"{ceil(count / MEBIBYTE):,} MiB"
