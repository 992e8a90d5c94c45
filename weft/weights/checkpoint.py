"""Weights from a Hugging Face checkpoint in the safetensors format."""

import difflib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from weft.contracts.errors import ConfigurationError
from weft.weights.checkpoint_files import open_checkpoint
from weft.weights.finite import is_finite
from weft.weights.gguf_blocks import Blocks
from weft.weights.messages import first_few, quoted
from weft.weights.source import WeightSource
from weft.weights.tensor_file import StoredTensors

# Buffers that old versions of transformers stored and that follow from the config.
DERIVED = ".rotary_emb.inv_freq"

# Which values of config.json decide a tensor's shape, by a part of its name.
SIZES = (
    (("embed_tokens", "lm_head"), "vocab_size and hidden_size"),
    (("q_norm", "k_norm"), "head_dim"),
    (("q_proj", "o_proj"), "num_attention_heads, head_dim and hidden_size"),
    (("k_proj", "v_proj"), "num_key_value_heads, head_dim and hidden_size"),
    (("mlp.experts.",), "moe_intermediate_size and hidden_size"),
    (("mlp.gate.",), "num_experts and hidden_size"),
    (("gate_proj", "up_proj", "down_proj"), "intermediate_size and hidden_size"),
    (("norm",), "hidden_size"),
)


class CheckpointWeights(WeightSource):
    """Weights of a directory with model.safetensors, or with model.safetensors.index.json and its shards; or of a GGUF
    file.

    Files are mapped into memory and tensors copied out one at a time, converted to `dtype` on `device`: at its
    peak, memory holds what was read plus one tensor, and nothing refers to the files afterwards. Names are the
    checkpoint's; where all of them lack the first part of what the model asks for ("model."), it is left away.
    Raises `ConfigurationError` where the files are missing, damaged or contradict each other.
    """

    def __init__(self, path: Path, dtype: torch.dtype, device: torch.device) -> None:
        if device.type == "meta":
            raise ConfigurationError(
                "a checkpoint cannot be read onto the meta device; use MetaWeights there"
            )
        self.path = path
        self.dtype = dtype
        self.device = device
        self._files = open_checkpoint(path)
        self._first_parts = {name.partition(".")[0] for name in self._files}
        self._unread = dict.fromkeys(self._files)

    def read(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """The tensor of that name, in memory of its own.

        Raises `ConfigurationError` where it is missing, of another shape, stored in a format other than fp32, fp16
        and bf16, or holds a NaN or an infinity (also one that only the conversion made).
        """
        tensor = torch.empty(shape, dtype=self.dtype, device=self.device)
        self.read_into(name, tensor)
        return tensor

    def read_into(self, name: str, out: Tensor) -> None:
        """Convert the tensor of that name to the format of `out`. Raises as `read` does."""
        file, stored_name = self._found(name, tuple(out.shape))
        file.read_into(stored_name, out)
        if not is_finite(out):
            raise ConfigurationError(_not_finite(file, stored_name, out.dtype))
        self._unread.pop(stored_name, None)

    def blocks(self, name: str, shape: tuple[int, int]) -> Blocks | None:
        """See `WeightSource`. Raises `ConfigurationError` where the tensor is missing or of another shape."""
        file, stored_name = self._found(name, shape)
        blocks = file.blocks(stored_name)
        if blocks is not None:
            self._unread.pop(stored_name, None)
        return blocks

    def finish(self, tied: Mapping[str, str] | None = None) -> None:
        """Raises `ConfigurationError` where tensors were left over, or tied ones are stored and differ."""
        for name, twin in (tied or {}).items():
            self._finish_tied(name, twin)
        left = [name for name in self._unread if not name.endswith(DERIVED)]
        if left:
            raise ConfigurationError(
                f"{self.path} holds {len(left)} tensors that the model does not use: {first_few(left)}; "
                "check that config.json belongs to these weights (model_type, num_hidden_layers, biases)"
            )

    def _found(self, name: str, shape: tuple[int, ...]) -> tuple[StoredTensors, str]:
        """The file that holds a tensor of that shape, and its name there."""
        stored_name = self._stored_name(name)
        if stored_name is None:
            raise ConfigurationError(self._missing(name))
        file = self._files[stored_name]
        _check_shape(file, stored_name, shape)
        return file, stored_name

    def _stored_name(self, name: str) -> str | None:
        """What the checkpoint calls a tensor, or None where it has none of that name."""
        if name in self._files:
            return name
        first, _, rest = name.partition(".")
        return rest if rest in self._files and first not in self._first_parts else None

    def _missing(self, name: str) -> str:
        near = difflib.get_close_matches(name, self._files, n=3)
        nearest = f"the nearest names are {first_few(near)}; " if near else ""
        return (
            f"{self.path} holds no tensor {quoted(name)}; {nearest}"
            "check that config.json (model_type, num_hidden_layers, tie_word_embeddings) belongs to these weights"
        )

    def _finish_tied(self, name: str, twin: str) -> None:
        stored_name, stored_twin = self._stored_name(name), self._stored_name(twin)
        if stored_name not in self._unread or stored_twin is None:
            return
        one, other = self._files[stored_name].read(stored_name), self._files[stored_twin].read(stored_twin)
        if one.dtype != other.dtype or not torch.equal(one, other):
            raise ConfigurationError(
                f"{self.path}: {quoted(stored_name)} differs from {quoted(stored_twin)}, although the model ties "
                "them; set tie_word_embeddings to false in config.json"
            )
        del self._unread[stored_name]


class CheckpointHeaders(CheckpointWeights):
    """The same checkpoint by its headers alone: tensors on the meta device, nothing but names, shapes and stored
    formats checked. What it accepts can still hold a NaN, or tied tensors that differ."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, torch.float32, torch.device("cpu"))
        self.device = torch.device("meta")

    def read_into(self, name: str, out: Tensor) -> None:
        """Nothing is put there. Raises `ConfigurationError` as for weights that are read."""
        file, stored_name = self._found(name, tuple(out.shape))
        file.check_format(stored_name)
        self._unread.pop(stored_name, None)

    def _finish_tied(self, name: str, twin: str) -> None:
        self._unread.pop(self._stored_name(name) or name, None)


def _check_shape(file: StoredTensors, name: str, shape: tuple[int, ...]) -> None:
    found = file.shape(name)
    if found != tuple(shape):
        sizes = next((sizes for parts, sizes in SIZES if any(part in name for part in parts)), "its sizes")
        raise ConfigurationError(
            f"{file.path}: tensor {quoted(name)} has shape {list(found)}, but config.json asks for {list(shape)}; "
            f"check {sizes} in config.json"
        )


def _not_finite(file: StoredTensors, name: str, dtype: torch.dtype) -> str:
    stored = file.read(name)
    if is_finite(stored):
        largest = stored.abs().max().item()
        return (
            f"{file.path}: tensor {quoted(name)} holds {largest:g}, which does not fit into {dtype}; "
            "load it as bfloat16 or float32"
        )
    return f"{file.path}: tensor {quoted(name)} holds NaN or infinity; the checkpoint is broken: get another copy"
