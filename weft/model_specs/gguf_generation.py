"""What a GGUF file recommends for generation, in the words of generation_config.json."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from weft.model_specs.config_reader import is_integer
from weft.model_specs.gguf_header import Value, decimal, open_gguf

CONTROL = 3
"""The type of a token that carries no text of its own."""
NAMED_ENDS = tuple(f"tokenizer.ggml.{role}_token_id" for role in ("eos", "eot", "eom"))
ENDS = ("<|eot_id|>", "<|im_end|>", "<|end|>", "<|eom_id|>", "<|end_of_text|>", "<|endoftext|>")
"""Control tokens that end a text or a turn in whatever model has them: files name one end, and models have several."""
BEGIN = "tokenizer.ggml.bos_token_id"
SAMPLING = {
    "temperature": "general.sampling.temp",
    "top_k": "general.sampling.top_k",
    "top_p": "general.sampling.top_p",
    "min_p": "general.sampling.min_p",
    "repetition_penalty": "general.sampling.penalty_repeat",
}
"""Our names of parameters, and the keys that hold them."""


def gguf_generation(path: Path) -> dict[str, object]:
    """Raises `ConfigurationError` where the file cannot be read."""
    metadata = open_gguf(path)[0].metadata
    sampling = {name: metadata[key] for name, key in SAMPLING.items() if key in metadata}
    return {
        "eos_token_id": list(dict.fromkeys(_ends(metadata))),
        "bos_token_id": metadata.get(BEGIN),
        **{name: decimal(value) if isinstance(value, float) else value for name, value in sampling.items()},
    }


def _ends(metadata: Mapping[str, Value]) -> Iterator[Value]:
    yield from (metadata[key] for key in NAMED_ENDS if key in metadata)
    tokens, kinds = (metadata.get(f"tokenizer.ggml.{key}") for key in ("tokens", "token_type"))
    if not isinstance(tokens, list) or not isinstance(kinds, list):
        return
    for number, (token, kind) in enumerate(zip(tokens, kinds, strict=False)):
        if is_integer(kind) and kind == CONTROL and token in ENDS:
            yield number
