"""Reading the legacy fp32 format of llama2.c as a Hugging Face Llama.

The file is seven little-endian int32 (the header), then float32 tensors without names in a fixed order, each kind of
layer weight stacked over the layers. It has no magic number: only its length tells whether the header is right.
"""

import struct
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from weft.contracts.errors import ConfigurationError
from weft.weights.finite import is_finite
from weft.weights.messages import clipped, quoted

HEADER = struct.Struct("<7i")
FLOAT_BYTES = 4

# "ak42": how files of llama2.c's later versions begin, and those of others who built on them.
VERSIONED_MAGIC = 0x616B3432

# Fixed in llama2.c: not in the header.
ROPE_THETA = 10000.0
NORM_EPSILON = 1e-5
BOS_TOKEN, EOS_TOKEN = 1, 2


class Llama2cHeader(NamedTuple):
    """The header's values. `vocab` is negative in the file where the classifier is not tied to the embedding."""

    dim: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    vocab: int
    seq: int

    @property
    def is_tied(self) -> bool:
        return self.vocab > 0

    @property
    def kv_dim(self) -> int:
        return self.dim // self.heads * self.kv_heads


class _Section(NamedTuple):
    """Tensors of one kind, one after another in the file. An empty name marks bytes that nobody uses."""

    name: str
    shape: tuple[int, ...]
    repeats: int = 1
    rotary_heads: int = 0

    @property
    def num_bytes(self) -> int:
        """Of one tensor."""
        return FLOAT_BYTES * prod(self.shape)


class _Place(NamedTuple):
    offset: int
    section: _Section


def read_header(path: Path) -> Llama2cHeader:
    """The header, checked in itself and against the file's length; raises `ConfigurationError`."""
    try:
        num_bytes = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(HEADER.size)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {clipped(str(error))}; check the file") from error
    if len(start) < HEADER.size:
        raise ConfigurationError(
            f"{path} has {len(start)} bytes, less than a llama2.c header; download it again"
        )
    header = Llama2cHeader(*HEADER.unpack(start))
    _check_header(path, header)
    needed = HEADER.size + sum(section.repeats * section.num_bytes for section in _sections(header))
    if needed != num_bytes:
        raise ConfigurationError(
            f"{path} has {num_bytes} bytes, but its header ({_shown(header)}) asks for {needed}; "
            "it is truncated, or not in llama2.c's legacy fp32 format"
        )
    return header


