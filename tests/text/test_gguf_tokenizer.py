"""Tokenizers in GGUF files are those of the folders that the files were made of."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import tokenizers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor
from tokenizers import normalizers, pre_tokenizers
from transformers import Qwen2Tokenizer

from tests.text import tiny
from tests.text.test_tokenizers import TEXTS
from tests.weights.gguf_writing import value, write
from weft.contracts.errors import ConfigurationError
from weft.model_specs.builtin import builtin_model
from weft.model_specs.generation_config import read_generation_defaults
from weft.text.loading import find_tokenizer, load_tokenizer
from weft.text.template_loading import find_chat_template
from weft.text.tokenizer import Tokenizer

UNKNOWN, CONTROL, USER_DEFINED, UNUSED = 2, 3, 4, 5
LLAMA3_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
EXAMPLES = [
    "the quick brown fox",
    "I'll say 12345.67, they're  done\t!!\n\n x",
    "Où ça? 你好 é e\u0301",
    "<|turn|>the",
    "",
]


def written(path: Path, values: dict[str, object]) -> Path:
    return write(path, {}, {name: value(each) for name, each in values.items()})


def of_library(backend: tokenizers.Tokenizer, cut: str, **more: object) -> dict[str, object]:
    """The metadata of a byte-level tokenizer, as llama.cpp's converter writes it."""
    content = json.loads(backend.to_str())
    ids = content["model"]["vocab"] | {token["content"]: token["id"] for token in content["added_tokens"]}
    tokens = sorted(ids, key=lambda token: ids[token])
    special = {token["content"] for token in content["added_tokens"]}
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": cut,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [CONTROL if token in special else 1 for token in tokens],
        "tokenizer.ggml.merges": [" ".join(merge) for merge in content["model"]["merges"]],
        "tokenizer.ggml.bos_token_id": ids["<s>"],
        "tokenizer.ggml.eos_token_id": ids["</s>"],
        "tokenizer.ggml.add_bos_token": True,
        **more,
    }


def same(ours: Tokenizer, theirs: Tokenizer) -> None:
    """In ids, in text, and in what is special."""

    @given(TEXTS | st.sampled_from(EXAMPLES), st.booleans())
    @settings(max_examples=60)
    def compare(text: str, flag: bool) -> None:
        ids = ours.encode(text, add_special=flag)
        assert ids == theirs.encode(text, add_special=flag)
        assert ours.decode(ids, skip_special=flag) == theirs.decode(ids, skip_special=flag)

    compare()
    assert ours.vocab_size == theirs.vocab_size
    assert (ours.bos_token_id, ours.eos_token_id) == (theirs.bos_token_id, theirs.eos_token_id)
    assert ours.special_ids == theirs.special_ids
    assert [ours.piece(token) for token in range(ours.vocab_size)] == [
        theirs.piece(token) for token in range(theirs.vocab_size)
    ]


def folder_of(backend: tokenizers.Tokenizer, folder: Path) -> Tokenizer:
    folder.mkdir()
    (folder / "tokenizer.json").write_text(backend.to_str(), encoding="utf-8")
    tiny.write_json(folder / "tokenizer_config.json", tiny.CONFIG)
    return load_tokenizer(folder)


