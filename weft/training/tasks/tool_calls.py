"""Calling a tool: some are given, and wishes that one of them fulfils."""

import json
from collections.abc import Callable
from typing import NamedTuple

from weft.training.tasks import words
from weft.training.tasks.exercise import Exercise, Task, Turn
from weft.training.tasks.phrasing import put
from weft.training.text.lexicon import with_article
from weft.training.text.teller import Teller


class Parameter(NamedTuple):
    """`said`: how a wish says the value."""

    name: str
    said: str
    value: Callable[[Teller], str | int]


TIME = Parameter("time", "at {0}", words.clock_time)
MINUTES = Parameter("minutes", "for {0} minutes", lambda teller: int(words.two_or_three_digits(teller)))
PERSON = Parameter("person", "for {0}", words.name)
TOWN = Parameter("town", "in {0}", words.name)
NUMBER = Parameter("number", "with number {0}", lambda teller: int(words.two_or_three_digits(teller)))
COLOUR = Parameter("colour", "in {0}", words.shade)
TITLE = Parameter("title", 'called "{0}"', lambda teller: teller.made_up())

VERBS = ("set", "start", "find", "send", "open", "make", "delete", "show", "move", "book", "check", "buy")
NOUNS: dict[str, tuple[Parameter, ...]] = {
    "alarm": (TIME,),
    "timer": (MINUTES,),
    "message": (PERSON, TIME),
    "song": (TITLE,),
    "note": (TITLE, PERSON),
    "door": (NUMBER,),
    "light": (COLOUR, MINUTES),
    "picture": (TITLE, COLOUR),
    "room": (TOWN, NUMBER),
    "ticket": (TOWN, TIME),
    "letter": (PERSON, TOWN),
    "game": (TITLE, MINUTES),
    "meeting": (TIME, PERSON),
    "table": (TIME, NUMBER),
    "story": (PERSON,),
    "map": (TOWN,),
    "dress": (COLOUR,),
    "file": (TITLE, NUMBER),
}
TOOL_NAMES = words.split_words([f"{verb}_{noun}" for verb in VERBS for noun in NOUNS])
ALIKE_SHARE = 0.5
WISHES = (
    "Please {deed}.",
    "Can you {deed}?",
    "I want you to {deed}.",
    "{deed}",
    "~It would be good if you could {deed}.",
)
LOOSE_WISHES = ("… {deed}", "… … {deed}.", "… … … {deed} …?")
MOST_TURNS = 3


class Tool(NamedTuple):
    """`deed`: what it does, such as "set an alarm"."""

    name: str
    deed: str
    parameters: tuple[Parameter, ...]

    @property
    def line(self) -> str:
        parameters = words.listed([parameter.name for parameter in self.parameters])
        return f"{self.name}: {self.deed} ({parameters})"


def draw_tool_calls(teller: Teller, size: int) -> Exercise:
    """`size` tools. The answer is a call as JSON, with the arguments in the order of the tool's parameters."""
    tools = _draw_tools(teller, size)
    turns = (_turn(teller, teller.stream.choice(tools)) for _ in range(teller.stream.randint(1, MOST_TURNS)))
    return Exercise("\n".join(tool.line for tool in tools), tuple(turns))


def _draw_tools(teller: Teller, count: int) -> list[Tool]:
    """No two of one name; half of the time all share the verb or the noun of one, where there are so many."""
    known = TOOL_NAMES.held_out if teller.held_out else TOOL_NAMES.training
    first = teller.stream.choice(known)
    others = [name for name in known if name != first]
    alike = [name for name in others if not set(name.split("_")).isdisjoint(first.split("_"))]
    chosen = alike if len(alike) >= count - 1 and teller.chance(ALIKE_SHARE) else others
    names = [first, *teller.stream.sample(chosen, count - 1)]
    teller.stream.shuffle(names)
    return [_tool(name) for name in names]


def _tool(name: str) -> Tool:
    verb, noun = name.split("_")
    return Tool(name, f"{verb} {with_article(noun)}", NOUNS[noun])


def _turn(teller: Teller, tool: Tool) -> Turn:
    arguments = {parameter.name: parameter.value(teller) for parameter in tool.parameters}
    said = [parameter.said.format(arguments[parameter.name]) for parameter in tool.parameters]
    teller.stream.shuffle(said)
    wish = put(teller, WISHES, LOOSE_WISHES).format(deed=" ".join([tool.deed, *said]))
    return Turn(wish, json.dumps({"tool": tool.name, "arguments": arguments}))


# One of two tools.
TASK = Task("tool", draw_tool_calls, sizes=(2, 4), chance=1 / 2)
