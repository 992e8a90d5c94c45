"""A checkpoint of random numbers in the shape of a Llama, for benchmarks that need files."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from weft.weights.random_weights import RandomWeights


class RandomTensors(Mapping[str, Tensor]):
    """The tensors of a Llama, each made as it is asked for; see `RandomWeights`. `config`: as in config.json."""

    def __init__(self, config: Mapping[str, Any], seed: int) -> None:
        self._shapes = llama_shapes(config)
        dtype = getattr(torch, config["dtype"])
        self._weights = RandomWeights(seed, dtype, torch.device("cpu"))

    def __getitem__(self, name: str) -> Tensor:
        return self._weights.read(name, self._shapes[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)


def llama_shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Of all tensors, by name, embeddings not tied."""
    hidden, inner, vocab = config["hidden_size"], config["intermediate_size"], config["vocab_size"]
    shared = hidden // config["num_attention_heads"] * config["num_key_value_heads"]
    layer = {
        "self_attn.q_proj": (hidden, hidden),
        "self_attn.k_proj": (shared, hidden),
        "self_attn.v_proj": (shared, hidden),
        "self_attn.o_proj": (hidden, hidden),
        "mlp.gate_proj": (inner, hidden),
        "mlp.up_proj": (inner, hidden),
        "mlp.down_proj": (hidden, inner),
        "input_layernorm": (hidden,),
        "post_attention_layernorm": (hidden,),
    }
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (vocab, hidden)}
    for number in range(config["num_hidden_layers"]):
        shapes |= {f"model.layers.{number}.{name}.weight": shape for name, shape in layer.items()}
    return shapes | {"model.norm.weight": (hidden,), "lm_head.weight": (vocab, hidden)}