def cut_as(cut: str) -> tokenizers.Tokenizer:
    """A byte-level tokenizer with the words of a family."""
    backend = tiny.byte_level()
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    if cut == "llama-bpe":
        words = pre_tokenizers.Split(tokenizers.Regex(LLAMA3_WORDS), behavior="isolated")
        backend.pre_tokenizer = pre_tokenizers.Sequence([words, byte_level])
        backend.model.ignore_merges = True
    if cut == "qwen2":
        words = pre_tokenizers.Split(tokenizers.Regex(LLAMA3_WORDS.replace("{1,3}", "")), behavior="isolated")
        backend.pre_tokenizer = pre_tokenizers.Sequence([words, byte_level])
        backend.normalizer = normalizers.NFC()
    if cut == "smollm":
        digits = pre_tokenizers.Digits(individual_digits=True)
        backend.pre_tokenizer = pre_tokenizers.Sequence(
            [digits, pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
    return backend


@pytest.mark.parametrize("cut", ["gpt-2", "llama-bpe", "qwen2", "smollm"])
def test_byte_level_merges(cut: str, tmp_path: Path) -> None:
    backend = cut_as(cut)
    file = written(tmp_path / "model.gguf", of_library(backend, cut))
    same(load_tokenizer(file), folder_of(backend, tmp_path / "folder"))


def test_words_of_qwen_are_those_of_its_class(byte_level_files: Path, tmp_path: Path) -> None:
    """Beside our own reading of the pattern, transformers' class for it."""
    oracle = Qwen2Tokenizer.from_pretrained(str(byte_level_files))
    ours = load_tokenizer(written(tmp_path / "model.gguf", of_library(tiny.byte_level(), "qwen2")))
    for text in EXAMPLES[:3]:
        assert ours.encode(text, add_special=False) == oracle.encode(text, add_special_tokens=False)


def test_tokens_of_users_and_those_that_nobody_uses(tmp_path: Path) -> None:
    values = of_library(tiny.byte_level(), "gpt-2")
    tokens, kinds = values["tokenizer.ggml.tokens"], values["tokenizer.ggml.token_type"]
    assert isinstance(tokens, list)
    assert isinstance(kinds, list)
    changes = {
        "tokenizer.ggml.tokens": [*tokens, "<tool>", "[PAD402]"],
        "tokenizer.ggml.token_type": [*kinds, USER_DEFINED, UNUSED],
    }
    ours = load_tokenizer(written(tmp_path / "model.gguf", values | changes))
    assert ours.encode("a<tool>b", add_special=False)[1] == len(tokens)
    assert ours.decode([len(tokens)]) == "<tool>"
    assert len(tokens) + 1 not in ours.encode("[PAD402]")


def of_sentencepiece(model: bytes, **more: object) -> dict[str, object]:
    processor = SentencePieceProcessor(model_proto=model)
    ids = list(range(processor.get_piece_size()))
    kinds = [
        UNKNOWN
        if processor.is_unknown(each)
        else CONTROL
        if processor.is_control(each)
        else 6 * processor.is_byte(each) or 1
        for each in ids
    ]
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": [processor.id_to_piece(each) for each in ids],
        "tokenizer.ggml.scores": [float(processor.get_score(each)) for each in ids],
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.bos_token_id": processor.bos_id(),
        "tokenizer.ggml.eos_token_id": processor.eos_id(),
        "tokenizer.ggml.unknown_token_id": processor.unk_id(),
        **more,
    }


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({}, {}),
        ({"remove_extra_whitespaces": True}, {"tokenizer.ggml.remove_extra_whitespaces": True}),
        (
            {"add_dummy_prefix": False, "byte_fallback": False, "vocab_size": 160},
            {"tokenizer.ggml.add_space_prefix": False},
        ),
    ],
)
def test_sentencepiece(options: dict[str, object], more: dict[str, object], tmp_path: Path) -> None:
    model = tiny.sentencepiece_model(**options)
    (tmp_path / "tokenizer.model").write_bytes(model)
    roles = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    tiny.write_json(tmp_path / "tokenizer_config.json", roles)
    file = written(tmp_path / "model.gguf", of_sentencepiece(model, **more))
    same(load_tokenizer(file), load_tokenizer(tmp_path / "tokenizer.model"))


def whole_tokenizer(source: Path) -> dict[str, object]:
    """The metadata of a folder's tokenizer.json, as it is."""
    content = json.loads((source / "tokenizer.json").read_text(encoding="utf-8"))
    ids = content["model"]["vocab"] | {token["content"]: token["id"] for token in content["added_tokens"]}
    special = {token["content"] for token in content["added_tokens"]}
    tokens = sorted(ids, key=lambda token: ids[token])
    return {
        "tokenizer.huggingface.json": (source / "tokenizer.json").read_text(encoding="utf-8"),
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [CONTROL if token in special else 1 for token in tokens],
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 1,
        "tokenizer.ggml.padding_token_id": 1,
        "tokenizer.chat_template": json.loads((source / "tokenizer_config.json").read_text())[
            "chat_template"
        ],
    }


