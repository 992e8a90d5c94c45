"""Finds and reads a model's tokenizer."""

from pathlib import Path

from weft.contracts.errors import ConfigurationError
from weft.model_specs.gguf_header import is_gguf
from weft.text.byte_level_bpe import load_byte_level_bpe
from weft.text.gguf_tokenizer import load_gguf_tokenizer
from weft.text.huggingface_tokenizer import load_tokenizer_json
from weft.text.sentencepiece_tokenizer import load_sentencepiece
from weft.text.settings import read_settings
from weft.text.tokenizer import Tokenizer


def find_tokenizer(path: Path) -> Tokenizer | None:
    """The tokenizer in a folder, or None where there is none: then prompts can still be token ids.

    Looks for tokenizer.json, tokenizer.model, and vocab.json with merges.txt, in this order. `path` may also be
    a file, tokenizer.json or *.model, whose settings are read from its folder, or a GGUF file. Raises
    ConfigurationError where there is no such path or a file is corrupt.
    """
    if path.is_dir():
        return _find_in_folder(path)
    if not path.is_file():
        raise ConfigurationError(
            f"there is no tokenizer at {path}; name a folder, a tokenizer.json, a *.model or a *.gguf"
        )
    if is_gguf(path):
        return load_gguf_tokenizer(path)
    if path.suffix == ".json":
        return load_tokenizer_json(path, read_settings(path.parent))
    if path.suffix == ".model":
        return load_sentencepiece(path, read_settings(path.parent))
    raise ConfigurationError(
        f"{path} is no tokenizer; name a folder, a tokenizer.json, a *.model or a *.gguf"
    )


def load_tokenizer(path: Path) -> Tokenizer:
    """As `find_tokenizer`, but raises ConfigurationError where there is no tokenizer."""
    tokenizer = find_tokenizer(path)
    if tokenizer is None:
        raise missing_tokenizer(path)
    return tokenizer


def missing_tokenizer(path: Path) -> ConfigurationError:
    """What to raise where text needs a tokenizer and the model in this folder has none."""
    return ConfigurationError(
        f"{path} has no tokenizer (looked for tokenizer.json, tokenizer.model, vocab.json with merges.txt); "
        "give token ids, or name one with --tokenizer PATH"
    )


def _find_in_folder(folder: Path) -> Tokenizer | None:
    if (folder / "tokenizer.json").is_file():
        return load_tokenizer_json(folder / "tokenizer.json", read_settings(folder))
    if (folder / "tokenizer.model").is_file():
        return load_sentencepiece(folder / "tokenizer.model", read_settings(folder))
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return load_byte_level_bpe(folder, read_settings(folder))
    return None
