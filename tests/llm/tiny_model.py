"""A whole tiny model on disk: random weights, a tokenizer trained on the spot, a chat template."""

from pathlib import Path
from typing import Any

from tests.executor.tiny_serving import save_tiny
from tests.text import tiny

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|turn|>{{ message.role }}: {{ message.content }}"
    "{% endfor %}{% if add_generation_prompt %}<|turn|>assistant:{% endif %}"
)
END, OTHER_END = 2, 9


def make_model(directory: Path, **config: Any) -> Path:
    """Vocabulary of 400; ids 2 and 9 end an output; 128 positions."""
    save_tiny(directory, 3, vocab_size=400, **config)
    (directory / "tokenizer.json").write_text(tiny.byte_level().to_str(), encoding="utf-8")
    tiny.write_json(directory / "tokenizer_config.json", {**tiny.CONFIG, "chat_template": TEMPLATE})
    tiny.write_json(
        directory / "generation_config.json",
        {"eos_token_id": [END, OTHER_END], "temperature": 0.5, "max_new_tokens": 40},
    )
    return directory
