"""Texts to compare formats on: always the same, and never those of training."""

import pytest

from tools.held_out_text import main, stories
from weft.training.text import lexicon


def test_the_same_number_gives_the_same_text(capsys: pytest.CaptureFixture[str]) -> None:
    main(["3"])
    assert capsys.readouterr().out == stories(3)
    assert stories(4).startswith(stories(3).rstrip())
    assert len(stories(3).split("\n\n")) == 3


def test_words_of_training_are_left_out() -> None:
    told = stories(30)
    assert not any(f" {word}." in told for word in lexicon.HOBBIES.training)
