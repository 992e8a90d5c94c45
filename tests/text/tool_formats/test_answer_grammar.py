"""What is enforced is what is read back, and nothing else can be said."""

import re
from collections.abc import Sequence
from typing import Any

import pytest

from tests.text import tiny
from tests.text.answers import read, said
from tests.text.chat_families import FAMILIES, HERMES
from tests.text.tool_formats.test_call_reader import calls_in, form_of, written
from weft.contracts.constraints import Constraint
from weft.contracts.errors import InvalidRequest
from weft.text.chat_abilities import ChatAbilities
from weft.text.chat_template import ChatTemplate
from weft.text.chat_tools import FunctionTool
from weft.text.constraints.grammar import compile_grammar
from weft.text.constraints.vocabulary import ConstraintVocabulary
from weft.text.loading import load_tokenizer
from weft.text.tokenizer import Tokenizer
from weft.text.tool_formats.answer_grammar import AnswerGrammar, Thinking

END = 2
WEATHER = FunctionTool(
    "weather", "", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
)
SUN = FunctionTool("sun")
TOOLS = (WEATHER, SUN)
ONE: list[tuple[str, dict[str, Any]]] = [("weather", {"a": 12})]
TWO = [*ONE, ("sun", {})]
MARKERS = ["[TOOL_CALLS]", "[ARGS]", "[CALL_ID]", "<tool_call>", "</tool_call>", "<think>", "</think>"]


@pytest.fixture(scope="module", params=["markers are text", "markers are special"])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    folder = tmp_path_factory.mktemp("marked")
    made = tiny.byte_level()
    if request.param == "markers are special":
        made.add_special_tokens(MARKERS)
    (folder / "tokenizer.json").write_text(made.to_str(), encoding="utf-8")
    tiny.write_json(folder / "tokenizer_config.json", tiny.CONFIG)
    return load_tokenizer(folder)


class Language:
    """What a grammar allows, for this tokenizer."""

    def __init__(self, tokenizer: Tokenizer, source: str) -> None:
        self._tokenizer = tokenizer
        vocabulary = ConstraintVocabulary(tokenizer, tokenizer.vocab_size, (END,))
        self._grammar = compile_grammar(Constraint("lark", source), vocabulary)

    def allows(self, text: str, *, whole: bool = True) -> bool:
        """A text, or one that begins so."""
        matcher = self._grammar.matcher()
        matcher.advance(self._tokenizer.encode(text, add_special=False))
        if whole and not matcher.is_over:
            matcher.advance([END])
        return matcher.problem is None


def grammar_of(tokenizer: Tokenizer, thinking: Thinking = "never") -> AnswerGrammar:
    return AnswerGrammar(ChatAbilities(ChatTemplate(HERMES), tokenizer).symbol, thinking)


def exact(family: str, calls: Sequence[tuple[str, dict[str, Any]]]) -> str:
    """As the family's template has it, without what ours leaves out or cannot know."""
    return re.sub(r', "id": "\d+"', "", written(family, list(calls))).removeprefix("\n")


@pytest.mark.parametrize("family", [*FAMILIES, "weft"])
def test_demanded_calls(family: str, tokenizer: Tokenizer) -> None:
    form, grammar = form_of(family), grammar_of(tokenizer)
    one, many = (Language(tokenizer, grammar.calls(form, TOOLS, parallel=more)) for more in (False, True))
    assert one.allows(exact(family, ONE))
    assert many.allows(exact(family, ONE))
    assert many.allows(exact(family, TWO))
    assert not one.allows(exact(family, TWO))
    assert calls_in(read(form, [exact(family, TWO)])) == TWO
    assert not many.allows("text", whole=False)
    assert not many.allows(exact(family, [("weather", {"a": "x"})]))
    assert not many.allows(exact(family, [("weather", {"a": 1, "b": 2})]))
    assert not many.allows(exact(family, [("moon", {})]))
    named = Language(tokenizer, grammar.calls(form, [SUN], parallel=False))
    assert named.allows(exact(family, [("sun", {})]))
    assert not named.allows(exact(family, ONE))


@pytest.mark.parametrize("family", [*FAMILIES, "weft"])
def test_text_or_calls(family: str, tokenizer: Tokenizer) -> None:
    form = form_of(family)
    language = Language(tokenizer, grammar_of(tokenizer).calls_or_text(form, TOOLS, parallel=True))
    for text in ("Hello!", "Où ça? [1] <b>", "a {1}"):
        assert language.allows(text)
        assert said(read(form, [text])) == text
    for calls in (ONE, TWO):
        assert language.allows(exact(family, calls))
        assert calls_in(read(form, [exact(family, calls)])) == calls
    if form.marker:
        after = f"Let me see. {exact(family, TWO)}"
        assert language.allows(after)
        assert (calls_in(read(form, [after])), said(read(form, [after]))) == (TWO, "Let me see.")
    begun = form.marker or "{"
    assert language.allows(begun, whole=False)
    assert not language.allows(f"{begun}moon", whole=False)


def test_json_or_calls(tokenizer: Tokenizer) -> None:
    schema = {"type": "object", "properties": {"b": {"type": "boolean"}}, "required": ["b"]}
    grammar = grammar_of(tokenizer).calls_or_json(form_of("hermes"), TOOLS, schema, parallel=True)
    language = Language(tokenizer, grammar)
    assert language.allows('{"b": true}')
    assert language.allows(exact("hermes", TWO))
    assert not language.allows("Hello!", whole=False)


@pytest.mark.parametrize("family", [*FAMILIES, "weft"])
@pytest.mark.parametrize(
    ("thinking", "thoughts"), [("perhaps", "<think>Hm, <b>?</think>\n\n"), ("now", "Hm, <b>?\n</think>")]
)
def test_thoughts_come_before(family: str, thinking: Thinking, thoughts: str, tokenizer: Tokenizer) -> None:
    form, grammar = form_of(family), grammar_of(tokenizer, thinking)
    demanded = Language(tokenizer, grammar.calls(form, TOOLS, parallel=True))
    free = Language(tokenizer, grammar.calls_or_text(form, TOOLS, parallel=True))
    for language in (demanded, free):
        assert language.allows(thoughts + exact(family, TWO))
        assert language.allows(exact(family, TWO)) == (thinking == "perhaps")
    assert not demanded.allows(f"{thoughts}text", whole=False)
    assert free.allows(f"{thoughts}text")


def test_what_cannot_be_enforced_is_refused_where_it_must_be(tokenizer: Tokenizer) -> None:
    parameters = {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}}
    form, grammar = form_of("hermes"), grammar_of(tokenizer)
    lenient, strict = (FunctionTool("odd", "", parameters, strict) for strict in (False, True))
    assert Language(tokenizer, grammar.calls(form, [lenient], parallel=False)).allows(
        exact("hermes", [("odd", {"a": [1, 1]})])
    )
    with pytest.raises(InvalidRequest, match="uniqueItems"):
        Language(tokenizer, grammar.calls(form, [strict], parallel=False))
