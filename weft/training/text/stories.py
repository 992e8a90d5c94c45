"""Stories: two characters, and what happens to them in one chapter or more."""

from dataclasses import dataclass

from weft.training.text import lexicon
from weft.training.text.plot import Plot
from weft.training.text.plots_of_deeds import PLOTS_OF_DEEDS
from weft.training.text.plots_of_surprises import PLOTS_OF_SURPRISES
from weft.training.text.plots_of_things import PLOTS_OF_THINGS
from weft.training.text.teller import UNSEEN, Character, Teller, draw_character

PLOTS = (*PLOTS_OF_THINGS, *PLOTS_OF_DEEDS, *PLOTS_OF_SURPRISES)

OPENINGS = (
    "Once upon a time, there was a {trait} {kind} named {hero}.",
    "There once was a {trait} {kind} called {hero}.",
    "{hero} was a {trait} {kind} who lived {home}.",
    "Once upon a time, a {trait} {kind} lived {home}. {Their} name was {hero}.",
    "Once there was a {kind} named {hero}. Everybody said that {they} was very {trait}.",
    "{hero} the {kind} lived {home}.",
    f"{UNSEEN}Long ago, a {{trait}} {{kind}} called {{hero}} lived {{home}}.",
)
DETAILS = (
    "",
    "",
    "{They} loved {hobby}.",
    "{Their} best friend was {friend}, a {f_trait} {f_kind}.",
    "Every day {they} went out {hobby}.",
    "{They} liked {food} more than anything else.",
)
NEXT_CHAPTERS = (
    "Some days later, something else happened.",
    "But that is not the end of the story.",
    "A week went by.",
    "Then winter came, and then spring.",
    f"{UNSEEN}Not long after that, there was more to tell.",
)
CLOSINGS = ("", "", "", "", "The end.", "And they lived happily ever after.")


@dataclass(frozen=True, slots=True)
class Story:
    """`subject`: "a fox who loses a kite". `questions`: about the story, with their answers."""

    text: str
    hero: Character
    subject: str
    questions: tuple[tuple[str, str], ...]


def tell_story(teller: Teller, num_chapters: int = 1) -> Story:
    """A story with the same two characters in every chapter; no plot comes twice."""
    hero = draw_character(teller)
    people = hero.slots() | _friend_slots(draw_character(teller, other_than=hero))
    opening = f"{teller.sentence(OPENINGS)} {teller.sentence(DETAILS)}"
    home, hobby = teller.word(lexicon.HOMES), teller.word(lexicon.HOBBIES)
    chapters: list[str] = []
    questions: list[tuple[str, str]] = []
    subject = ""
    for plot in teller.stream.sample(PLOTS, num_chapters):
        slots = people | {"home": home, "hobby": hobby} | _draw_slots(teller, plot, people)
        before = teller.sentence(NEXT_CHAPTERS) if chapters else opening.format_map(slots)
        told = [teller.sentence(beat).format_map(slots) for beat in plot.beats]
        chapters.append(" ".join([before, *told]))
        questions += [(asked.format_map(slots), answer.format_map(slots)) for asked, answer in plot.questions]
        subject = subject or f"{slots['a_kind']} who {teller.sentence(plot.subjects).format_map(slots)}"
    text = "\n".join(chapters) + " " + teller.sentence(CLOSINGS)
    return Story(_tidy(text), hero, subject, (*questions, *_questions_about(hero, people)))


def _friend_slots(friend: Character) -> dict[str, str]:
    return friend.slots("f_") | {"friend": friend.name}


def _draw_slots(teller: Teller, plot: Plot, people: dict[str, str]) -> dict[str, str]:
    """Things, places and the like, and the plot's own row."""
    spot, wrong = teller.two_of(lexicon.SPOTS)
    slots = {
        "thing": teller.word(lexicon.THINGS),
        "food": teller.word(lexicon.FOODS),
        "place": teller.word(lexicon.PLACES),
        "colour": teller.word(lexicon.COLOURS),
        "weather": teller.word(lexicon.WEATHERS),
        "spot": spot,
        "wrong": wrong,
    }
    row = zip(plot.columns, teller.stream.choice(plot.rows), strict=True)
    return slots | {name: text.format_map(people) for name, text in row}


def _questions_about(hero: Character, slots: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return (
        ("Who is the story about?", f"The story is about {hero.name}, {slots['a_kind']}."),
        (f"What kind of character is {hero.name}?", f"{hero.name} is {slots['a_kind']}."),
        (f"Who is {slots['friend']}?", f"{slots['friend']} is {slots['f_a_kind']}."),
    )


def _tidy(text: str) -> str:
    """One space between sentences, none around a new paragraph."""
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n"))
    return "\n".join(paragraph for paragraph in paragraphs if paragraph)
