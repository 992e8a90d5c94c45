"""The tokenizers of transformers, which is untyped."""

from pathlib import Path

from transformers import PreTrainedTokenizerFast


def fast_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Reads only the tokenizer.json of this folder."""
    file = str(folder / "tokenizer.json")
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_file=file, bos_token="<s>", eos_token="</s>"
    )
