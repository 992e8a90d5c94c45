"""/tokenize and /detokenize: texts and conversations as tokens, and back."""

import asyncio
from collections.abc import Sequence

from weft.server.conversation.ask import ConversationAsk
from weft.server.conversation.conversation import Conversation
from weft.server.errors import ApiError
from weft.server.protocol.dialect import Json
from weft.server.protocol.token_logprobs import TokenNames
from weft.server.state import ServerState
from weft.server.tokenize.schema import DetokenizeBody, TokenizeBody
from weft.text.tokenizer import Tokenizer


async def tokenize(state: ServerState, body: TokenizeBody) -> Json:
    """What a prompt or a conversation is to the model."""
    tokenizer = _tokenizer(state, body.model)
    tokens = await _tokens(state, body, tokenizer)
    names = TokenNames(tokenizer)
    return {
        "count": len(tokens),
        "max_model_len": state.loaded.llm.prompting.max_model_len,
        "tokens": tokens,
        "token_strs": [names.text(token) for token in tokens] if body.return_token_strs else None,
    }


async def detokenize(state: ServerState, body: DetokenizeBody) -> Json:
    """The text of tokens, special ones written out."""
    tokenizer = _tokenizer(state, body.model)
    return {"prompt": await asyncio.to_thread(tokenizer.decode, body.tokens, skip_special=False)}


async def _tokens(state: ServerState, body: TokenizeBody, tokenizer: Tokenizer) -> Sequence[int]:
    if (body.prompt is None) == (body.messages is None):
        given = "neither prompt nor messages is" if body.prompt is None else "prompt and messages are both"
        raise ApiError(400, f"{given} given; give one of them", param="prompt")
    if body.messages is not None:
        if body.add_special_tokens:
            raise ApiError(
                400,
                "add_special_tokens is True; a conversation has its special tokens from its template; leave it out",
                param="add_special_tokens",
                code="unsupported",
            )
        return await Conversation(state.loaded.llm, ConversationAsk(body.messages)).encode()
    adds = body.add_special_tokens is not False
    return await asyncio.to_thread(tokenizer.encode, body.prompt or "", add_special=adds)


def _tokenizer(state: ServerState, model: str | None) -> Tokenizer:
    if model is not None:
        state.check_model(model)
    tokenizer = state.loaded.llm.prompting.tokenizer
    if tokenizer is None:
        raise ApiError(
            400, "this model has no tokenizer; start the server with --tokenizer", code="no_tokenizer"
        )
    return tokenizer
