"""How tokenizers on bytes cut a text into words before they merge, which neither vocabulary nor merges tell."""

from typing import NamedTuple

import tokenizers
from tokenizers import decoders, normalizers, pre_tokenizers


class WordRules(NamedTuple):
    """`pattern`: of words (None: GPT-2's, which the library has). `composes`: whether text is brought into Unicode's
    form NFC first. `parts_digits`: whether each digit is taken apart first. `keeps_whole_words`: a word that is a token
    becomes that token, whatever merges would make of it. `begins`: whether a text begins with the token for that where
    nothing else is said."""

    pattern: str | None = None
    composes: bool = False
    parts_digits: bool = False
    keeps_whole_words: bool = False
    begins: bool = False


_AS_GPT4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

GPT2 = WordRules()
# The pattern that Qwen's models were trained with (qwen.tiktoken's; Qwen technical report, section 2.2): as
# GPT-4's, but each digit by itself.
QWEN2 = WordRules(_AS_GPT4.format(digits=r"\p{N}"), composes=True)
# As in Llama 3's tokenizer.json: at most three digits, as GPT-4.
LLAMA3 = WordRules(_AS_GPT4.format(digits=r"\p{N}{1,3}"), keeps_whole_words=True, begins=True)
SMOLLM = WordRules(parts_digits=True)


def prepare(backend: tokenizers.Tokenizer, rules: WordRules) -> None:
    """Make a model of merges a tokenizer on bytes with such rules."""
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=rules.pattern is None)
    steps: list[pre_tokenizers.PreTokenizer] = []
    if rules.parts_digits:
        steps.append(pre_tokenizers.Digits(individual_digits=True))
    if rules.pattern is not None:
        steps.append(pre_tokenizers.Split(tokenizers.Regex(rules.pattern), behavior="isolated"))
    steps.append(byte_level)
    backend.pre_tokenizer = pre_tokenizers.Sequence(steps) if len(steps) > 1 else byte_level
    if rules.composes:
        backend.normalizer = normalizers.NFC()
    backend.decoder = decoders.ByteLevel()
