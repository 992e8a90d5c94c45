"""A template reaches nothing but its data, and neither hangs nor fills the memory."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.contracts.errors import WeftError
from weft.text.chat_template import ChatTemplate

CHAT = [{"role": "user", "content": "hi"}]

ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ messages.__class__ }}{{ messages.__class__.__base__.x }}",
    "{{ '{0.__class__.__mro__}'.format(1) }}",
    "{{ '{x.__class__}'.format_map({'x': 1}) }}",
    "{{ self.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ raise_exception.__globals__.x }}",
    "{{ (messages | attr('__class__')).x }}",
    "{{ lipsum.__globals__['os'] }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ joiner.__init__ }}",
    "{{ [1] | random }}",
    "{% set ns = namespace() %}{% set ns.__class__ = 1 %}",
    "{{ namespace(__init__=1) }}",
    "{{ messages.append(1) }}",
    "{{ messages[0].update({'role': 'x'}) }}",
    "{{ messages[0].__setitem__('role', 'x') }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{{ environment.globals }}",
    "{{ range.__self__.x }}",
    "{% macro m() %}{% endmacro %}{{ m._func.__globals__ }}",
    "{{ cat.__code__.x }}",
    "{% for x in [1] %}{{ loop._iterator.x.y }}{% endfor %}",
]

DOUBLING = "{% set ns = namespace(s='xx') %}{% for i in range(60) %}"
BOMBS = [
    "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
    "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "{{ range(10 ** 9) | list }}",
    DOUBLING + "{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
    DOUBLING + "{% set ns.s = ns.s + ns.s %}{% endfor %}",
    DOUBLING + "{% set x %}{{ ns.s }}{{ ns.s }}{% endset %}{% set ns.s = x %}{% endfor %}",
    DOUBLING + "{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
    DOUBLING + "{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s | tojson }}",
    DOUBLING + "{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s ~ '' }}",
    DOUBLING + "{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s | string }}",
    DOUBLING + "{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ '%s' % ns.s }}",
    "{% for i in range(100000) %}" + "x" * 1000 + "{% endfor %}",
    "{% for i in range(100000) %}{{ 'x' * 1000 }}{% endfor %}",
    "{{ 'x' * 10 ** 10 }}",
    "{{ [1] * 10 ** 10 }}",
    "{{ 10 ** (10 ** 10) }}",
    "{{ 'x' | center(10000000000) }}",
    "{{ 'x'.center(10000000000) }}",
    "{{ '%10000000000d' % 1 }}",
    "{{ '%*d' % (10000000000, 1) }}",
    "{{ '%10000000000d' | format(1) }}",
    "{{ '{:10000000000}'.format(1) }}",
    "{{ '{:{w}}'.format(1, w=10000000000) }}",
    "{{ ('\n' * 100000) | indent(1000000) }}",
    "{{ ('x' * 100000).replace('x', 'y' * 100000) }}",
    "{{ ('x' * 100000) | replace('x', 'y' * 100000) }}",
    "{{ ('x' * 100000).join(['x'] * 100000) }}",
    "{{ (['x'] * 100000) | join('x' * 100000) }}",
    "{{ [1] | tojson(indent=10000000000) }}",
]


@pytest.mark.parametrize("source", ESCAPES)
def test_nothing_outside_is_reached(source: str) -> None:
    shown = ""
    with contextlib.suppress(WeftError):
        shown = ChatTemplate(source).render(CHAT)
    assert shown == ""


@pytest.mark.timeout(30)
@pytest.mark.parametrize("source", BOMBS)
def test_what_would_not_end_is_refused(source: str) -> None:
    with pytest.raises(WeftError, match=r"does too much|fails for these messages|cannot be used"):
        ChatTemplate(source).render(CHAT)


def test_the_messages_of_the_caller_stay_as_they_are() -> None:
    message: dict[str, object] = {"role": "user", "content": [{"type": "text", "text": "a"}]}
    ChatTemplate("{{ messages[0].content }}").render([message])
    assert message == {"role": "user", "content": [{"type": "text", "text": "a"}]}


def test_each_rendering_has_its_own_budget() -> None:
    template = ChatTemplate("{% for i in range(90000) %}{{ 'x' * 40 }}{% endfor %}")
    assert len(template.render([])) == len(template.render([])) == 3_600_000


@given(
    st.lists(
        st.sampled_from(
            [
                "{{",
                "}}",
                "{%",
                "%}",
                "for m in",
                "messages",
                "if",
                "end",
                "set x =",
                "|",
                "'",
                ".content",
                "[",
                "1",
            ]
        )
    )
)
@settings(max_examples=40)
def test_any_source_renders_or_is_refused(words: list[str]) -> None:
    with contextlib.suppress(WeftError):
        ChatTemplate(" ".join(words)).render(CHAT)
