"""Keys under which computed state can be found again.

A block's key is the SHA-256 of its parent's key and its content, so that equal keys mean equal prefixes.
The chain starts from all else that decides the state's bits or who may share it: numeric fingerprint,
weights version, adapter, salt. SHA-256 because a collision would hand one client's state to another.
"""

from hashlib import sha256

from weft.contracts.prompts import Sharing
from weft.contracts.requests import Request
from weft.engine.sequence import Sequence


class PrefixKeys:
    """Extends sequences' key chains, under the current weights version."""

    def __init__(self, numeric_fingerprint: str, block_tokens: int) -> None:
        self.weights_version = 0
        self._fingerprint = numeric_fingerprint
        self._block_tokens = block_tokens

    def root(self, request: Request) -> bytes:
        """Where the chain of a request starts. Requests share a chain only under equal salts."""
        salt = request.tenant if request.cache_salt is None else request.cache_salt
        kind = "tenant" if request.cache_salt is None else "salt"
        parts = (self._fingerprint, self.weights_version, request.adapter, kind, salt)
        return sha256(repr(parts).encode()).digest()

    def extend(self, sequence: Sequence, num_blocks: int) -> list[bytes]:
        """The keys of at least the first `num_blocks` full blocks; their tokens must be known."""
        keys = sequence.keys
        if len(keys) >= num_blocks:
            return keys
        if sequence.request.prompt.sharing is Sharing.NOTHING:
            self._extend_private(sequence, num_blocks)
            return keys
        parent = keys[-1] if keys else self.root(sequence.request)
        for block in range(len(keys), num_blocks):
            parent = sha256(parent + self._content(sequence, block)).digest()
            keys.append(parent)
        return keys

    def _content(self, sequence: Sequence, block: int) -> bytes:
        prompt, size, length = sequence.request.prompt, self._block_tokens, sequence.prompt_tokens
        start, end = block * size, (block + 1) * size
        if end <= length or (prompt.sharing is Sharing.TRANSCRIPT and sequence.sample_index == 0):
            return prompt.content_key(block, size)
        if prompt.sharing is not Sharing.TOKENS:
            return b"output of sequence %d" % sequence.number
        output = sequence.output[max(0, start - length) : end - length]
        return output.tobytes() if start >= length else prompt.content_key(block, size, output)

    def _extend_private(self, sequence: Sequence, num_blocks: int) -> None:
        """Keys of content that nobody else can have need no hash: version, who, and where."""
        size, length, keys = self._block_tokens, sequence.prompt_tokens, sequence.keys
        for block in range(len(keys), num_blocks):
            owner = sequence.family if (block + 1) * size <= length else sequence.number
            keys.append(b"private %d %d %d" % (self.weights_version, owner, block))

    def media_key(self, request: Request, content_hash: bytes) -> bytes:
        """The key of an encoder's output for one media item."""
        return sha256(self.root(request) + b"media" + content_hash).digest()
