"""What turns of a conversation find again of the turns before, by closed form."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.simulated_service import deployment
from weft.contracts.events import PrefixLookup
from weft.contracts.prompts import HashPrompt, TokenPrompt
from weft.observation.event_log import EventLog
from weft.simulator.service import simulate_service
from weft.workloads.conversation_prompt import ConversationPrompt, TranscriptPrompt
from weft.workloads.sessions import Session, Turn

BLOCK_TOKENS = 16


@dataclass(frozen=True)
class Talks:
    """Sessions at 0, 1, 2… s; a turn comes as soon as the one before is answered."""

    talks: Sequence[Sequence[Turn]]
    name: str = "talks"

    def sessions(self) -> Iterator[Session]:
        for number, turns in enumerate(self.talks):
            yield Session(number, float(number), tuple(turns))


def hits(talks: Sequence[Sequence[Turn]], **serving: object) -> dict[str, int]:
    """Tokens found in the cache, by request id."""
    found: dict[str, int] = {}

    def watch(_index: int, log: EventLog) -> None:
        log.subscribe(lambda event: found.update({event.request_id: event.hit_tokens}), PrefixLookup)

    simulate_service(deployment(**serving), Talks(talks), lambda _: None, watch)  # type: ignore[arg-type]
    return found


def whole_blocks(num_tokens: int) -> int:
    return num_tokens // BLOCK_TOKENS * BLOCK_TOKENS


def grown(conversation: int, added: Sequence[tuple[int, int]], system_tokens: int = 0) -> list[Turn]:
    """Turns by what the user adds and how long the answer is."""
    turns, known = [], system_tokens
    for added_tokens, output_tokens in added:
        known += added_tokens
        turns.append(Turn(ConversationPrompt(known, conversation, 0, system_tokens), output_tokens))
        known += output_tokens
    return turns


def known_before(turns: Sequence[Turn]) -> list[int]:
    """Of each turn after the first, the tokens whose state the turn before has left: all but its last token's."""
    return [turn.prompt.num_tokens + turn.output_tokens - 1 for turn in turns[:-1]]


lengths = st.lists(st.tuples(st.integers(1, 70), st.integers(1, 70)), min_size=1, max_size=5)


@given(added=lengths, depth=st.integers(1, 3))
@settings(max_examples=25)
def test_a_turn_finds_all_whole_blocks_of_prompts_and_answers_before_it(
    added: list[tuple[int, int]], depth: int
) -> None:
    turns = grown(0, added)
    found = hits([turns], depth=depth)
    expected = [0, *map(whole_blocks, known_before(turns))]
    assert [found[f"0.{index}"] for index in range(len(turns))] == expected


def test_another_conversation_finds_the_system_prompt_alone() -> None:
    talks = [grown(number, [(50, 60), (40, 30)], system_tokens=100) for number in range(3)]
    found = hits(talks)
    assert [found[f"{number}.0"] for number in range(3)] == [0, 96, 96]
    assert [found[f"{number}.1"] for number in range(3)] == [whole_blocks(209)] * 3


def test_an_answer_that_was_cut_is_found_as_far_as_it_came() -> None:
    talk = [Turn(ConversationPrompt(100, 0), 500), Turn(ConversationPrompt(120, 0), 5)]
    assert hits([talk], max_model_len=130) == {"0.0": 0, "0.1": whole_blocks(119)}


def test_recorded_texts_are_found_by_their_tokens() -> None:
    text = tuple(range(1000, 1200))
    talk = [Turn(TranscriptPrompt(text, 60), 70), Turn(TranscriptPrompt(text, 150), 50)]
    found = hits([talk, talk, [Turn(TokenPrompt(text), 9)]])
    assert found == {"0.0": 0, "0.1": 128, "1.0": 48, "1.1": 144, "2.0": 192}


def test_nobody_finds_an_answer_of_which_only_the_length_is_known() -> None:
    """Not by tokens that a simulation makes up, and not where prompts are equal."""
    text = tuple(range(40))
    asked = [[Turn(TokenPrompt(text), 100)], [Turn(TokenPrompt(text + (0,) * 100), 1)]]
    assert hits(asked) == {"0.0": 0, "1.0": 32}
    hashed = [[Turn(HashPrompt(48, (1,), 512), 100)], [Turn(HashPrompt(148, (1,), 512), 1)]]
    assert hits(hashed) == {"0.0": 0, "1.0": 48}
