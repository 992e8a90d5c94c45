"""A stop string never shows, not even in part, and nothing else is lost."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from weft.contracts.errors import InvalidRequest
from weft.text.output_text import OutputText
from weft.text.stop_strings import StopStrings
from weft.text.tokenizer import Tokenizer

FEW = st.text("ab", max_size=12)
STOPS = st.lists(st.text("ab", min_size=1, max_size=4), max_size=3).map(tuple)


def expected(text: str, stops: tuple[str, ...]) -> tuple[str, str | None]:
    """Character by character: what stands before the first match, and the match."""
    for end in range(1, len(text) + 1):
        found = [stop for stop in stops if text[:end].endswith(stop)]
        if found:
            longest = max(found, key=len)
            return text[: end - len(longest)], longest
    return text, None


def shown_could_match(shown: str, seen: str, stops: tuple[str, ...]) -> bool:
    """Whether a match may still come that begins in what has been shown."""
    return any(stop.startswith(seen[start:]) for stop in stops for start in range(len(shown)))


@given(FEW, STOPS, st.lists(st.integers(0, 12), max_size=6))
@example("aaab", ("aab",), [2])
@example("abc", ("abcd", "bc"), [])
def test_what_shows_is_the_text_before_the_first_match(
    text: str, stops: tuple[str, ...], cuts: list[int]
) -> None:
    watcher, shown = StopStrings(stops), ""
    bounds = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    for start, end in pairwise(bounds):
        shown += watcher.append(text[start:end])
        unmatched = watcher.matched is None
        assert not (unmatched and shown_could_match(shown, text[:end], stops))
    shown += watcher.flush()
    assert (shown, watcher.matched) == expected(text, stops)
    assert watcher.append("a") == ("" if watcher.matched or any(s[0] == "a" for s in stops) else "a")


def test_only_what_could_match_is_held() -> None:
    watcher = StopStrings(("aab",))
    assert watcher.append("xaaa") == "xa"
    assert watcher.append("c") == "aac"
    assert watcher.append("a") == ""
    assert watcher.flush() == "a"
    assert StopStrings(()).append("anything") == "anything"


def test_of_two_that_end_together_the_longest_wins() -> None:
    watcher = StopStrings(("bc", "abc"))
    assert watcher.append("xabc") == "x"
    assert watcher.matched == "abc"


def test_an_empty_stop_string_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="not empty"):
        StopStrings(("a", ""))


def test_tokens_after_the_stop_do_not_count(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("the quick brown fox jumps over", add_special=False)
    output = OutputText(tokenizer, ("brown",))
    assert (output.append(ids) + output.finish()).rstrip(" ") == "the quick"
    assert output.stopped_by == "brown"
    assert output.num_tokens < len(ids)
    assert "brown" in tokenizer.decode(ids[: output.num_tokens])
    assert output.append(ids) == ""


def test_an_output_without_a_stop_shows_everything(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("the quick brown fox", add_special=False)
    output = OutputText(tokenizer, ("foxes",))
    shown = output.append(ids)
    assert shown.endswith("brown ")
    assert shown + output.finish() == tokenizer.decode(ids)
    assert (output.stopped_by, output.num_tokens) == (None, len(ids))


def test_a_character_that_never_ended_can_be_a_stop(tokenizers_by_name: dict[str, Tokenizer]) -> None:
    tokenizer = tokenizers_by_name["byte_level"]
    lead = next(token for token in range(tokenizer.vocab_size) if tokenizer.piece(token) == b"\xc3")
    output = OutputText(tokenizer, ("\ufffd",))
    assert output.append([lead]) + output.finish() == ""
    assert output.stopped_by == "\ufffd"
