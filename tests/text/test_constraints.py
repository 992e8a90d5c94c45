"""Constraints: what they allow, in every kind of tokenizer, and what is refused before it costs anything."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.text import tiny
from tests.text.walks import allowed, compiled, satisfies, schemas, walk
from weft.contracts.constraints import Constraint, choice, constraint_from, json_object, json_schema, regex
from weft.contracts.errors import InvalidRequest
from weft.text.constraints import Grammars
from weft.text.constraints.vocabulary import ConstraintVocabulary
from weft.text.loading import load_tokenizer
from weft.text.tokenizer import Tokenizer

END = 2


def _saved(folder: Path, kind: str) -> Tokenizer:
    if kind == "sentencepiece":
        (folder / "tokenizer.model").write_bytes(tiny.sentencepiece_model())
    else:
        (folder / "tokenizer.json").write_text(getattr(tiny, kind)().to_str(), encoding="utf-8")
        tiny.write_json(folder / "tokenizer_config.json", tiny.CONFIG)
    return load_tokenizer(folder)


@pytest.fixture(scope="module", params=["byte_level", "byte_fallback", "sentencepiece"])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return _saved(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def vocabulary(tokenizer: Tokenizer) -> ConstraintVocabulary:
    """As of a model that has more logits than its tokenizer has tokens."""
    return ConstraintVocabulary(tokenizer, tokenizer.vocab_size + 5, (END,))


@settings(max_examples=40, deadline=None)
@given(schema=schemas(), seed=st.integers(0, 99))
def test_whatever_is_allowed_to_the_end_satisfies_the_schema(
    tokenizer: Tokenizer, vocabulary: ConstraintVocabulary, schema: dict[str, Any], seed: int
) -> None:
    tokens, has_ended = walk(compiled(json_schema(schema), vocabulary), seed)
    assert has_ended
    assert satisfies(json.loads(tokenizer.decode(tokens)), schema)


@pytest.mark.parametrize(
    "pattern", [r"[A-Z][a-z]{1,5} \d{2}", "(日本|naïve|é)+x", r"a/b\\/\n[/]{2}", "(?i)the sea|"]
)
def test_a_regex_matches_the_whole_text(
    tokenizer: Tokenizer, vocabulary: ConstraintVocabulary, pattern: str
) -> None:
    for seed in range(20):
        tokens, has_ended = walk(compiled(regex(pattern), vocabulary), seed)
        assert has_ended
        assert re.fullmatch(pattern, tokenizer.decode(tokens)), tokenizer.decode(tokens)


def test_one_of_the_choices_comes_out_and_each_can(
    tokenizer: Tokenizer, vocabulary: ConstraintVocabulary
) -> None:
    texts = ['say "yes"\\', "no", "nö\u2028\x7f", "日\n本"]
    grammar = compiled(choice(texts), vocabulary)
    told = {tokenizer.decode(walk(grammar, seed)[0]) for seed in range(60)}
    assert told == set(texts)


def test_the_end_is_allowed_where_the_text_is_complete_and_nowhere_else(
    vocabulary: ConstraintVocabulary,
) -> None:
    matcher = compiled(regex("aa?"), vocabulary).matcher()
    assert END not in allowed(matcher)
    first = allowed(matcher)[0]
    matcher.advance((first,))
    assert END in allowed(matcher)
    assert not matcher.is_over
    matcher.rewind(0)
    assert END not in allowed(matcher)


def test_what_does_not_belong_is_a_problem_of_this_output_only(vocabulary: ConstraintVocabulary) -> None:
    grammar = compiled(regex("a+"), vocabulary)
    wrong, right = grammar.matcher(), grammar.matcher()
    wrong.advance((END,))
    right.advance((allowed(right)[0],))
    assert wrong.problem
    assert "0x" not in wrong.problem
    assert right.problem is None


def test_a_leading_space_is_refused_where_the_tokenizer_drops_it(
    tokenizer: Tokenizer, vocabulary: ConstraintVocabulary
) -> None:
    tokens, _ = walk(compiled(regex(" ?the"), vocabulary), 1)
    assert tokenizer.decode(tokens) in ("the", " the")
    if vocabulary.not_first is None:
        compiled(regex(" the"), vocabulary)


def test_two_kinds_at_once_are_refused_and_each_alone_is_taken() -> None:
    assert constraint_from() is None
    assert constraint_from(json_object=False) is None
    assert constraint_from(json_object=True) == json_object()
    assert constraint_from(json='{"a": 1}') == Constraint("json_schema", '{"a": 1}')
    assert constraint_from(grammar="start: A") == Constraint("lark", "start: A")
    assert constraint_from(choice=["a"]) == choice(["a"])
    with pytest.raises(InvalidRequest, match="regex and choice are given"):
        constraint_from(regex="a", choice=["a"])
    with pytest.raises(InvalidRequest, match="choice is empty"):
        constraint_from(choice=[])


def _chain(count: int) -> dict[str, Any]:
    links: dict[str, Any] = {
        f"d{i}": {"type": "array", "items": {"$ref": f"#/$defs/d{i + 1}"}} for i in range(count)
    }
    return {"$defs": links | {f"d{count}": {"type": "string"}}, "$ref": "#/$defs/d0"}


def _rules(count: int) -> str:
    return "start: a0\n" + "".join(f"a{i}: a{i + 1}\n" for i in range(count)) + f'a{count}: "x"'


HOSTILE: list[tuple[Callable[[], Constraint], str]] = [
    (lambda: regex("a" * 1_000_000), "1000000 characters; at most 16384"),
    (lambda: Constraint("json_schema", "[" * 1_000_000), "at most 131072"),
    (lambda: Constraint("json_schema", '{"items":' * 9000), "nested more than 100 deep"),
    (lambda: regex("(" * 8000), "nested more than 100 deep"),
    (lambda: Constraint("lark", "start: " + "(" * 60_000), "nested more than 100 deep"),
    (lambda: json_schema(_chain(1500)), "levels, those behind \\$ref included"),
    (lambda: json_schema({"$ref": "#/a", **{str(i): {"$ref": f"#/{i}/x"} for i in range(400)}}), "levels"),
    (lambda: Constraint("lark", _rules(5000)), "5001 lines and brackets"),
    (lambda: Constraint("lark", "start: %json " + json.dumps(_chain(1500))), "levels"),
    (lambda: Constraint("lark", 'start: %json {"a": '), "what follows %json"),
    (lambda: json_schema({"properties": {str(i): {} for i in range(1001)}}), "1001 properties; at most 1000"),
    (lambda: json_schema({"type": "integer", "multipleOf": 99_999}), "multipleOf"),
    (lambda: json_schema({"allOf": [{"multipleOf": 9973}, {"multipleOf": 9967}]}), "multipleOf"),
    (lambda: Constraint("json_schema", '{"multipleOf": 1e400}'), "multipleOf"),
    (lambda: json_schema({"$ref": "#"}), "no text"),
    (lambda: json_schema({"type": "string", "minLength": 3, "maxLength": 1}), "satisfied by nothing"),
    (lambda: json_schema({"type": "array", "uniqueItems": True}), "uniqueItems.*leave them out"),
    (lambda: json_schema({"type": "string", "format": "colour"}), "format 'colour'"),
    (lambda: json_schema({"$ref": "http://example.com/x.json"}), r"\$defs"),
    (lambda: json_schema({"oneOf": [{}, {}]}), "use anyOf"),
    (lambda: Constraint("json_schema", "{"), "no JSON"),
    (lambda: Constraint("json_schema", "7"), "a schema is an object"),
    (lambda: regex("(a"), "unclosed group"),
    (lambda: regex("a(?=b)"), "looks ahead"),
    (lambda: regex(r"(a)\1"), "refers back"),
    (lambda: regex(""), "the empty one"),
    (lambda: regex("\ud800"), "surrogate"),
    (lambda: choice(["\ud800"]), "grammar"),
    (lambda: Constraint("lark", "start: a"), "unknown name"),
    (lambda: Constraint("lark", ""), "grammar"),
]


@pytest.mark.parametrize(("make", "complaint"), HOSTILE)
def test_what_cannot_be_enforced_is_refused_at_once_in_one_sentence(
    byte_level: ConstraintVocabulary, make: Callable[[], Constraint], complaint: str
) -> None:
    constraint, start = make(), perf_counter()
    with pytest.raises(InvalidRequest, match=complaint) as refused:
        compiled(constraint, byte_level)
    assert perf_counter() - start < 2.0
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory: pytest.TempPathFactory) -> ConstraintVocabulary:
    return ConstraintVocabulary(_saved(tmp_path_factory.mktemp("byte_level"), "byte_level"), 400, (END,))


def test_a_model_without_an_end_can_finish_a_text(tmp_path: Path) -> None:
    tokenizer = _saved(tmp_path, "byte_level")
    tokens, has_ended = walk(compiled(regex("(the|sea)"), ConstraintVocabulary(tokenizer, 400, ())), 0)
    assert has_ended
    assert tokenizer.decode(tokens) in ("the", "sea")


def test_grammars_in_use_are_kept_and_the_others_bounded(tmp_path: Path) -> None:
    grammars = Grammars(_saved(tmp_path, "byte_level"), 400, (END,))
    grammars.prepare()
    first = regex("first")
    assert not grammars.hold(first)
    grammars.compile(first)
    assert grammars.hold(first)
    for number in range(100):
        grammars.compile(regex(f"n{number}"))
    assert grammars.find(first) is not None
    assert grammars.find(regex("n0")) is None
    assert grammars.find(regex("n99")) is not None
    grammars.release(first)
    assert grammars.find(first) is not None


def test_a_refusal_is_remembered(tmp_path: Path) -> None:
    grammars = Grammars(_saved(tmp_path, "byte_level"), 400, (END,))
    grammars.prepare()
    with pytest.raises(InvalidRequest):
        grammars.compile(regex("(a"))
    with pytest.raises(InvalidRequest, match="unclosed"):
        grammars.hold(regex("(a"))
    assert grammars.find(regex("(a")) is None
