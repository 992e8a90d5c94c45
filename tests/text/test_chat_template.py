"""Templates in the style of well-known models render as transformers renders them."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from tests.text import tiny
from tests.text.oracle import fast_tokenizer
from weft.contracts.errors import ConfigurationError, InvalidRequest
from weft.text.chat_template import ChatTemplate
from weft.text.template_loading import find_chat_template, load_chat_template

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}

CHATML = """
{%- if messages[0].role != 'system' %}{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}{% endif %}
{%- for message in messages %}
    {{- '<|im_start|>' ~ message.role ~ '\\n' + message['content'] | trim + '<|im_end|>' ~ '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}
"""

HEADERS = """
{{- bos_token }}
{%- if tools %}
    {{- 'Tools:\\n' }}
    {%- for tool in tools %}{{ tool | tojson(indent=2) }}{{ '\\n' }}{% endfor %}
{%- endif %}
{%- macro header(role) -%}<|start|>{{ role }}<|end|>
{% endmacro %}
{%- for message in messages if message.role != 'note' %}
    {%- set content = header(message.role) ~ message.content %}
    {%- if loop.first and style is defined %}{% set content = '[' ~ style ~ ']' ~ content %}{% endif %}
    {{- content }}<|eot|>
{%- endfor %}
{%- if add_generation_prompt %}{{ header('assistant') }}{% endif %}
"""

ALTERNATING = """
{{ bos_token }}
{%- set ns = namespace(users=0) -%}
{%- for m in messages %}
    {%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('Roles must alternate: user, assistant, user…') }}
    {%- endif %}
    {%- if m.role == 'user' %}
        {%- set ns.users = ns.users + 1 %} [INST] {{ m.content }} [/INST]
    {%- else %}{% generation %} {{ m.content }}{{ eos_token }}{% endgeneration %}
    {%- endif %}
    {%- if ns.users > 8 %}{% break %}{% endif %}
{%- endfor %}
"""

DETAILS = """
{%- for m in messages[::-1] %}{% if m.content.startswith('<') %}{% continue %}{% endif %}
{{ loop.index }}: {{ m | tojson }} {{ m.content.split(' ')[0] | upper }} {{ m.get('name', 'nobody') }}
{%- endfor %}
  {% if documents is none and tools is none %}
nothing else
  {% endif %}
{{ messages | map(attribute='role') | join(', ') }}
{{ messages | selectattr('role', 'equalto', 'user') | list | length }}
{{ '%s of %d' % ('one', 2) }} {{ '{}!'.format('hey') }} {{ dict(a=1) | tojson }} {{ '<é>' | tojson }}
"""

CHAT = [
    {"role": "user", "content": "  Where is <b>é</b>?\n"},
    {"role": "assistant", "content": "There.", "name": "Ann"},
    {"role": "user", "content": "Go\n\non"},
]
TOOLS = [{"type": "function", "function": {"name": "add", "parameters": {"x": {"type": "number"}}}}]


@pytest.fixture(scope="module")
def oracle(folders: dict[str, Path]) -> PreTrainedTokenizerFast:
    return fast_tokenizer(folders["byte_level"])


@pytest.mark.parametrize(
    "source", [CHATML, HEADERS, ALTERNATING, DETAILS], ids=["chatml", "headers", "inst", "details"]
)
@pytest.mark.parametrize(
    "options", [{}, {"add_generation_prompt": True}, {"tools": TOOLS}, {"style": "short"}]
)
def test_the_prompt_is_that_of_transformers(
    oracle: PreTrainedTokenizerFast, source: str, options: dict[str, Any]
) -> None:
    options = {"add_generation_prompt": False, **options}
    theirs = oracle.apply_chat_template(CHAT, chat_template=source, tokenize=False, **options)
    ours = ChatTemplate(source, special_tokens=SPECIAL).render(CHAT, **options)
    assert ours == theirs
    assert "There." in ours


def test_parts_of_text_are_joined_by_line_ends() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    source = "{% for m in messages %}{{ m.content }};{% endfor %}"
    assert ChatTemplate(source).render([{"role": "user", "content": parts}]) == "a\nb;"


def test_a_call_of_a_tool_needs_no_content() -> None:
    message = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "add"}}]}
    source = "{% for m in messages %}{{ m.tool_calls[0].function.name }}{{ m.content is none }}{% endfor %}"
    assert ChatTemplate(source).render([message]) == "addTrue"


def test_the_clock_is_the_one_handed_in() -> None:
    source = "{% if strftime_now is defined %}{{ strftime_now('%d %b %Y') }}{% else %}undated{% endif %}"
    assert ChatTemplate(source, now=lambda: datetime(2031, 5, 6)).render([]) == "06 May 2031"
    assert ChatTemplate(source).render([]) == "undated"


def test_a_template_may_refuse_messages() -> None:
    with pytest.raises(InvalidRequest, match="refuses these messages: Roles must alternate"):
        ChatTemplate(ALTERNATING, special_tokens=SPECIAL).render(CHAT[1:])


def test_a_template_that_fails_says_why() -> None:
    with pytest.raises(InvalidRequest, match=r"fails for these messages .*UndefinedError"):
        ChatTemplate("{{ nothing.of.the.kind }}").render(CHAT)


@pytest.mark.parametrize("source", ["{% if %}", "{{ x | nosuchfilter }}", "\n{% for %}", "{{ 'a"])
def test_a_source_that_is_no_template_is_refused(source: str) -> None:
    with pytest.raises(ConfigurationError, match=r"here, line \d: .*--chat-template PATH"):
        ChatTemplate(source, where="here")


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ("hello", "messages is a str"),
        ([*CHAT, "hello"], r"messages\[3\] is 'hello'"),
        ([{"content": "a"}], r"messages\[0\].role is None"),
        ([{"role": "", "content": "a"}], r"messages\[0\].role is ''"),
        ([CHAT[0], {"role": "user"}], r"messages\[1\].content is 'None'"),
        ([{"role": "user", "content": 3}], r"messages\[0\].content is '3'"),
        ([{"role": "user", "content": [{"type": "image"}]}], r"messages\[0\].content\[0\] is"),
        ([{"role": "user", "content": "a", "x": [object()]}], r"messages\[0\].x\[0\] is a object"),
        ([{"role": "user", "content": "a", 3: "x"}], r"messages\[0\] has the key 3"),
    ],
)
def test_a_wrong_message_is_named(messages: list[dict[str, object]], complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        ChatTemplate("").render(messages)


def test_wrong_tools_and_variables_are_named() -> None:
    template = ChatTemplate("")
    with pytest.raises(InvalidRequest, match=r"tools\[0\] is 'add'"):
        template.render(CHAT, tools=["add"])  # type: ignore[list-item]
    with pytest.raises(InvalidRequest, match="tools is a str"):
        template.render(CHAT, tools="add")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="style is a object"):
        template.render(CHAT, style=object())
    deep: list[object] = []
    for _ in range(100):
        deep = [deep]
    with pytest.raises(InvalidRequest, match="nested deeper than 64"):
        template.render(CHAT, style=deep)


FOUND = "{{ 'from ' ~ messages[0].content }}"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("chat_template.jinja", FOUND),
        ("chat_template.json", {"chat_template": FOUND}),
        ("tokenizer_config.json", {"chat_template": FOUND}),
        (
            "tokenizer_config.json",
            {
                "chat_template": [
                    {"name": "tool_use", "template": "x"},
                    {"name": "default", "template": FOUND},
                ]
            },
        ),
    ],
)
def test_a_template_is_found_where_models_keep_it(tmp_path: Path, name: str, value: object) -> None:
    if isinstance(value, str):
        (tmp_path / name).write_text(value, encoding="utf-8")
    else:
        tiny.write_json(tmp_path / name, value)
    message = {"role": "user", "content": "home"}
    for path in (tmp_path, tmp_path / name):
        assert load_chat_template(path).render([message]) == "from home"


def test_the_file_of_its_own_wins(tmp_path: Path) -> None:
    tiny.write_json(tmp_path / "tokenizer_config.json", {"chat_template": "config"})
    assert load_chat_template(tmp_path).render([]) == "config"
    (tmp_path / "chat_template.jinja").write_text("{{ bos_token }}file", encoding="utf-8")
    assert load_chat_template(tmp_path, special_tokens=SPECIAL).render([]) == "<s>file"


def test_a_model_without_a_template_says_what_to_do(tmp_path: Path) -> None:
    assert find_chat_template(tmp_path) is None
    with pytest.raises(ConfigurationError, match=r"has no chat template .*--chat-template PATH"):
        load_chat_template(tmp_path)
    with pytest.raises(ConfigurationError, match="there is no chat template at"):
        load_chat_template(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "entry", [3, [], ["x"], [{"name": "tool_use", "template": "x"}], [{"name": "default"}]]
)
def test_a_wrong_entry_is_named(tmp_path: Path, entry: object) -> None:
    tiny.write_json(tmp_path / "tokenizer_config.json", {"chat_template": entry})
    with pytest.raises(ConfigurationError, match=r'tokenizer_config\.json: .*named "default"'):
        find_chat_template(tmp_path)
