"""How documents come to their size."""

from hypothesis import given
from hypothesis import strategies as st

from tests.training.tasks.drawing import teller_of
from weft.training.tasks.passages import fillers, fitting, interleaved, num_words

SENTENCES = st.lists(st.integers(1, 9).map(lambda length: " ".join(["word"] * length)), max_size=40)


@given(SENTENCES, st.integers(0, 100))
def test_no_other_number_of_units_comes_nearer(sentences: list[str], size_words: int) -> None:
    taken = fitting(sentences, str, size_words)
    assert taken == sentences[: len(taken)]
    totals = [sum(map(num_words, sentences[:count])) for count in range(len(sentences) + 1)]
    nearest = min(abs(total - size_words) for total in totals)
    assert abs(totals[len(taken)] - size_words) == nearest


@given(st.lists(st.integers()), st.lists(st.text()), st.integers(0, 99))
def test_both_rows_keep_their_order(numbers: list[int], texts: list[str], seed: int) -> None:
    one = [str(number) for number in numbers]
    row = interleaved(teller_of(seed), [f"one {text}" for text in one], [f"other {text}" for text in texts])
    assert [text for text in row if text.startswith("one ")] == [f"one {text}" for text in one]
    assert [text for text in row if text.startswith("other ")] == [f"other {text}" for text in texts]


def test_fillers_are_whole_sentences_that_mention_nobody_of_the_document() -> None:
    told = fillers(teller_of(1), ["fox"], 3000)
    assert abs(sum(map(num_words, told)) - 3000) < 20
    assert any("bear" in sentence for sentence in told)
    assert not any("fox" in sentence or '"' in sentence for sentence in told)
    assert all(sentence.endswith((".", "!", "?")) for sentence in told)
