"""The generated text: the same each time, varied, and without what is held out."""

import re
from itertools import islice

from weft.training.text import lexicon
from weft.training.text.documents import ASSISTANT, BEGIN, END, Document, documents, plain_text
from weft.training.text.echoes import LESSON_ECHOES, with_echoes
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
    lesson = islice(with_echoes(documents(1, "a test", held_out=False), 1), LESSON_ECHOES + 3000)
    told = "\n".join(map(plain_text, lesson)).lower()
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


def test_echoes_come_first_and_then_now_and_again() -> None:
    documents_alone = documents(1, "a test", held_out=False)
    mixed = list(islice(with_echoes(documents_alone, 1), LESSON_ECHOES + 40))
    lesson, after = mixed[:LESSON_ECHOES], mixed[LESSON_ECHOES:]
    assert all(is_echo(document) for document in lesson)
    assert [is_echo(document) for document in after] == [False, False, False, True] * 10
    assert {document[1].text.count("\n") for document in lesson} == {1, 2, 3}


def is_echo(document: Document) -> bool:
    if len(document) != 2 or not document[0].text.startswith(BEGIN) or not document[1].text.startswith("\n"):
        return False
    (first, not_learnt), (rest, learnt) = ((part.text, part.learnt) for part in document)
    copies = rest.removesuffix(END).split("\n")[1:]
    return not not_learnt and learnt and all(copy == first.removeprefix(BEGIN) for copy in copies)
