"""Constrained outputs of a whole model: the same tokens whatever happens; compiled off the loop, within a deadline."""

import asyncio
import json
import re
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.llm.tiny_model import END, OTHER_END, make_model
from tests.text.walks import satisfies
from weft import AsyncLLM, SamplingParams
from weft.contracts.constraints import Constraint, choice, json_schema, regex
from weft.contracts.errors import ConfigurationError, InvalidRequest, RequestRejected
from weft.contracts.events import Status
from weft.contracts.prompts import TokenPrompt
from weft.contracts.requests import Request
from weft.engine.client import generate
from weft.llm import constraining
from weft.llm.results import CompletionOutput
from weft.observation.conditions import report
from weft.text.constraints import Grammars, grammar

SCHEMA = {
    "type": "object",
    "properties": {
        "word": {"type": "string", "maxLength": 5},
        "n": {"type": "integer", "minimum": 0, "maximum": 99},
        "all": {"type": "array", "items": {"enum": ["é", "日本"]}, "maxItems": 2},
    },
    "required": ["word", "n", "all"],
    "additionalProperties": False,
}
CONSTRAINTS = [
    json_schema(SCHEMA),
    regex(r"[A-Z][a-z]{1,6} \d{2}"),
    choice(["yes", "no", "naïve 日本"]),
    Constraint("lark", 'start: "<call>" %json {"type": "integer", "minimum": 0, "maximum": 9} "</call>"'),
]
PARAMS = SamplingParams(max_tokens=100, temperature=1.0, seed=4)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "tiny")


@asynccontextmanager
async def loaded(model: Path, **options: Any) -> AsyncIterator[AsyncLLM]:
    async with AsyncLLM(model, **{"backend": "reference", "num_threads": 1, **options}) as llm:
        yield llm


def ask(
    model: Path, *params: SamplingParams, together: bool = True, **options: Any
) -> list[CompletionOutput]:
    """The outputs of one prompt under each of these, all at once or one after the other."""

    async def main() -> list[CompletionOutput]:
        async with loaded(model, **options) as llm:
            asked = [llm.generate("the sea", each) for each in params]
            told = await asyncio.gather(*asked) if together else [await each for each in asked]
        return [output for each in told for output in each.outputs]

    return asyncio.run(main())


def many() -> list[SamplingParams]:
    """Greedy, drawn and filtered, with every constraint, and free ones between them."""
    drawn = [replace(PARAMS, constraint=each, n=2) for each in CONSTRAINTS]
    greedy = [replace(PARAMS, constraint=each, temperature=0.0) for each in CONSTRAINTS[:2]]
    filtered = [replace(PARAMS, constraint=each, top_k=3, repetition_penalty=1.4) for each in CONSTRAINTS[:2]]
    return [*drawn, *greedy, replace(PARAMS, max_tokens=20), *filtered]


def test_every_output_belongs_to_its_language(model: Path) -> None:
    for constraint in CONSTRAINTS:
        for output in ask(
            model, *(replace(PARAMS, constraint=constraint, n=3, temperature=t) for t in (0.0, 1.0))
        ):
            assert output.finish_reason == "stop"
            if constraint.kind == "json_schema":
                assert satisfies(json.loads(output.text), SCHEMA)
            elif constraint.kind == "regex":
                assert re.fullmatch(constraint.source, output.text)
            else:
                assert re.fullmatch("yes|no|naïve 日本|<call>[0-9]</call>", output.text)


def test_the_same_tokens_alone_in_a_crowd_and_preempted(model: Path) -> None:
    alone = ask(model, *many(), together=False, max_num_seqs=1)
    crowd = ask(model, *many(), max_num_seqs=16)
    # 128 positions in blocks of 4, of 2 layers, 2 heads and 4 dimensions: room for one at full length
    before = report()["preemption by recompute"].hits
    squeezed = ask(
        model, *many(), max_num_seqs=16, block_tokens=4, kv_cache_memory_bytes=17_000, bounded=False
    )
    assert report()["preemption by recompute"].hits > before
    assert [each.token_ids for each in alone] == [each.token_ids for each in crowd]
    assert [each.token_ids for each in alone] == [each.token_ids for each in squeezed]


def test_what_is_cut_short_is_incomplete(model: Path) -> None:
    (cut,) = ask(model, replace(PARAMS, constraint=json_schema(SCHEMA), max_tokens=3))
    assert (cut.finish_reason, len(cut.token_ids)) == ("length", 3)


def test_the_output_ends_where_nothing_can_follow_whatever_else_is_asked(model: Path) -> None:
    word = replace(PARAMS, constraint=regex("(?:sea|tea)"), temperature=0.0)
    (plain,) = ask(model, word)
    others = (
        replace(word, ignore_eos=True),
        replace(word, min_tokens=50),
        replace(word, ignore_eos=True, top_p=0.1),
    )
    for output in ask(model, *others):
        assert (output.text, output.finish_reason) == (plain.text, "stop")
        assert output.token_ids == plain.token_ids
    assert not {END, OTHER_END} & set(plain.token_ids)


