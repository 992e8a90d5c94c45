"""What `weft serve` prints: the resolved configuration, whether it fits, and lines to try."""

import json
from math import prod
from typing import TYPE_CHECKING

from weft.contracts.state import PagedGroup
from weft.engine.config import EngineConfig
from weft.llm.language_model import LanguageModel

if TYPE_CHECKING:
    from weft.executor.serving_plan import ServingPlan

QUESTION = "Tell me a story."


def describe_plan(plan: "ServingPlan", model: str) -> list[str]:
    """What serving would take."""
    gibibytes = [
        f"{each / (1 << 30):.2f} GiB" for each in (plan.weights_bytes, plan.cache_bytes, plan.free_bytes)
    ]
    return [
        f"model      {model}, {plan.spec.num_parameters:,} parameters",
        f"compute    {plan.backend} on {plan.device}, {plan.number_format.value}",
        *describe_config(plan.config, plan.max_model_len),
        f"memory     weights {gibibytes[0]}, cache {gibibytes[1]}; free {gibibytes[2]}",
    ]


def describe_serving(llm: LanguageModel, model: str) -> list[str]:
    """What was loaded, with nothing left at "auto"."""
    serving = llm.serving
    compute = llm.fingerprint if llm.emulates is None else f"none: as fast as {llm.emulates}"
    return [
        f"model      {model}, {serving.spec.num_parameters:,} parameters",
        f"compute    {compute}",
        *describe_config(serving.config, serving.max_model_len),
    ]


def describe_config(config: EngineConfig, max_model_len: int) -> list[str]:
    """Bounds and cache."""
    caching = "on" if config.prefix_caching else "off"
    block_tokens = config.layout.block_tokens
    blocks = ", ".join(
        f"{config.num_blocks[group.name]:,} blocks of {block_tokens} tokens"
        f"{'' if group.window_tokens is None else f' (window {group.window_tokens})'}, "
        f"{_mebibytes(config.num_blocks[group.name], group, block_tokens):,.1f} MiB"
        for group in config.layout.groups
        if isinstance(group, PagedGroup)
    )
    return [
        f"bounds     {config.max_running} sequences at once, of at most {max_model_len:,} tokens; "
        f"{config.max_step_tokens:,} tokens per step",
        f"cache      {blocks}; prefix caching {caching}",
    ]


def _mebibytes(num_blocks: int, group: PagedGroup, block_tokens: int) -> float:
    return prod((num_blocks, group.bytes_per_token, block_tokens)) / (1 << 20)


def lines_to_try(llm: LanguageModel, url: str, name: str, *, needs_key: bool) -> list[str]:
    """A curl line and a Python line that this model can answer."""
    prompting = llm.prompting
    body: dict[str, object]
    key = "-H 'Authorization: Bearer KEY' " if needs_key else ""
    if prompting.tokenizer is not None and prompting.chat_template is not None:
        path, body = "chat/completions", {"messages": [{"role": "user", "content": QUESTION}]}
        call, answer = "chat.completions", "choices[0].message.content"
    else:
        prompt: object = "Once upon a time" if prompting.tokenizer is not None else [1, 2, 3]
        path, body = "completions", {"prompt": prompt, "max_tokens": 64}
        call, answer = "completions", "choices[0].text"
    named = {"model": name, **body}
    arguments = ", ".join(f"{field}={value!r}" for field, value in named.items())
    python_key = "KEY" if needs_key else "none"
    return [
        f"curl {url}/v1/{path} {key}-H 'Content-Type: application/json' -d '{json.dumps(named)}'",
        f'python -c "from openai import OpenAI; print(OpenAI(base_url={f"{url}/v1"!r}, api_key={python_key!r})'
        f'.{call}.create({arguments}).{answer})"',
    ]
