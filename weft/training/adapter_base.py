"""The model that an adapter is for."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import tokenizers
import torch

from weft.contracts.errors import ConfigurationError
from weft.model_specs.families import read_spec
from weft.model_specs.model_spec import ModelSpec
from weft.training.adapter_recipe import AdapterRecipe
from weft.training.text.documents import SPECIAL_TOKENS
from weft.weights.checkpoint import CheckpointWeights
from weft.weights.messages import clipped
from weft.weights.save import CONFIG_FILE

TOKENIZER_FILE = "tokenizer.json"


@dataclass(frozen=True, slots=True)
class Base:
    """A model as a directory, with the tokenizer that its adapters use too."""

    directory: Path
    spec: ModelSpec
    tokenizer: tokenizers.Tokenizer

    @classmethod
    def of(cls, recipe: AdapterRecipe) -> "Base":
        """The one that a recipe names. Raises `ConfigurationError` where there is none, or one that does not fit."""
        directory = base_directory(recipe)
        base = cls(directory, read_spec(directory), _read_tokenizer(directory / TOKENIZER_FILE))
        base._check_fits(recipe)
        return base

    def weights(self) -> CheckpointWeights:
        """As they are stored, in float32."""
        return CheckpointWeights(self.directory, torch.float32, torch.device("cpu"))

    def _check_fits(self, recipe: AdapterRecipe) -> None:
        missing = [token for token in SPECIAL_TOKENS if self.tokenizer.token_to_id(token) is None]
        if missing:
            raise ConfigurationError(
                f"the tokenizer of {self.directory} has no {', '.join(missing)}, which the texts of recipe "
                f"{recipe.name!r} are made with; name a base that `weft train` made"
            )
        if self.tokenizer.get_vocab_size() > self.spec.vocab_size:
            raise ConfigurationError(
                f"the tokenizer of {self.directory} has {self.tokenizer.get_vocab_size()} entries and the model "
                f"{self.spec.vocab_size}; they do not belong together, so name another base"
            )
        if self.spec.max_length_tokens < recipe.context_tokens:
            raise ConfigurationError(
                f"{self.directory} was made for {self.spec.max_length_tokens} tokens, and recipe {recipe.name!r} has "
                f"a context of {recipe.context_tokens}; name a longer base, or lower context_tokens"
            )


def base_directory(recipe: AdapterRecipe) -> Path:
    """Raises `ConfigurationError` where none is named."""
    if recipe.base is None:
        raise ConfigurationError(
            f"recipe {recipe.name!r} makes an adapter; name the directory of the model that it is for with --base"
        )
    return recipe.base


def digest(directory: Path) -> str:
    """Of weights, config and tokenizer: an adapter is for these and no others."""
    found = hashlib.blake2b(digest_size=8)
    weights = sorted(directory.glob("*.safetensors"))
    for path in (*weights, directory / CONFIG_FILE, directory / TOKENIZER_FILE):
        try:
            with path.open("rb") as file:
                found.update(hashlib.file_digest(file, "blake2b").digest())
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror}; check the base") from error
    return found.hexdigest()


def _read_tokenizer(path: Path) -> tokenizers.Tokenizer:
    try:
        return tokenizers.Tokenizer.from_str(path.read_text(encoding="utf-8"))
    # The library raises plain exceptions.
    except Exception as error:
        raise ConfigurationError(
            f"{path} cannot be read ({clipped(str(error))}); name a base with a tokenizer of its own"
        ) from error