def test_an_end_that_does_not_count_is_not_produced_while_something_can_follow(model: Path) -> None:
    favoured = replace(PARAMS, constraint=regex("[a-z]{1,9}"), logit_bias={END: 100.0}, temperature=0.0)
    short, ignoring, at_least = ask(
        model, favoured, replace(favoured, ignore_eos=True), replace(favoured, min_tokens=3)
    )
    assert short.token_ids[-1] == END
    assert len(ignoring.text) == 9
    assert END not in at_least.token_ids[:3]


def test_log_probabilities_and_stop_strings_are_as_without(model: Path) -> None:
    (output,) = ask(model, replace(PARAMS, constraint=regex("a{20}"), logprobs=2, stop=("aaaaaaaaaaa",)))
    assert (output.text, output.finish_reason) == ("", "stop")
    (free,) = ask(model, replace(PARAMS, max_tokens=1, logprobs=2))
    assert output.logprobs[0].likeliest == free.logprobs[0].likeliest


def test_a_constraint_that_nobody_compiled_fails_its_own_request_only(model: Path) -> None:
    async def main() -> None:
        async with loaded(model) as llm:
            await llm.generate("the", replace(PARAMS, max_tokens=1))
            asked = [
                Request("wrong", TokenPrompt((5, 6)), replace(PARAMS, constraint=regex("never compiled"))),
                Request("right", TokenPrompt((5, 6)), replace(PARAMS, max_tokens=9, ignore_eos=True)),
            ]
            wrong, right = await asyncio.gather(*(generate(llm._driven(), each) for each in asked))
            assert wrong.status is Status.FAILED
            assert "was not compiled" in wrong.reason
            assert right.status is Status.FINISHED
            assert len(right.outputs[0]) == 9
            assert llm.engine is not None
            llm.engine.check_integrity()

    asyncio.run(main())


def test_a_hostile_constraint_is_refused_and_nobody_else_notices(model: Path) -> None:
    async def main() -> None:
        async with loaded(model) as llm:
            with pytest.raises(InvalidRequest, match="unclosed group"):
                await llm.generate("the", replace(PARAMS, constraint=regex("(")))
            with pytest.raises(InvalidRequest, match="beam search"):
                replace(PARAMS, constraint=regex("a"), beam_width=2)
            assert (await llm.generate("the", replace(PARAMS, constraint=regex("a{3}")))).outputs[
                0
            ].text == "aaa"

    asyncio.run(main())


def test_compilation_has_a_deadline_and_a_bound_and_leaves_the_loop_free(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, compile_it = threading.Event(), grammar.compile_grammar

    def slow(constraint: Constraint, vocabulary: Any) -> Any:
        if "slow" in constraint.source:
            release.wait(20)
        return compile_it(constraint, vocabulary)

    monkeypatch.setattr(grammar, "compile_grammar", slow)
    monkeypatch.setattr(constraining, "DEADLINE_S", 0.3)

    async def main() -> None:
        async with loaded(model) as llm:
            await llm.generate("the", replace(PARAMS, constraint=regex("warm")))
            names = ["slow1", "slow2", "slow2", "slow3"]
            asked = [llm.generate("the", replace(PARAMS, constraint=regex(name))) for name in names]
            start = time.perf_counter()
            told = asyncio.gather(*asked, return_exceptions=True)
            free = await llm.generate("the", replace(PARAMS, max_tokens=3, ignore_eos=True))
            assert len(free.outputs[0].token_ids) == 3
            errors = await told
            assert time.perf_counter() - start < 15
            assert [type(error) for error in errors] == [InvalidRequest] * 3 + [RequestRejected]
            assert "takes longer than 0.3 s" in str(errors[0])
            release.set()
            with pytest.raises(InvalidRequest, match="takes longer"):
                await llm.generate("the", replace(PARAMS, constraint=regex("slow1")))

    asyncio.run(main())


def test_what_is_asked_by_many_is_compiled_once(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled, compile_it = [], Grammars.compile

    def counted(self: Grammars, constraint: Constraint) -> None:
        compiled.append(constraint)
        compile_it(self, constraint)

    monkeypatch.setattr(Grammars, "compile", counted)
    ask(model, *[replace(PARAMS, constraint=regex("a{9}"))] * 5)
    assert len(compiled) == 1


def test_a_model_without_a_tokenizer_takes_no_constraint(tmp_path: Path) -> None:
    directory = make_model(tmp_path / "tiny")
    (directory / "tokenizer.json").unlink()

    async def main() -> None:
        async with loaded(directory) as llm:
            with pytest.raises(ConfigurationError, match="no tokenizer"):
                await llm.generate([5, 6], replace(PARAMS, constraint=regex("a")))

    asyncio.run(main())
