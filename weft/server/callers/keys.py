"""API keys: who may ask, and in whose name."""

import hmac
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from weft.contracts.callers import MOST_NAME_CHARACTERS
from weft.contracts.errors import ConfigurationError
from weft.server.errors import AUTHENTICATION, ApiError

_VISIBLE = re.compile(r"[\x21-\x7e]+")
MOST_KEY_FILE_BYTES = 1 << 20


class ApiKey(NamedTuple):
    """A key by its digest, so that no memory of the server's holds it. `tenant`: the only one that its bearer may
    speak for; None: any."""

    digest: bytes
    tenant: str | None

    @classmethod
    def read(cls, text: str) -> "ApiKey":
        """`KEY`, or `TENANT KEY`: neither can hold a space, so there is one way to read it. Raises
        `ConfigurationError`, which does not repeat the text."""
        words = text.split()
        if len(words) not in (1, 2) or not all(map(_VISIBLE.fullmatch, words)):
            raise ConfigurationError(
                "an API key is empty or not ASCII, or more than a tenant and a key; give KEY or 'TENANT KEY'"
            )
        tenant = words[0] if len(words) == 2 else None
        if tenant is not None and len(tenant) > MOST_NAME_CHARACTERS:
            raise ConfigurationError(
                f"the tenant of an API key has {len(tenant)} characters; give at most {MOST_NAME_CHARACTERS}"
            )
        return cls(_digest(words[-1].encode()), tenant)


def _digest(key: bytes) -> bytes:
    """Of equal length for all, so that not even the length of a key can be found by measuring time."""
    return sha256(key).digest()


def read_key_file(path: Path) -> list[str]:
    """The lines of a file that say something: neither empty nor comments (#). Raises `ConfigurationError` where it
    cannot be read or has none."""
    try:
        with path.open("rb") as file:
            text = file.read(MOST_KEY_FILE_BYTES + 1)
        lines = [line.strip() for line in text.decode("ascii").splitlines()]
    except OSError as error:
        raise ConfigurationError(
            f"the key file {str(path)!r} cannot be read ({error.strerror}); check its path and its permissions"
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(
            f"the key file {str(path)!r} is not ASCII; headers carry nothing else"
        ) from None
    keys = [line for line in lines if line and not line.startswith("#")]
    if not keys or len(text) > MOST_KEY_FILE_BYTES:
        raise ConfigurationError(
            f"the key file {str(path)!r} holds no key, or more than {MOST_KEY_FILE_BYTES} bytes; write one per line"
        )
    return keys


class ApiKeys:
    """All keys of a server, each as `ApiKey.read` takes it."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [ApiKey.read(each) for each in keys]

    def __bool__(self) -> bool:
        return bool(self._keys)

    def tenant(self, headers: Mapping[bytes, bytes]) -> str | None:
        """The tenant of the key in these headers (lower case), None where it speaks for any. Raises `ApiError` 401
        where there is no valid key: neither as a bearer nor, as Anthropic's clients send it, in `x-api-key`."""
        given = _given(headers)
        # Every key is compared, each in a time that does not depend on where it differs.
        digest = _digest(given or b"")
        matches = [key for key in self._keys if hmac.compare_digest(digest, key.digest)]
        if given is None or not matches:
            problem = "is missing" if given is None else "is not valid"
            raise ApiError(
                401,
                f"the API key {problem}; send the header 'Authorization: Bearer KEY' or 'x-api-key: KEY'",
                kind=AUTHENTICATION,
                code="invalid_api_key",
                headers={"www-authenticate": "Bearer"},
            )
        return matches[0].tenant


def _given(headers: Mapping[bytes, bytes]) -> bytes | None:
    """What counts as the key: where both headers are there, the bearer's."""
    if b"authorization" not in headers:
        return headers.get(b"x-api-key")
    scheme, _, bearer = headers[b"authorization"].partition(b" ")
    return bearer.strip() if scheme.lower() == b"bearer" else b""
