"""Small llama2.c files, and what such a model computes, written from the format's description alone."""

import struct
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

# Names in the order of the file. The two tables of the rotary embedding, which nobody reads, follow `norm`.
LAYER_KINDS = ("attention_norm", "wq", "wk", "wv", "wo", "mlp_norm", "w1", "w2", "w3")


@dataclass(frozen=True)
class Sizes:
    dim: int = 16
    hidden: int = 24
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    vocab: int = 11
    seq: int = 8

    @property
    def head(self) -> int:
        return self.dim // self.heads


@dataclass(frozen=True)
class RandomModel:
    """Weights as they lie in a file: `layers[kind]` is stacked over the layers."""

    sizes: Sizes
    is_tied: bool
    embedding: Tensor
    layers: dict[str, Tensor]
    norm: Tensor
    classifier: Tensor
    tables: Tensor = field(repr=False)

    def to_bytes(self) -> bytes:
        sizes = self.sizes
        vocab = sizes.vocab if self.is_tied else -sizes.vocab
        head = struct.pack(
            "<7i", sizes.dim, sizes.hidden, sizes.layers, sizes.heads, sizes.kv_heads, vocab, sizes.seq
        )
        parts = [self.embedding, *(self.layers[kind] for kind in LAYER_KINDS), self.norm, self.tables]
        parts += [] if self.is_tied else [self.classifier]
        return head + b"".join(_floats(part) for part in parts)

    def write(self, directory: Path) -> Path:
        path = directory / "model.bin"
        path.write_bytes(self.to_bytes())
        return path


def random_model(*, is_tied: bool, sizes: Sizes | None = None) -> RandomModel:
    """Numbers large enough that positions matter, and norms that are not ones."""
    sizes = sizes or Sizes()
    stream = torch.Generator().manual_seed(11)
    dim, kv, hidden, layers = sizes.dim, sizes.kv_heads * sizes.head, sizes.hidden, sizes.layers

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=stream) * 0.5

    shapes = [
        (dim,),
        (dim, dim),
        (kv, dim),
        (kv, dim),
        (dim, dim),
        (dim,),
        (hidden, dim),
        (dim, hidden),
        (hidden, dim),
    ]
    stacked = {kind: draw(layers, *shape) for kind, shape in zip(LAYER_KINDS, shapes, strict=True)}
    embedding = draw(sizes.vocab, dim)
    classifier = embedding if is_tied else draw(sizes.vocab, dim)
    tables = torch.zeros(2, sizes.seq, sizes.head // 2)
    return RandomModel(sizes, is_tied, embedding, stacked, draw(dim), classifier, tables)


def logits(model: RandomModel, tokens: list[int]) -> Tensor:
    """Logits at every position, in float64: one position at a time, one head at a time, pairs of neighbours rotated."""
    weights = {kind: stacked.double() for kind, stacked in model.layers.items()}
    x_TD = model.embedding.double()[tokens]
    for layer in range(model.sizes.layers):
        of_layer = {kind: stacked[layer] for kind, stacked in weights.items()}
        x_TD = x_TD + _attention(model.sizes, of_layer, _normed(x_TD, of_layer["attention_norm"]))
        h_TD = _normed(x_TD, of_layer["mlp_norm"])
        gate_TH, up_TH = h_TD @ of_layer["w1"].T, h_TD @ of_layer["w3"].T
        x_TD = x_TD + (gate_TH * torch.sigmoid(gate_TH) * up_TH) @ of_layer["w2"].T
    return _normed(x_TD, model.norm.double()) @ model.classifier.double().T


def _attention(sizes: Sizes, weights: dict[str, Tensor], h_TD: Tensor) -> Tensor:
    num_tokens, head = len(h_TD), sizes.head
    q_THD = (h_TD @ weights["wq"].T).view(num_tokens, sizes.heads, head)
    k_TKD = (h_TD @ weights["wk"].T).view(num_tokens, sizes.kv_heads, head)
    v_TKD = (h_TD @ weights["wv"].T).view(num_tokens, sizes.kv_heads, head)
    out_THD = torch.zeros_like(q_THD)
    for now in range(num_tokens):
        for query in range(sizes.heads):
            group = query // (sizes.heads // sizes.kv_heads)
            q_D = _rotated(q_THD[now, query], now)
            scores = torch.stack([q_D @ _rotated(k_TKD[past, group], past) for past in range(now + 1)])
            out_THD[now, query] = torch.softmax(scores / head**0.5, 0) @ v_TKD[: now + 1, group]
    return out_THD.reshape(num_tokens, -1) @ weights["wo"].T


def _rotated(x_D: Tensor, position: int) -> Tensor:
    """Numbers 2i and 2i + 1 turned by the angle position / 10000^(2i / head)."""
    size = len(x_D)
    angles = position / 10000.0 ** (torch.arange(0, size, 2).double() / size)
    cos, sin = torch.cos(angles), torch.sin(angles)
    even, odd = x_D[0::2], x_D[1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], 1).flatten()


def _normed(x_TD: Tensor, weight_D: Tensor) -> Tensor:
    return x_TD / torch.sqrt((x_TD**2).mean(-1, keepdim=True) + 1e-5) * weight_D


def _floats(tensor: Tensor) -> bytes:
    values = tensor.flatten().tolist()
    return struct.pack(f"<{len(values)}f", *values)
