"""The routes of Anthropic's protocol."""

from starlette.types import Scope

from weft.llm.language_model import LanguageModel
from weft.server.conversation.conversation import Conversation
from weft.server.error_formats import REQUEST_ID
from weft.server.messages.dialect import MessagesDialect
from weft.server.messages.schema import CountTokensBody, MessagesBody
from weft.server.messages.turns import conversation_ask
from weft.server.protocol.dialect import Json
from weft.server.protocol.fields import RequestFields
from weft.server.protocol.generation_route import GenerationRoute
from weft.server.state import ServerState


class MessagesRoute(GenerationRoute):
    """/v1/messages."""

    def __init__(self, state: ServerState) -> None:
        super().__init__(state, MessagesDialect)

    def _make_dialect(self, llm: LanguageModel, body: RequestFields, scope: Scope) -> MessagesDialect:
        assert isinstance(body, MessagesBody)
        return MessagesDialect(llm, body, scope[REQUEST_ID])


async def count_tokens(state: ServerState, body: CountTokensBody) -> Json:
    """/v1/messages/count_tokens: how long a prompt this conversation makes."""
    state.check_model(body.model)
    llm = state.loaded.llm
    tokens = await Conversation(llm, conversation_ask(body, llm)).encode()
    return {"input_tokens": len(tokens)}
