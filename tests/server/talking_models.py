"""Tiny random models with the chat template of a family; its markers are special tokens, as the family has them."""

from pathlib import Path

from tests.executor.tiny_serving import save_tiny
from tests.text import tiny
from tests.text.chat_families import FAMILIES, THINKING

SPECIAL = {
    "mistral list": ["[TOOL_CALLS]"],
    "mistral named": ["[TOOL_CALLS]", "[ARGS]"],
    "thinking": ["</think>"],
}
VOCAB_SIZE = 400
END_THINK = VOCAB_SIZE
"""Its token in the model that thinks."""
END = 2


def make_talking_model(directory: Path, family: str, *, positions: int = 2048) -> Path:
    """Vocabulary of 400 and the markers; id 2 ends an output."""
    tokenizer, markers = tiny.byte_level(), SPECIAL.get(family, [])
    tokenizer.add_special_tokens(markers)
    save_tiny(directory, 3, vocab_size=VOCAB_SIZE + len(markers), max_position_embeddings=positions)
    (directory / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    template = THINKING if family == "thinking" else FAMILIES[family]
    tiny.write_json(directory / "tokenizer_config.json", {**tiny.CONFIG, "chat_template": template})
    tiny.write_json(directory / "generation_config.json", {"eos_token_id": [END]})
    return directory
