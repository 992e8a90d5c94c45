"""What a conversation may ask of a model: errors say what this model, or the combination, does not allow."""

from collections import Counter

from weft.llm.language_model import LanguageModel
from weft.server.conversation.ask import ConversationAsk, NamedTool
from weft.server.errors import ApiError
from weft.text.chat_abilities import ChatAbilities


def require_abilities(llm: LanguageModel) -> ChatAbilities:
    """What the model's template can do. Raises `ApiError` 400 for a model that cannot chat."""
    prompting = llm.prompting
    if prompting.abilities is not None:
        return prompting.abilities
    what = "tokenizer" if prompting.tokenizer is None else "chat template"
    raise ApiError(
        400,
        f"this model has no {what}, so it cannot chat; use /v1/completions, or start the server with "
        f"--{what.replace(' ', '-')}",
        code="no_chat",
    )


def check_ask(ask: ConversationAsk, abilities: ChatAbilities) -> None:
    """Raises `ApiError` 400 for what does not go together, or not with this model."""
    _check_switches(ask, abilities)
    _check_choice(ask)
    if not ask.tools or ask.tool_choice == "none":
        return
    if not abilities.reads_tools:
        raise _refusal("tools", "this model's chat template has no place for tools; leave them out")
    if abilities.form is None:
        raise _refusal(
            "tools",
            "it is not known how this model writes calls of tools; leave them out, or start the server with "
            "--tool-format",
        )
    _check_format(ask, has_marker=bool(abilities.form.marker))


def _check_switches(ask: ConversationAsk, abilities: ChatAbilities) -> None:
    for name, value in ask.template_variables.items():
        if name not in abilities.switches:
            known = ", ".join(abilities.switches) or "none"
            raise _refusal(
                "chat_template_kwargs", f"{name[:60]!r} is no switch of this model; its switches are: {known}"
            )
        if not isinstance(value, bool):
            raise _refusal("chat_template_kwargs", f"{name} is {str(value)[:60]!r}; it must be true or false")


def _check_choice(ask: ConversationAsk) -> None:
    names = Counter(tool.name for tool in ask.tools)
    for name, count in names.items():
        if count > 1:
            raise _refusal("tools", f"{count} tools are called {name!r}; give each a name of its own")
    if isinstance(ask.tool_choice, NamedTool) and ask.tool_choice.name not in names:
        known = ", ".join(map(repr, names)) or "none"
        raise _refusal(
            "tool_choice", f"tool_choice names {ask.tool_choice.name!r}; the tools given are: {known}"
        )
    if ask.tool_choice == "required" and not ask.tools:
        raise _refusal("tool_choice", "tool_choice is 'required', and there are no tools; give some")


def _check_format(ask: ConversationAsk, *, has_marker: bool) -> None:
    if ask.response_format is None:
        return
    if ask.tool_choice != "auto":
        raise _refusal(
            "response_format",
            "response_format is given, and tool_choice demands a call, so that nothing would be said; give one of them",
        )
    if not has_marker:
        raise _refusal(
            "response_format",
            "response_format is given with tools; this model writes its calls as plain JSON, which could not be told "
            "apart; give one of them, or set tool_choice to 'none'",
        )


def _refusal(param: str, message: str) -> ApiError:
    return ApiError(400, message, param=param, code="unsupported" if param == "tools" else "invalid_value")
