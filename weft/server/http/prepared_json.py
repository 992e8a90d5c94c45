"""JSON that is the same time and again but for one string: made once, then only filled in."""

import secrets
from collections.abc import Callable
from json.encoder import encode_basestring

from weft.server.http.json_response import to_json


class PreparedJson:
    """The bytes of `to_json(form(text))` for any text, where `form` gives an object that holds the text in one
    place."""

    def __init__(self, form: Callable[[str], object]) -> None:
        place = secrets.token_hex(16)  # so that no name which a client chose can look like it
        self._before, self._after = to_json(form(place)).split(b'"%b"' % place.encode())

    def filled(self, text: str) -> bytes:
        """With this text in its place."""
        return b"%b%b%b" % (self._before, encode_basestring(text).encode("utf-8", "replace"), self._after)
