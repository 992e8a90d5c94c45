"""Loose ways to put a question: the words that matter stay, and nothing of the gaps is left."""

from tests.training.tasks.drawing import teller_of
from weft.training.tasks.phrasing import GAP, loosely, put

WAYS = ("Sort: {0}", "~Order: {0}")
LOOSE = ("… sort …: {0}", "Sort …?")


def test_a_loose_way_keeps_its_words_and_slots() -> None:
    teller = teller_of(1)
    texts = {loosely(teller, ("… sort …: {0}",)) for _ in range(300)}
    assert len(texts) > 100
    for text in texts:
        assert text.endswith(": {0}")
        assert "sort" in text.lower().replace(":", "").split()
        assert text[0].isupper()
        assert GAP not in text
        assert "  " not in text
        assert " :" not in text


def test_training_has_both_and_evaluation_the_held_out_way_alone() -> None:
    teller = teller_of(2)
    drawn = [put(teller, WAYS, LOOSE) for _ in range(400)]
    assert 100 < sum(text == "Sort: {0}" for text in drawn) < 300
    assert "Order: {0}" not in drawn
    assert {put(teller_of(3, held_out=True), WAYS, LOOSE) for _ in range(20)} == {"Order: {0}"}
