"""The tensors of a GGUF file by the names that Hugging Face's checkpoints have for them, rows in their order."""

import re
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from weft.model_specs.config_reader import ConfigReader
from weft.model_specs.gguf_config import ROPE_FACTORS
from weft.weights.gguf_blocks import Blocks
from weft.weights.gguf_file import GgufFile

WHOLE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
TABLE = "model.embed_tokens.weight"
PARTS = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "ffn_gate_inp": "mlp.gate",
}
"""Of a layer: GGUF's names below "blk.N", and those below "model.layers.N"."""
EXPERTS = {"ffn_gate_exps": "gate_proj", "ffn_up_exps": "up_proj", "ffn_down_exps": "down_proj"}
"""All experts of a layer as one tensor, the first dimension being theirs."""
ROTATED = {"attn_q": "attention.head_count", "attn_k": "attention.head_count_kv"}
"""Whose rows files of Llama have in pairs that are rotated, one after the other; and how many heads these have."""
_OF_A_LAYER = re.compile(r"blk\.(\d+)\.(\w+)\.(weight|bias)", re.ASCII)


class _Place(NamedTuple):
    """Where in the file a tensor lies: some rows of one of its tensors, in an order."""

    name: str
    shape: tuple[int, ...]
    rows: Tensor | slice = slice(None)


class GgufTensors:
    """Implements `StoredTensors`. Tensors of a name that is not known keep it.

    Raises `ConfigurationError` where the file cannot be read or is damaged, or has tensors in formats that Weft does
    not read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = GgufFile(path)
        self._places = dict(self._named())

    @property
    def names(self) -> Sequence[str]:
        return list(self._places)

    def shape(self, name: str) -> tuple[int, ...]:
        return self._places[name].shape

    def read(self, name: str) -> Tensor:
        """As stored; of blocks what they stand for, in float32."""
        place = self._places[name]
        return torch.cat(list(self._file.floats(place.name, place.rows))).view(place.shape)

    def read_into(self, name: str, out: Tensor) -> None:
        """Convert the tensor to the format of `out`."""
        place, start = self._places[name], 0
        rows = out.view(-1, place.shape[-1] if len(place.shape) > 1 else 1)
        for some in self._file.floats(place.name, place.rows):
            rows[start : start + len(some)] = some
            start += len(some)

    def blocks(self, name: str) -> Blocks | None:
        """A matrix as it is stored, if that is in blocks that can be packed so."""
        place = self._places[name]
        return self._file.blocks(place.name, place.rows)

    def check_format(self, name: str) -> None:
        """Nothing is left to be found."""

    def packed_bytes(self, float_bytes: int, *, ties_embeddings: bool) -> int:
        """That weights take where blocks are packed as they are, and floats have so many bytes each. Embeddings are
        floats; where they are the head too, and blocks, both."""
        found = 0
        for name, place in self._places.items():
            stored, count = self._file.format(place.name), prod(place.shape)
            is_table = name == TABLE
            if stored.num_bits and (not is_table or ties_embeddings):
                found += count // stored.block_weights * stored.block_bytes
            if is_table or not stored.num_bits:
                found += count * float_bytes
        return found

    def _named(self) -> Iterator[tuple[str, _Place]]:
        for name in self._file.names:
            found = _OF_A_LAYER.fullmatch(name)
            if found is not None:
                yield from self._of_layer(name, *found.groups())
            elif name != ROPE_FACTORS:
                first, _, rest = name.partition(".")
                yield (
                    f"{WHOLE[first]}.{rest}" if first in WHOLE else name,
                    _Place(name, self._file.shape(name)),
                )

    def _of_layer(self, name: str, layer: str, part: str, kind: str) -> Iterator[tuple[str, _Place]]:
        shape, below = self._file.shape(name), f"model.layers.{layer}"
        if part in EXPERTS and len(shape) == 3:
            for expert in range(shape[0]):
                rows = slice(expert * shape[1], (expert + 1) * shape[1])
                yield f"{below}.mlp.experts.{expert}.{EXPERTS[part]}.{kind}", _Place(name, shape[1:], rows)
        elif part in PARTS:
            yield f"{below}.{PARTS[part]}.{kind}", _Place(name, shape, self._order(part, shape))
        else:
            yield name, _Place(name, shape)

    def _order(self, part: str, shape: tuple[int, ...]) -> Tensor | slice:
        """Llama's rows of a head: those of the first halves of pairs, then those of the second ones."""
        metadata = self._file.header.metadata
        architecture = metadata.get("general.architecture")
        if part not in ROTATED or architecture != "llama":
            return slice(None)
        below = ConfigReader(metadata)
        heads = below.size(f"{architecture}.{ROTATED['attn_q']}")
        if part == "attn_k":
            heads = below.size(f"{architecture}.{ROTATED[part]}", heads)
        if shape[0] % (2 * heads):
            return slice(None)  # whoever asks for it will find it of another shape
        return torch.arange(shape[0]).view(heads, -1, 2).transpose(1, 2).flatten()
