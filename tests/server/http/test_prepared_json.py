"""Prepared events are, byte for byte, what making each anew would give."""

import json

from hypothesis import given
from hypothesis import strategies as st

from weft.server.http.json_response import to_json
from weft.server.http.prepared_json import PreparedJson

ANY = st.text(st.characters(exclude_categories=()), max_size=30)  # lone surrogates too


@given(ANY, st.lists(ANY, max_size=5))
def test_filled_is_the_whole_made_anew(model: str, texts: list[str]) -> None:
    def form(text: str) -> object:
        return {"model": model, "choices": [{"index": 3, "delta": {"content": text}, "logprobs": None}]}

    prepared = PreparedJson(form)
    for text in texts:
        assert prepared.filled(text) == to_json(form(text))
        json.loads(prepared.filled(text))
