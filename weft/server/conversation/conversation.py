"""A conversation with a model, whatever the protocol: its prompt, what the answer must look like, how to read it."""

import asyncio
import json
import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from weft.contracts.constraints import Constraint
from weft.contracts.errors import InvalidRequest
from weft.contracts.requests import SamplingParams
from weft.llm.language_model import LanguageModel
from weft.server.conversation.ask import (
    ConversationAsk,
    JsonSchema,
    NamedTool,
    ResponseFormat,
)
from weft.server.conversation.checks import check_ask, require_abilities
from weft.text.answer_reader import AnswerReader
from weft.text.chat_messages import template_messages
from weft.text.chat_tools import FunctionTool
from weft.text.reasoning import END_THINK, THINK, ReasoningReader
from weft.text.tool_formats.answer_grammar import AnswerGrammar, Thinking
from weft.text.tool_formats.argument_schema import with_options
from weft.text.tool_formats.call_reader import CallReader


class Conversation:
    """One conversation with a loaded model. `encode` comes first: how the prompt ends decides how outputs begin.

    Raises `ApiError` for what this model cannot do, or what does not go together.
    """

    def __init__(self, llm: LanguageModel, ask: ConversationAsk) -> None:
        self._abilities = require_abilities(llm)
        check_ask(ask, self._abilities)
        self._llm, self._ask = llm, ask
        # Tools that must not be called are not shown to the model either.
        self._tools = () if ask.tool_choice == "none" else ask.tools
        self._thinking: Thinking = "perhaps" if self._abilities.thinks else "never"
        self.constraint: Constraint | None = None
        """What outputs must look like; None leaves them free."""

    async def encode(self) -> tuple[int, ...]:
        """The prompt's tokens; template, tokenizer and large schemas are worked on in a thread. Raises
        `InvalidRequest`."""
        return await asyncio.to_thread(self._encode)

    def _encode(self) -> tuple[int, ...]:
        prompting, abilities = self._llm.prompting, self._abilities
        messages = template_messages(self._ask.messages, has_developers=abilities.has_developers)
        tools = [_described(tool) for tool in self._tools] or None
        prompt = _without_place(
            lambda: prompting.render(messages, tools=tools, **self._ask.template_variables), self._llm
        )
        if self._abilities.thinks:
            self._thinking = _thinking_after(prompt)
        self.constraint = self._constraint()
        return prompting.encode_rendered(prompt)

    def sampling(self, sampling: SamplingParams) -> SamplingParams:
        """These parameters, with what holds for answers of this conversation: its constraint, and markers shown."""
        return replace(sampling, constraint=self.constraint, skip_special_tokens=not self._needs_markers)

    def reader(self) -> AnswerReader:
        """A fresh one, for one output."""
        is_thinking = self._thinking == "now"
        reasoning = None if self._thinking == "never" else ReasoningReader(is_thinking=is_thinking)
        return AnswerReader(reasoning, self._call_reader() if self._tools else None)

    def _constraint(self) -> Constraint | None:
        said = self._ask.response_format
        if self._tools:
            return Constraint("lark", self._calls_grammar(self._tools))
        if said is None:
            return None
        if isinstance(said, Constraint):
            return self._after_thoughts(said)
        if self._thinking == "never":
            return Constraint("json_schema", json.dumps(_schema(said)))
        return Constraint("lark", self._grammar.json(_schema(said)))

    @property
    def _grammar(self) -> AnswerGrammar:
        return AnswerGrammar(self._abilities.symbol, self._thinking)

    def _calls_grammar(self, tools: tuple[FunctionTool, ...]) -> str:
        form, choice, said = self._abilities.form, self._ask.tool_choice, self._ask.response_format
        assert form is not None  # `check_ask` refuses tools else
        parallel = self._ask.parallel_tool_calls
        if isinstance(choice, NamedTool):
            named = tuple(tool for tool in tools if tool.name == choice.name)
            return self._grammar.calls(form, named, parallel=parallel)
        if choice == "required":
            return self._grammar.calls(form, tools, parallel=parallel)
        if said is None:
            return self._grammar.calls_or_text(form, tools, parallel=parallel)
        assert not isinstance(said, Constraint)  # as above
        return self._grammar.calls_or_json(form, tools, _schema(said), parallel=parallel)

    def _after_thoughts(self, language: Constraint) -> Constraint:
        if self._thinking == "never":
            return language
        if language.kind == "json_schema":
            return Constraint("lark", self._grammar.json(_read_schema(language.source)))
        raise InvalidRequest(
            "structured_outputs is a regex, a choice or a grammar, and this model thinks before it answers; switch its "
            "thinking off, or give a JSON schema"
        )

    def _call_reader(self) -> CallReader:
        form = self._abilities.form
        assert form is not None
        new_id = _short_id if form.has_short_ids else _long_id
        return CallReader(form, frozenset(tool.name for tool in self._tools), new_id)

    @property
    def _needs_markers(self) -> bool:
        """Markers that are special tokens show in the text only where these are not left out."""
        form = self._abilities.form if self._tools else None
        marker = "" if form is None else form.marker
        is_hidden = marker != "" and self._abilities.is_special(marker)
        return is_hidden or (self._thinking != "never" and self._abilities.is_special(END_THINK))


def _thinking_after(prompt: str) -> Thinking:
    """A prompt may begin the thoughts, or, where they are switched off, have ended them already."""
    end = prompt.rstrip()
    if end.endswith(THINK):
        return "now"
    return "never" if end.endswith(END_THINK) else "perhaps"


def _schema(said: ResponseFormat) -> dict[str, Any]:
    if isinstance(said, JsonSchema):
        return with_options(said.schema, strict=said.strict)
    return with_options({"type": "object"}, strict=True)


def _read_schema(source: str) -> dict[str, Any]:
    """A schema that a client gave as text."""
    try:
        schema = json.loads(source)
    except (ValueError, RecursionError):
        schema = None
    if not isinstance(schema, dict):
        raise InvalidRequest(
            "structured_outputs has a schema that is no JSON object; give an object, or its JSON text"
        )
    return schema


def _described(tool: FunctionTool) -> dict[str, Any]:
    """As templates expect it."""
    parameters = tool.parameters or {"type": "object", "properties": {}}
    function = {"name": tool.name, "description": tool.description, "parameters": parameters}
    return {"type": "function", "function": function}


def _without_place(render: Callable[[], str], llm: LanguageModel) -> str:
    """Complaints of a template name its file, which is nobody's business outside."""
    try:
        return render()
    except InvalidRequest as error:
        template = llm.prompting.chat_template
        assert template is not None
        raise InvalidRequest(str(error).replace(template.where, "the chat template")) from None


def _long_id() -> str:
    return f"call_{secrets.token_hex(12)}"


def _short_id() -> str:
    return secrets.token_hex(5)[:9]
