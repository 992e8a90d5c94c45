"""The model that all peers serve: random weights of a stated shape, with a tokenizer that the converters can read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weft.contracts.errors import ConfigurationError
from weft.measurement.bench_model import RANDOM_MODEL, WEIGHTS_SEED

SPECIAL = ("<unk>", "<s>", "</s>")
FIRST_TOKEN = 300
"""Smaller ones may mean something to a peer."""


def random_model(root: Path, config: Mapping[str, Any] = RANDOM_MODEL) -> Path:
    """The directory with the checkpoint, made where it is not there yet. Raises `ConfigurationError` where it cannot be
    written, and for a directory that holds another model."""
    from weft.weights.random_llama import RandomTensors
    from weft.weights.save import save_checkpoint

    directory = root / "model"
    if directory.exists():
        found = json.loads((directory / "config.json").read_bytes())
        if found != dict(config):
            raise ConfigurationError(f"{directory} holds another model; name another directory")
        return directory
    root.mkdir(parents=True, exist_ok=True)
    files = _tokenizer(root, config["vocab_size"])
    save_checkpoint(directory, config, RandomTensors(config, WEIGHTS_SEED), other_files=files)
    for path in files.values():
        path.unlink()
    return directory


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
