"""The model that all peers serve: random weights of a stated shape, with a tokenizer that the converters can read."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weft.contracts.errors import ConfigurationError
from weft.measurement.bench_model import RANDOM_MODEL, WEIGHTS_SEED

if TYPE_CHECKING:
    from torch import Tensor

SPECIAL = ("<unk>", "<s>", "</s>")
FIRST_TOKEN = 300
"""Smaller ones may mean something to a peer."""


def random_model(root: Path, config: Mapping[str, Any] = RANDOM_MODEL) -> Path:
    """The directory with the checkpoint, made where it is not there yet. Raises `ConfigurationError` where it cannot be
    written, and for a directory that holds another model."""
    from weft.weights.save import save_checkpoint

    directory = root / "model"
    if directory.exists():
        found = json.loads((directory / "config.json").read_bytes())
        if found != dict(config):
            raise ConfigurationError(f"{directory} holds another model; name another directory")
        return directory
    root.mkdir(parents=True, exist_ok=True)
    files = _tokenizer(root, config["vocab_size"])
    save_checkpoint(directory, config, RandomTensors(config), other_files=files)
    for path in files.values():
        path.unlink()
    return directory


class RandomTensors(Mapping[str, "Tensor"]):
    """The tensors of a Llama, each made as it is asked for; the numbers are those of `weft bench latency`."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        import torch

        from weft.weights.random_weights import RandomWeights

        self._shapes = llama_shapes(config)
        dtype = getattr(torch, config["dtype"])
        self._weights = RandomWeights(WEIGHTS_SEED, dtype, torch.device("cpu"))

    def __getitem__(self, name: str) -> "Tensor":
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


def _tokenizer(root: Path, vocab_size: int) -> dict[str, Path]:
    """Of words that are called after their numbers."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    names = [*SPECIAL, *(f"t{number}" for number in range(len(SPECIAL), vocab_size))]
    tokenizer = Tokenizer(
        WordLevel({name: number for number, name in enumerate(names)}, unk_token=SPECIAL[0])
    )
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.save(str(root / ".tokenizer.json"))
    settings = dict(zip(("unk_token", "bos_token", "eos_token"), SPECIAL, strict=True))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 8192, **settings}
    (root / ".tokenizer_config.json").write_text(json.dumps(config, indent=2))
    return {name: root / f".{name}" for name in ("tokenizer.json", "tokenizer_config.json")}
