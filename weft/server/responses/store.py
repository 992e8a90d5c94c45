"""Answers of /v1/responses, kept for a while in memory."""

import json
from collections import defaultdict
from typing import Any, NamedTuple

from weft.server.http.json_response import to_json

MOST_RESPONSES = 4096
MOST_BYTES = 64 << 20

Json = dict[str, Any]


class Stored(NamedTuple):
    """An answer as clients retrieve it, and the messages of its conversation without instructions, as JSON."""

    response: bytes
    messages: bytes

    @property
    def num_bytes(self) -> int:
        """What it takes."""
        return len(self.response) + len(self.messages)


class ResponseStore:
    """Bounded by number and bytes, over all tenants: beyond, the tenant that has most loses its oldest. One
    tenant neither reads nor, while it has least, displaces what another has."""

    def __init__(self, most_responses: int = MOST_RESPONSES, most_bytes: int = MOST_BYTES) -> None:
        self._most_responses, self._most_bytes = most_responses, most_bytes
        self._by_tenant = defaultdict[str, dict[str, Stored]](dict)
        self._bytes_of = defaultdict[str, int](int)

    def keep(self, tenant: str, response_id: str, response: Json, messages: list[Json]) -> None:
        """Remember an answer; what takes more than the store has is not kept."""
        stored = Stored(to_json(response), to_json(messages))
        if stored.num_bytes > self._most_bytes:
            return
        self._by_tenant[tenant][response_id] = stored
        self._bytes_of[tenant] += stored.num_bytes
        while self._is_too_full():
            largest = max(self._bytes_of, key=lambda name: self._bytes_of[name])
            self.delete(largest, next(iter(self._by_tenant[largest])))

    def response(self, tenant: str, response_id: str) -> Json | None:
        """An answer; None where this tenant has none of this name, any more or at all."""
        stored = self._find(tenant, response_id)
        return None if stored is None else json.loads(stored.response)

    def messages(self, tenant: str, response_id: str) -> list[Json] | None:
        """The conversation up to and with an answer; None as above."""
        stored = self._find(tenant, response_id)
        return None if stored is None else json.loads(stored.messages)

    def delete(self, tenant: str, response_id: str) -> bool:
        """Forget an answer; whether there was one."""
        stored = self._find(tenant, response_id)
        if stored is None:
            return False
        del self._by_tenant[tenant][response_id]
        self._bytes_of[tenant] -= stored.num_bytes
        if not self._by_tenant[tenant]:
            del self._by_tenant[tenant], self._bytes_of[tenant]
        return True

    def _find(self, tenant: str, response_id: str) -> Stored | None:
        return self._by_tenant[tenant].get(response_id) if tenant in self._by_tenant else None

    def _is_too_full(self) -> bool:
        num_responses = sum(map(len, self._by_tenant.values()))
        return num_responses > self._most_responses or sum(self._bytes_of.values()) > self._most_bytes
