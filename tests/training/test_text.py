"""The generated text: the same each time, varied, and without what is held out."""

import re
from itertools import islice

from tests.training.told import documents
from weft.training.text import lexicon
from weft.training.text.documents import ASSISTANT, END, plain_text
from weft.training.text.stories import PLOTS, tell_story
from weft.training.text.streams import named_stream
from weft.training.text.teller import UNSEEN, Teller

CONTENT = [value for value in vars(lexicon).values() if isinstance(value, lexicon.Words)]


def texts(count: int, *, seed: int = 1, held_out: bool = False) -> list[str]:
    return [plain_text(each) for each in islice(documents(seed, "a test", held_out=held_out), count)]


def test_the_same_seed_gives_the_same_text_and_another_one_does_not() -> None:
    assert texts(50) == texts(50)
    assert texts(50) != texts(50, seed=2)


def test_no_two_of_a_thousand_stories_are_alike() -> None:
    teller = Teller(named_stream(3, "stories"), held_out=False)
    stories = [tell_story(teller) for _ in range(1000)]
    assert len({story.text for story in stories}) == 1000
    assert len({story.text.split(".")[1] for story in stories}) > 500
    assert all(300 < len(story.text) < 1500 for story in stories)


def test_every_slot_is_filled_in_every_plot() -> None:
    for held_out in (False, True):
        teller = Teller(named_stream(4, "slots"), held_out)
        for _ in range(30):
            story = tell_story(teller, len(PLOTS))
            everything = story.text + story.subject + "".join(map("".join, story.questions))
            assert not re.search(r"[{}~]|  ", everything)


def test_held_out_words_and_sentences_never_occur_in_training() -> None:
    told = "\n".join(texts(3000)).lower()
    assert len(CONTENT) > 8
    for kind in CONTENT:
        for phrase in kind.held_out:
            assert not re.search(rf"\b{phrase.lower()}\b", told), phrase
    beats = [text for plot in PLOTS for beat in plot.beats for text in beat if text.startswith(UNSEEN)]
    assert len(beats) >= len(PLOTS)
    for beat in beats:
        longest = max(re.split(r"\{\w+\}", beat[1:]), key=len).lower()
        assert longest not in told, beat


def test_held_out_texts_have_names_of_their_own() -> None:
    told = dict.fromkeys(re.findall(r"[A-Za-z]+", "\n".join(texts(3000))))
    teller = Teller(named_stream(5, "names"), held_out=True)
    for _ in range(300):
        assert tell_story(teller).hero.name not in told


def test_an_answer_ends_each_exchange() -> None:
    chats = [text for text in texts(500) if ASSISTANT in text]
    assert len(chats) > 200
    for chat in chats:
        assert chat.endswith(END)
        assert all(turn.count(END) in (1, 2) for turn in chat.split(ASSISTANT)[1:])
