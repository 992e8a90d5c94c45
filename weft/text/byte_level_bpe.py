"""Byte-level BPE from vocab.json and merges.txt, for models that come without a tokenizer.json.

The two files do not say how a text is cut into words before merging; the tokenizer's class does.
"""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import tokenizers
from tokenizers import models

from weft.contracts.errors import ConfigurationError
from weft.text.files import read_object, read_text, reading
from weft.text.huggingface_tokenizer import HuggingFaceTokenizer
from weft.text.settings import AddedToken, TokenizerSettings
from weft.text.word_rules import GPT2, QWEN2, WordRules, prepare


class _Family(NamedTuple):
    """`special`: the special tokens of a folder that names none."""

    rules: WordRules
    special: dict[str, str]


_END = "<|endoftext|>"
_GPT2 = _Family(GPT2, {"bos_token": _END, "eos_token": _END, "unk_token": _END})
_QWEN2 = _Family(QWEN2, {"eos_token": _END, "pad_token": _END})

_FAMILIES = {"GPT2Tokenizer": _GPT2, "CodeGenTokenizer": _GPT2, "Qwen2Tokenizer": _QWEN2}


def load_byte_level_bpe(folder: Path, settings: TokenizerSettings) -> HuggingFaceTokenizer:
    """Reads vocab.json and merges.txt in this folder. Without a tokenizer_class in the settings, text is cut as
    GPT-2 does. Raises ConfigurationError where a file is corrupt or the class is another one."""
    family = _family(folder, settings.tokenizer_class)
    vocabulary = _read_vocabulary(folder / "vocab.json")
    merges = _read_merges(folder / "merges.txt")
    with reading(folder / "merges.txt", "a list of merges of the tokens in vocab.json"):
        backend = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    prepare(backend, family.rules)
    settings = _with_defaults(settings, family, vocabulary)
    _add_tokens(backend, settings, folder)
    return HuggingFaceTokenizer(backend, settings, folder / "vocab.json")


def _family(folder: Path, name: str | None) -> _Family:
    family = _GPT2 if name is None else _FAMILIES.get(name.removesuffix("Fast"))
    if family is None:
        raise ConfigurationError(
            f"{folder} has vocab.json and merges.txt of a {name}, of which Weft knows {', '.join(_FAMILIES)}; "
            "give it a tokenizer.json, which any class can be saved as"
        )
    return family


def _read_vocabulary(path: Path) -> dict[str, int]:
    vocabulary: dict[str, int] = {}
    for token, token_id in read_object(path, "a vocabulary").items():
        if not isinstance(token_id, int) or isinstance(token_id, bool) or not 0 <= token_id < 2**31:
            raise ConfigurationError(f"{path}: {token!r} has the id {token_id!r}; give it a whole number")
        vocabulary[token] = token_id
    return vocabulary


def _read_merges(path: Path) -> list[tuple[str, str]]:
    lines = read_text(path, "a list of merges").split("\n")
    has_header = lines[0].startswith("#version")
    return [
        _merge(path, number, line)
        for number, line in enumerate(lines, 1)
        if line.strip() and not (has_header and number == 1)
    ]


def _merge(path: Path, number: int, line: str) -> tuple[str, str]:
    left, space, right = line.rstrip("\r").partition(" ")
    if not left or not space or not right or " " in right:
        raise ConfigurationError(f"{path}, line {number}: {line[:60]!r} is no merge; write two tokens")
    return left, right


def _with_defaults(
    settings: TokenizerSettings, family: _Family, vocabulary: dict[str, int]
) -> TokenizerSettings:
    if settings.special_tokens or _END not in vocabulary:
        return settings
    return replace(settings, special_tokens=family.special)


def _add_tokens(backend: tokenizers.Tokenizer, settings: TokenizerSettings, folder: Path) -> None:
    """The library gives a new token the next free id, so each must come out as the one it has."""
    named = [*settings.special_tokens.values(), *settings.extra_special]
    special = [text for text in named if backend.token_to_id(text) is not None]
    backend.add_special_tokens(special)
    for token in settings.added_tokens:
        backend.add_tokens([_library_token(token, token.special or token.text in named)])
        if backend.token_to_id(token.text) != token.token_id:
            raise ConfigurationError(
                f"{folder}: the added token {token.text!r} cannot have the id {token.token_id}, which does not "
                "follow on vocab.json; give the model a tokenizer.json"
            )


def _library_token(token: AddedToken, special: bool) -> tokenizers.AddedToken:
    return tokenizers.AddedToken(
        token.text,
        special=special,
        lstrip=token.lstrip,
        rstrip=token.rstrip,
        single_word=token.single_word,
        normalized=token.normalized,
    )
