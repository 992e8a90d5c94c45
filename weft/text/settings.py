"""What stands beside a tokenizer: tokenizer_config.json, special_tokens_map.json and added_tokens.json."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from weft.contracts.errors import ConfigurationError
from weft.text.files import read_object_if_there

SPECIAL_NAMES = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")
"""The special tokens that have a role, as Hugging Face's files name them."""

_CONFIG = "tokenizer_config.json"
_EXTRA = ("additional_special_tokens", "extra_special_tokens")


@dataclass(frozen=True, slots=True)
class AddedToken:
    """A token beside the model's own vocabulary, found in a text before anything else.

    `special`: carries no text of its own and is left out of it unless asked for. `lstrip`, `rstrip`: takes the
    white space before, after it along. `single_word`: not found inside a word. `normalized`: sought in the
    normalised text.
    """

    token_id: int
    text: str
    special: bool = False
    lstrip: bool = False
    rstrip: bool = False
    single_word: bool = False
    normalized: bool = False


@dataclass(frozen=True, slots=True)
class TokenizerSettings:
    """The settings that Weft honours.

    `special_tokens`: by role (SPECIAL_NAMES), those that there are. `extra_special`: further special tokens.
    `add_bos`, `add_eos`: whether an encoded text begins, ends with that token; None leaves it to the
    tokenizer. `added_tokens`: in order of id. `tokenizer_class`: the name of Hugging Face's class. `legacy`: a
    SentencePiece tokenizer puts a space before each part of a text between added tokens that has none, not only
    before the first part.
    """

    special_tokens: Mapping[str, str] = field(default_factory=dict)
    extra_special: tuple[str, ...] = ()
    add_bos: bool | None = None
    add_eos: bool | None = None
    added_tokens: tuple[AddedToken, ...] = ()
    tokenizer_class: str | None = None
    legacy: bool = False


def read_settings(folder: Path) -> TokenizerSettings:
    """The settings in this folder; files that are not there say nothing, and tokenizer_config.json wins.

    Raises ConfigurationError where a file is corrupt or a setting has the wrong type.
    """
    config = read_object_if_there(folder / _CONFIG, "a tokenizer's configuration")
    special_map = read_object_if_there(folder / "special_tokens_map.json", "a map of special tokens")
    known = _Known(folder / _CONFIG, special_map | config)
    tokenizer_class = known.values.get("tokenizer_class")
    return TokenizerSettings(
        special_tokens=known.special_tokens(),
        extra_special=tuple(known.extra_special()),
        add_bos=known.flag("add_bos_token"),
        add_eos=known.flag("add_eos_token"),
        added_tokens=_added_tokens(folder, known),
        tokenizer_class=tokenizer_class if isinstance(tokenizer_class, str) else None,
        legacy=known.flag("legacy") or False,
    )


def _added_tokens(folder: Path, known: "_Known") -> tuple[AddedToken, ...]:
    path = folder / "added_tokens.json"
    plain = read_object_if_there(path, "a map of added tokens")
    tokens = {token.token_id: token for token in _plain_added_tokens(path, plain)}
    tokens |= {token.token_id: token for token in known.added_tokens()}
    return tuple(tokens[token_id] for token_id in sorted(tokens))


def _plain_added_tokens(path: Path, ids: Mapping[str, object]) -> Iterator[AddedToken]:
    for text, token_id in ids.items():
        if not isinstance(token_id, int) or isinstance(token_id, bool) or token_id < 0 or not text:
            raise ConfigurationError(f"{path}: {text!r} has the id {token_id!r}; give it a whole number")
        yield AddedToken(token_id, text)


class _Known:
    """Reads single settings, and complains about the file that has them."""

    def __init__(self, path: Path, values: Mapping[str, object]) -> None:
        self._path, self.values = path, values

    def flag(self, name: str) -> bool | None:
        value = self.values.get(name)
        if value is None or isinstance(value, bool):
            return value
        raise self._wrong(name, value, "true, false or null")

    def special_tokens(self) -> dict[str, str]:
        texts = {name: self._text(name, self.values.get(name)) for name in SPECIAL_NAMES}
        return {name: text for name, text in texts.items() if text is not None}

    def extra_special(self) -> Iterator[str]:
        for name in _EXTRA:
            value = self.values.get(name) or []
            tokens = list(value.values()) if isinstance(value, dict) else value
            if not isinstance(tokens, list):
                raise self._wrong(name, value, "a list of tokens")
            yield from (text for token in tokens if (text := self._text(name, token)) is not None)

    def added_tokens(self) -> Iterator[AddedToken]:
        name = "added_tokens_decoder"
        tokens = self.values.get(name) or {}
        if not isinstance(tokens, dict):
            raise self._wrong(name, tokens, "an object from token ids to tokens")
        for key, token in tokens.items():
            yield self._added_token(f"{name}[{key!r}]", key, token)

    def _added_token(self, name: str, key: str, token: object) -> AddedToken:
        if not key.isascii() or not key.isdigit() or len(key) > 9:
            raise self._wrong(name, key, "under a token id")
        text = self._text(name, token)
        if text is None or not isinstance(token, dict):
            raise self._wrong(name, token, 'an object with a "content"')
        marks = ("special", "lstrip", "rstrip", "single_word", "normalized")
        return AddedToken(int(key), text, **{mark: token.get(mark) is True for mark in marks})

    def _text(self, name: str, token: object) -> str | None:
        """A token is written as its text or as an object with a "content"."""
        text = token.get("content") if isinstance(token, dict) else token
        if text is None or (isinstance(text, str) and text):
            return text
        raise self._wrong(name, token, 'a text, or an object with a "content", that is not empty')

    def _wrong(self, name: str, value: object, allowed: str) -> ConfigurationError:
        return ConfigurationError(f"{self._path}: {name} is {str(value)[:80]!r}; it must be {allowed}")