def test_a_whole_tokenizer_goes_first(tmp_path: Path) -> None:
    """Of weft-tiny, whose words no name of a rule stands for."""
    source = builtin_model()
    file = written(tmp_path / "tiny.gguf", whole_tokenizer(source))
    ours, theirs = load_tokenizer(file), load_tokenizer(source)
    same(ours, theirs)
    assert ours.special_tokens == theirs.special_tokens
    chat = [{"role": "user", "content": "What is 3 plus 4?"}]
    rendered = []
    for path, tokenizer in ((file, ours), (source, theirs)):
        template = find_chat_template(path, special_tokens=tokenizer.special_tokens)
        assert template is not None
        rendered.append(template.render(chat, add_generation_prompt=True))
    assert rendered[0] == rendered[1]


def test_a_file_without_a_tokenizer_or_a_template(tmp_path: Path) -> None:
    file = written(tmp_path / "model.gguf", {"tokenizer.ggml.model": "none"})
    assert find_tokenizer(file) is None
    assert find_chat_template(file) is None


def test_ends_and_sampling_of_a_file(tmp_path: Path) -> None:
    values: dict[str, object] = {
        "tokenizer.ggml.tokens": ["<s>", "</s>", "<|im_end|>", "<|endoftext|>"],
        "tokenizer.ggml.token_type": [CONTROL, CONTROL, CONTROL, 1],
        "tokenizer.ggml.bos_token_id": 0,
        "tokenizer.ggml.eos_token_id": 1,
        "general.sampling.temp": 0.7,
        "general.sampling.top_k": 20,
    }
    defaults = read_generation_defaults(written(tmp_path / "model.gguf", values))
    assert (defaults.eos_token_ids, defaults.bos_token_id) == ((1, 2), 0)
    assert (defaults.temperature, defaults.top_k, defaults.top_p) == (0.7, 20, None)
    bad = written(tmp_path / "bad.gguf", {"general.sampling.top_p": 3.0})
    with pytest.raises(ConfigurationError, match=r"bad.gguf: top_p is 3"):
        read_generation_defaults(bad)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        (
            {"tokenizer.ggml.model": "t5"},
            r'of the kind "t5", of which Weft knows gpt2 and llama; .*--tokenizer',
        ),
        ({"tokenizer.ggml.pre": "tekken"}, r'tokenizer.ggml.pre is "tekken", and Weft knows gpt-2'),
        ({"tokenizer.ggml.merges": 3}, r"tokenizer.ggml.merges is no list"),
        ({"tokenizer.ggml.merges": ["x yz"]}, r"is not a model with a tokenizer that can be read"),
        ({"tokenizer.ggml.tokens": 3}, r"tokenizer.ggml.tokens is no list"),
        ({"tokenizer.ggml.token_type": [1]}, r"tokenizer.ggml.token_type has no type for each"),
        ({"tokenizer.ggml.model": "llama"}, r"tokenizer.ggml.scores has no score for each"),
        ({"tokenizer.huggingface.json": "{"}, r"is not a model with a tokenizer that can be read"),
    ],
)
def test_what_cannot_be_read_is_refused(changes: dict[str, object], problem: str, tmp_path: Path) -> None:
    file = written(tmp_path / "model.gguf", of_library(tiny.byte_level(), "gpt-2") | changes)
    with pytest.raises(ConfigurationError, match=problem) as caught:
        load_tokenizer(file)
    assert str(file) in str(caught.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data(), kind=st.sampled_from(["gpt2", "llama"]))
def test_damaged_files_are_refused_or_read(tmp_path: Path, data: st.DataObject, kind: str) -> None:
    values = of_sentencepiece(SENTENCEPIECE) if kind == "llama" else of_library(tiny.byte_level(), "gpt-2")
    content = bytearray(written(tmp_path / "model.gguf", values).read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "model.gguf").write_bytes(content)
    with suppress_complaints("model.gguf"):
        tokenizer = find_tokenizer(tmp_path / "model.gguf")
        read_generation_defaults(tmp_path / "model.gguf")
        assert tokenizer is None or isinstance(tokenizer.decode(tokenizer.encode("the fox")), str)


@contextmanager
def suppress_complaints(name: str) -> Iterator[None]:
    """Those that say which file it is about."""
    try:
        yield
    except ConfigurationError as error:
        if name not in str(error):
            raise


SENTENCEPIECE = tiny.sentencepiece_model()
