"""The tokenizer that a GGUF file has in its metadata."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import tokenizers

from weft.contracts.errors import ConfigurationError
from weft.model_specs.config_reader import is_integer, is_number, show
from weft.model_specs.gguf_header import Value, open_gguf
from weft.text.files import reading
from weft.text.gguf_sentencepiece import Piece, sentencepiece_model
from weft.text.huggingface_tokenizer import HuggingFaceTokenizer
from weft.text.sentencepiece_tokenizer import SentencePieceTokenizer
from weft.text.settings import AddedToken, TokenizerSettings
from weft.text.tokenizer import Tokenizer
from weft.text.word_rules import GPT2, LLAMA3, QWEN2, SMOLLM, WordRules, prepare

WHOLE = "tokenizer.huggingface.json"
"""A tokenizer.json as it is, where a file has one."""
TEMPLATE = "tokenizer.chat_template"
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""Types of tokens, as SentencePiece counts them."""
WORDS: Mapping[str, WordRules] = {
    **dict.fromkeys(("gpt-2", "phi-2", "gigachat", "mellum", "exaone4", "a.x-4.0"), GPT2),
    **dict.fromkeys(("llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral", "lfm2"), LLAMA3),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen", "megrez", "kormo"), QWEN2),
    "smollm": SMOLLM,
}
"""How a text is cut into words before merging, by tokenizer.ggml.pre."""


class _Vocabulary(NamedTuple):
    """`kinds`: of each token. `special`: the texts of those with a role, by Hugging Face's names of these."""

    tokens: list[str]
    kinds: list[int]
    special: dict[str, str]


def load_gguf_tokenizer(path: Path) -> Tokenizer | None:
    """None where the file has none. Raises `ConfigurationError` for one that is damaged or of a kind that Weft does not
    know."""
    metadata = open_gguf(path)[0].metadata
    kind = metadata.get("tokenizer.ggml.model", "none")
    if kind in ("none", "no_vocab") and WHOLE not in metadata:
        return None
    with reading(
        path, "a model with a tokenizer", "get another copy, or name a tokenizer with --tokenizer PATH"
    ):
        vocabulary = _vocabulary(metadata, path)
        settings = _settings(metadata, vocabulary)
        if WHOLE in metadata:
            return HuggingFaceTokenizer(tokenizers.Tokenizer.from_str(metadata[WHOLE]), settings, path)
        if kind == "gpt2":
            return _byte_level(metadata, vocabulary, settings, path)
        if kind == "llama":
            return _sentencepiece(metadata, vocabulary, settings, path)
    raise ConfigurationError(
        f"{path} has a tokenizer of the kind {show(kind)}, of which Weft knows gpt2 and llama; name another with "
        "--tokenizer PATH"
    )


def gguf_template(path: Path) -> str | None:
    """The chat template of a file, or None."""
    found = open_gguf(path)[0].metadata.get(TEMPLATE)
    return found if isinstance(found, str) else None


def _vocabulary(metadata: Mapping[str, Value], path: Path) -> _Vocabulary:
    tokens, kinds = metadata.get("tokenizer.ggml.tokens"), metadata.get("tokenizer.ggml.token_type")
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise ConfigurationError(f"{path}: tokenizer.ggml.tokens is no list of texts; get another copy")
    if kinds is None:
        kinds = [NORMAL] * len(tokens)
    if not isinstance(kinds, list) or len(kinds) != len(tokens) or not all(map(is_integer, kinds)):
        raise ConfigurationError(
            f"{path}: tokenizer.ggml.token_type has no type for each token; get another copy"
        )
    roles = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
    ids = {role: metadata.get(f"tokenizer.ggml.{name}_token_id") for role, name in roles.items()}
    known = {role: each for role, each in ids.items() if is_integer(each) and 0 <= each < len(tokens)}
    special = {f"{role}_token": tokens[each] for role, each in known.items() if tokens[each]}
    return _Vocabulary(tokens, kinds, special)


def _settings(metadata: Mapping[str, Value], vocabulary: _Vocabulary) -> TokenizerSettings:
    """Tokens of the user's are sought in texts before anything else, as are those that carry no text."""
    added = [
        AddedToken(number, token, special=kind == CONTROL)
        for number, (token, kind) in enumerate(zip(vocabulary.tokens, vocabulary.kinds, strict=True))
        if kind in (CONTROL, USER_DEFINED) and token and "▁" not in token
    ]
    return TokenizerSettings(
        special_tokens=vocabulary.special,
        add_bos=_flag(metadata, "add_bos_token"),
        add_eos=_flag(metadata, "add_eos_token"),
        added_tokens=tuple(added),
    )


def _flag(metadata: Mapping[str, Value], name: str) -> bool | None:
    value = metadata.get(f"tokenizer.ggml.{name}")
    return value if isinstance(value, bool) else None


def _byte_level(
    metadata: Mapping[str, Value], vocabulary: _Vocabulary, settings: TokenizerSettings, path: Path
) -> HuggingFaceTokenizer:
    cut, merges = metadata.get("tokenizer.ggml.pre", "gpt-2"), metadata.get("tokenizer.ggml.merges")
    if cut not in WORDS:
        raise ConfigurationError(
            f"{path}: tokenizer.ggml.pre is {show(cut)}, and Weft knows {', '.join(WORDS)}; name the model's tokenizer "
            "with --tokenizer PATH"
        )
    if not isinstance(merges, list) or not all(isinstance(merge, str) for merge in merges):
        raise ConfigurationError(f"{path}: tokenizer.ggml.merges is no list of texts; get another copy")
    rules = WORDS[cut]
    known = zip(vocabulary.tokens, vocabulary.kinds, strict=True)
    words = {token: number for number, (token, kind) in enumerate(known) if kind != UNUSED}
    pairs = [(left, right) for left, _, right in (merge.partition(" ") for merge in merges)]
    backend = tokenizers.Tokenizer(tokenizers.models.BPE(words, pairs, ignore_merges=rules.keeps_whole_words))
    prepare(backend, rules)
    for token in settings.added_tokens:
        backend.add_tokens([tokenizers.AddedToken(token.text, special=token.special, normalized=False)])
    add_bos = rules.begins if settings.add_bos is None else settings.add_bos
    return HuggingFaceTokenizer(backend, _with_marks(settings, add_bos), path)


def _with_marks(settings: TokenizerSettings, add_bos: bool) -> TokenizerSettings:
    return replace(settings, add_bos=add_bos, add_eos=settings.add_eos or False)


def _sentencepiece(
    metadata: Mapping[str, Value], vocabulary: _Vocabulary, settings: TokenizerSettings, path: Path
) -> SentencePieceTokenizer:
    scores = metadata.get("tokenizer.ggml.scores")
    if (
        not isinstance(scores, list)
        or len(scores) != len(vocabulary.tokens)
        or not all(map(is_number, scores))
    ):
        raise ConfigurationError(
            f"{path}: tokenizer.ggml.scores has no score for each token; get another copy"
        )
    pieces = [Piece(*each) for each in zip(vocabulary.tokens, scores, vocabulary.kinds, strict=True)]
    model = sentencepiece_model(
        pieces,
        vocabulary.special,
        begins_with_space=_flag(metadata, "add_space_prefix") is not False,
        drops_spaces=_flag(metadata, "remove_extra_whitespaces") is True,
    )
    return SentencePieceTokenizer(model, settings, path)
