"""Tiny tokenizers, trained in the test run on text made here; the same each time."""

import io
import json
from pathlib import Path
from typing import Any

import sentencepiece
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

TEXT = "the quick brown fox jumps over a lazy dog while seven wizards brew tea in the old house by the sea"
WORDS = TEXT.split()
LINES = [
    " ".join(WORDS[(start * step) % len(WORDS)] for step in range(1, 12))
    + f", said {start}. Où ça? 你好 naïve — it's café!"
    for start in range(40)
]
SPECIAL = ["<unk>", "<s>", "</s>", "<|turn|>"]
CONFIG = {"bos_token": "<s>", "eos_token": {"content": "</s>", "special": True}}


def byte_level() -> Tokenizer:
    """As GPT-2 and Llama 3: bytes as letters; a post-processor puts <s> before a text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(LINES, _trainer(400, SPECIAL, alphabet))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def byte_fallback() -> Tokenizer:
    """As Llama 2 and Mistral: spaces as ▁, and byte tokens for what the vocabulary lacks."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
    tokenizer.train_from_iterator(LINES, _trainer(200, SPECIAL, []))
    content = json.loads(tokenizer.to_str())
    vocabulary = content["model"]["vocab"]
    vocabulary |= {f"<0x{byte:02X}>": len(vocabulary) + byte for byte in range(256)}
    content["model"] |= {"byte_fallback": True, "fuse_unk": True}
    tokenizer = Tokenizer.from_str(json.dumps(content))
    replace, strip = decoders.Replace("▁", " "), decoders.Strip(" ", 1, 0)
    tokenizer.decoder = decoders.Sequence([replace, decoders.ByteFallback(), decoders.Fuse(), strip])
    return tokenizer


def metaspace() -> Tokenizer:
    """As T5: the first token drops its ▁."""
    tokenizer = byte_fallback()
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def plain() -> Tokenizer:
    """Without a decoder: tokens are words."""
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(
        LINES, trainers.WordLevelTrainer(special_tokens=SPECIAL, show_progress=False)
    )
    return tokenizer


def _trainer(size: int, special: list[str], alphabet: list[str]) -> trainers.BpeTrainer:
    return trainers.BpeTrainer(
        vocab_size=size, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )


def sentencepiece_model(**options: object) -> bytes:
    """As Llama 2's, unless the options say otherwise."""
    model = io.BytesIO()
    settings: dict[str, Any] = {
        "model_type": "bpe",
        "vocab_size": 420,
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "allow_whitespace_only_pieces": True,
        "minloglevel": 2,
        "num_threads": 1,
    }
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES), model_writer=model, **(settings | options)
    )
    return model.getvalue()


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
