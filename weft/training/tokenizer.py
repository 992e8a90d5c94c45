"""A byte-level BPE tokenizer (Sennrich et al., arXiv 1508.07909), learned from documents."""

from collections.abc import Iterable, Iterator

import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers, processors, trainers

from weft.training.text.documents import BEGIN, SPECIAL_TOKENS, Document, TokenDocument

PIECES = Regex(r" ?[a-z]+|[A-Z][a-z]*|[0-9]|[.?!]+|[^\sA-Za-z0-9.?!]+ ?|\s+")
"""No token crosses from one piece to the next: so a name, a digit and a word after a comma are the same tokens wherever
they stand. What is to be copied must look as it did, also where a sentence ends: no space goes with its stop."""


def train_tokenizer(documents: Iterable[Document], vocab_size: int) -> tokenizers.Tokenizer:
    """Every byte is a token, so any text can be written; the rest are the most frequent merges."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(PIECES, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(documents), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, tokenizer.token_to_id(BEGIN))]
    )
    return tokenizer


def _texts(documents: Iterable[Document]) -> Iterator[str]:
    for document in documents:
        for part in document:
            yield without_special(part.text)


def without_special(text: str) -> str:
    """The text with spaces in place of special tokens, so that no merge crosses them."""
    for token in SPECIAL_TOKENS:
        text = text.replace(token, "\n")
    return text.strip("\n")


def encode_documents(
    tokenizer: tokenizers.Tokenizer, documents: Iterable[Document | TokenDocument], max_tokens: int
) -> Iterator[TokenDocument]:
    """Documents as tokens, one after the other; what is longer than `max_tokens` is cut. Those that are tokens already
    stay as they are."""
    for document in documents:
        if isinstance(document, TokenDocument):
            yield document
        else:
            yield _encode(tokenizer, document, max_tokens)


def _encode(tokenizer: tokenizers.Tokenizer, document: Document, max_tokens: int) -> TokenDocument:
    token_ids: list[int] = []
    learnt: list[bool] = []
    learnt_bytes = 0
    encodings = tokenizer.encode_batch([part.text for part in document], add_special_tokens=False)
    for part, encoding in zip(document, encodings, strict=True):
        ids = encoding.ids[: max_tokens - len(token_ids)]
        token_ids += ids
        learnt += [part.learnt] * len(ids)
        if part.learnt:
            learnt_bytes += len(tokenizer.decode(ids, skip_special_tokens=True).encode())
    return TokenDocument(token_ids, learnt, learnt_bytes)
