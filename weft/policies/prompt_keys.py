"""Keys of a prompt's blocks, equal where a replica could use the state of one for the other."""

from hashlib import blake2b

from weft.contracts.prompts import Sharing
from weft.contracts.requests import Request

KEY_BYTES = 16
"""A collision sends a request to a replica that has nothing cached for it, and shows nothing to anybody."""


class PromptKeys:
    """Chains the content of whole blocks from the beginning of a prompt, as an engine does (`PrefixKeys` there), from
    the adapter and from who may share: the salt, or without one the tenant. Remembers the last request's."""

    def __init__(self, block_tokens: int) -> None:
        self._block_tokens = block_tokens
        self._last: tuple[Request, list[bytes]] | None = None

    def keys(self, request: Request) -> list[bytes]:
        """One for each whole block; none where nobody else can have this content."""
        if self._last is None or self._last[0] is not request:
            self._last = (request, self._chain(request))
        return self._last[1]

    def _chain(self, request: Request) -> list[bytes]:
        prompt, size = request.prompt, self._block_tokens
        if prompt.sharing is Sharing.NOTHING:
            return []
        salted = request.cache_salt is not None
        owner = (salted, request.cache_salt if salted else request.tenant, request.adapter)
        parent, keys = repr(owner).encode(), []
        for block in range(prompt.num_tokens // size):
            parent = blake2b(parent + prompt.content_key(block, size), digest_size=KEY_BYTES).digest()
            keys.append(parent)
        return keys
