"""What files say of themselves cannot break or flood an error message."""

from weft.weights.messages import clipped, first_few, quoted


def test_names_are_escaped_and_cut() -> None:
    assert quoted("a\nb\u2028") == r"'a\nb\u2028'"
    assert len(quoted("a" * 10_000)) < 130


def test_reasons_become_one_line() -> None:
    assert clipped("no\n  good ") == "no good"
    assert clipped("x" * 500).endswith("x…")


def test_long_lists_are_counted() -> None:
    assert first_few(["a", "b"]) == "'a', 'b'"
    assert first_few(list("abcdefg")) == "'a', 'b', 'c', 'd', 'e' and 2 more"