def llama2c_config(header: Llama2cHeader) -> dict[str, Any]:
    """The same model as a Hugging Face config.json."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": header.dim,
        "intermediate_size": header.hidden,
        "num_hidden_layers": header.layers,
        "num_attention_heads": header.heads,
        "num_key_value_heads": header.kv_heads,
        "vocab_size": abs(header.vocab),
        "max_position_embeddings": header.seq,
        "rms_norm_eps": NORM_EPSILON,
        "rope_theta": ROPE_THETA,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "bos_token_id": BOS_TOKEN,
        "eos_token_id": EOS_TOKEN,
        "tie_word_embeddings": header.is_tied,
        "torch_dtype": "float32",
    }


class Llama2cTensors(Mapping[str, Tensor]):
    """The file's tensors under Hugging Face names, float32, each read when it is asked for.

    Rows of the query and key projections are put from llama2.c's order, where neighbouring rows are rotated as a pair,
    into Hugging Face's, where a pair is one row of a head's first half and one of its second. Reading raises
    `ConfigurationError` where numbers are not finite.
    """

    def __init__(self, path: Path, header: Llama2cHeader) -> None:
        self.path = path
        self._places = dict(_named_places(header))

    def __getitem__(self, name: str) -> Tensor:
        offset, section = self._places[name]
        tensor = _read_floats(self.path, offset, section)
        if not is_finite(tensor):
            raise ConfigurationError(
                f"{self.path}: tensor {quoted(name)} at byte {offset} holds NaN or infinity; "
                "the file is damaged, or not in llama2.c's legacy fp32 format"
            )
        return half_rotated(tensor, section.rotary_heads) if section.rotary_heads else tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def half_rotated(weight_OI: Tensor, heads: int) -> Tensor:
    """Rows 0, 1, 2, 3, … of each head in the order 0, 2, 4, …, 1, 3, 5, …: both halves of every pair apart."""
    outputs, inputs = weight_OI.shape
    pairs = weight_OI.view(heads, outputs // heads // 2, 2, inputs)
    return pairs.transpose(1, 2).reshape(outputs, inputs)


def _check_header(path: Path, header: Llama2cHeader) -> None:
    if header.dim == VERSIONED_MAGIC:
        raise ConfigurationError(
            f"{path} is a versioned llama2.c file (it begins with 'ak42', version {header.hidden}); "
            "Weft reads only the legacy fp32 format, which has no version: export the model in that"
        )
    wrong = next((problem for is_wrong, problem in _problems(header) if is_wrong), None)
    if wrong:
        raise ConfigurationError(
            f"{path} is not in llama2.c's legacy fp32 format: {wrong} in the header {_shown(header)}; check the file"
        )


def _problems(header: Llama2cHeader) -> Iterator[tuple[bool, str]]:
    """Lazily, because later checks divide by what earlier ones make sure of."""
    for name, value in header._asdict().items():
        yield (value == 0 if name == "vocab" else value < 1), f"{name}={value}"
    yield header.dim % header.heads != 0, f"dim={header.dim} is no multiple of heads={header.heads}"
    yield header.dim // header.heads % 2 != 0, f"odd head size {header.dim // header.heads}"
    yield (
        header.heads % header.kv_heads != 0,
        f"heads={header.heads} is no multiple of kv_heads={header.kv_heads}",
    )


def _shown(header: Llama2cHeader) -> str:
    return ", ".join(f"{name}={value}" for name, value in header._asdict().items())


def _sections(header: Llama2cHeader) -> list[_Section]:
    """What follows the header, in the order of the file; "{}" in a name is the layer."""
    dim, hidden, layers, kv_dim = header.dim, header.hidden, header.layers, header.kv_dim
    vocab = abs(header.vocab)
    attention, mlp = "model.layers.{}.self_attn", "model.layers.{}.mlp"
    sections = [
        _Section("model.embed_tokens.weight", (vocab, dim)),
        _Section("model.layers.{}.input_layernorm.weight", (dim,), layers),
        _Section(f"{attention}.q_proj.weight", (dim, dim), layers, rotary_heads=header.heads),
        _Section(f"{attention}.k_proj.weight", (kv_dim, dim), layers, rotary_heads=header.kv_heads),
        _Section(f"{attention}.v_proj.weight", (kv_dim, dim), layers),
        _Section(f"{attention}.o_proj.weight", (dim, dim), layers),
        _Section("model.layers.{}.post_attention_layernorm.weight", (dim,), layers),
        _Section(f"{mlp}.gate_proj.weight", (hidden, dim), layers),
        _Section(f"{mlp}.down_proj.weight", (dim, hidden), layers),
        _Section(f"{mlp}.up_proj.weight", (hidden, dim), layers),
        _Section("model.norm.weight", (dim,)),
        # Tables of the rotary embedding, cosines and sines; llama2.c itself computes them anew.
        _Section("", (header.seq, dim // header.heads // 2), 2),
    ]
    return sections if header.is_tied else [*sections, _Section("lm_head.weight", (vocab, dim))]


def _named_places(header: Llama2cHeader) -> Iterator[tuple[str, _Place]]:
    offset = HEADER.size
    for section in _sections(header):
        for layer in range(section.repeats):
            if section.name:
                yield section.name.format(layer), _Place(offset, section)
            offset += section.num_bytes


def _read_floats(path: Path, offset: int, section: _Section) -> Tensor:
    data = bytearray(section.num_bytes)
    try:
        with path.open("rb") as file:
            file.seek(offset)
            read = file.readinto(data)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {clipped(str(error))}; check the file") from error
    if read != len(data):
        raise ConfigurationError(
            f"{path} ended early: {read} of {len(data)} bytes at byte {offset}; copy it again"
        )
    return torch.frombuffer(data, dtype=torch.float32).view(section.shape)
