"""What goes beside the weights: the tokenizer's files, the chat template, the defaults of generation."""

import json
from pathlib import Path
from typing import Any

import tokenizers

from weft.training.text.documents import ASSISTANT, BEGIN, END, SYSTEM, USER

CHAT_TEMPLATE = (
    "{{ bos_token }}{% set told = namespace(tools=tools) %}{% for message in messages %}"
    "{% if message.role == 'system' or message.role == 'developer' %}<|system|>"
    "{% elif message.role == 'user' or message.role == 'tool' %}<|user|>"
    "{% elif message.role == 'assistant' %}<|assistant|>"
    "{% else %}{{ raise_exception('the role ' ~ message.role ~ ' is unknown; use system, user, assistant or tool') }}"
    "{% endif %}{% if message.role == 'user' and told.tools %}{% for tool in told.tools %}"
    "{{ tool.function.name }}: {{ tool.function.description }} "
    "({{ (tool.function.parameters | default({})).properties | default({}) | join(', ') }}){{ '\\n' }}"
    "{% endfor %}{% set told.tools = none %}{% endif %}"
    "{% if message.content is string %}{{ message.content | trim }}"
    "{% elif message.content %}{% for part in message.content %}{{ part.text | trim }}{% endfor %}{% endif %}"
    "{% if message.role == 'assistant' and message.tool_calls %}{% for call in message.tool_calls %}"
    "{{ '\\n' if message.content or not loop.first }}"
    '{"tool": {{ call.function.name | tojson }}, "arguments": {{ call.function.arguments | tojson }}}'
    "{% endfor %}{% endif %}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
"""Says the same as `documents.chat_document`, and of tools what `tasks.tool_calls` says; a test compares them."""

TEMPERATURE, TOP_P, MAX_NEW_TOKENS = 0.7, 0.95, 512
"""Defaults of requests that name none; 512 tokens hold the longest story of one chapter twice."""


def write_text_files(directory: Path, tokenizer: tokenizers.Tokenizer) -> dict[str, Path]:
    """Write tokenizer.json, tokenizer_config.json and generation_config.json; their paths by name."""
    begin, end = tokenizer.token_to_id(BEGIN), tokenizer.token_to_id(END)
    generation = {
        "bos_token_id": begin,
        "eos_token_id": [end],
        "do_sample": True,
        "temperature": TEMPERATURE,
        "top_p": TOP_P,
        "max_new_tokens": MAX_NEW_TOKENS,
    }
    texts = {
        "tokenizer.json": tokenizer.to_str(),
        "tokenizer_config.json": _as_json(_tokenizer_config()),
        "generation_config.json": _as_json(generation),
    }
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8")
    return {name: directory / name for name in texts}


def _tokenizer_config() -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BEGIN,
        "eos_token": END,
        "pad_token": END,
        "additional_special_tokens": [SYSTEM, USER, ASSISTANT],
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }


def _as_json(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
