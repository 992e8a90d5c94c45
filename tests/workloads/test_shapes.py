from itertools import pairwise
from random import Random
from statistics import fmean

import pytest

from weft.contracts.errors import ConfigurationError, InvalidRequest
from weft.contracts.prompts import LengthPrompt, Sharing, TokenPrompt
from weft.workloads.audience import Audience, Sender, tenants, zipf_tenants
from weft.workloads.conversation_prompt import ConversationPrompt, TranscriptPrompt
from weft.workloads.distributions import Counts, Fixed, Quantiles, Uniform
from weft.workloads.lengths import Independent, Joint
from weft.workloads.shapes import Conversation, LazyTurns, Single

LENGTHS = Independent(Uniform(10, 20), Fixed(5))


def test_lengths_are_whole_and_at_least_one() -> None:
    random = Random(1)
    pairs = [Independent(Uniform(0.0, 3.0), Fixed(0.2)).draw(random) for _ in range(500)]
    assert {prompt for prompt, _ in pairs} == {1, 2, 3}
    assert {output for _, output in pairs} == {1}


def test_joint_lengths_go_together() -> None:
    short, long = Quantiles((0.0, 1.0), (1.0, 10.0)), Quantiles((0.0, 1.0), (100.0, 200.0))
    joint = Joint(Quantiles((0.0, 1.0), (0.0, 1000.0)), (0.0, 0.5, 1.0), (short, long))
    random = Random(1)
    for prompt, output in (joint.draw(random) for _ in range(500)):
        assert (output <= 10) == (prompt <= 500)
    with pytest.raises(ConfigurationError, match="one edge more"):
        Joint(short, (0.0, 1.0), (short, long))


def test_a_request_that_stands_alone_shares_nothing() -> None:
    visit = Single(LENGTHS).draw(0, Random(1))
    (turn,), client = visit.turns, visit.client
    assert isinstance(turn.prompt, LengthPrompt)
    assert client.tenant == "default"
    assert turn.delay_s == 0.0


def test_tenants_send_by_weight_and_share_their_system_prompt() -> None:
    shape, random = Single(LENGTHS, tenants((3.0, 1.0), system_prompt_tokens=64)), Random(1)
    visits = [shape.draw(number, random) for number in range(4000)]
    mine = [visit.turns[0].prompt for visit in visits if visit.client.tenant == "tenant-0"]
    other = next(visit.turns[0].prompt for visit in visits if visit.client.tenant == "tenant-1")
    assert len(mine) / len(visits) == pytest.approx(0.75, abs=0.03)
    assert mine[0].content_key(3, 16) == mine[1].content_key(3, 16) != other.content_key(3, 16)
    assert mine[0].content_key(4, 16) != mine[1].content_key(4, 16)
    assert all(74 <= prompt.num_tokens <= 84 for prompt in mine)


def test_zipf_tenants_and_bad_audiences() -> None:
    audience, random = zipf_tenants(3, exponent=1.0), Random(1)
    drawn = [audience.draw(random).client.tenant for _ in range(6000)]
    assert drawn.count("tenant-0") / drawn.count("tenant-1") == pytest.approx(2.0, rel=0.1)
    with pytest.raises(ConfigurationError, match="weight"):
        Audience((Sender(),), ())
    with pytest.raises(ConfigurationError, match="system prompt"):
        tenants((1.0,), system_prompt_tokens=-1)


def test_each_prompt_of_a_conversation_contains_all_before_it() -> None:
    shape = Conversation(Fixed(4), LENGTHS, Independent(Fixed(30), Fixed(7)), Uniform(1.0, 9.0))
    turns = shape.draw(5, Random(1)).turns
    assert [turn.delay_s == 0.0 for turn in turns] == [True, False, False, False]
    for before, after in pairwise(turns):
        assert after.prompt.num_tokens == before.prompt.num_tokens + before.output_tokens + 30
        assert after.prompt.content_key(0, 4) == before.prompt.content_key(0, 4)
    others = shape.draw(6, Random(1)).turns
    assert others[0].prompt.content_key(0, 4) != turns[0].prompt.content_key(0, 4)


def test_a_conversation_ends_before_its_prompt_grows_too_long() -> None:
    shape = Conversation(Fixed(50), LENGTHS, LENGTHS, Fixed(1.0), most_prompt_tokens=100)
    turns = shape.draw(0, Random(1)).turns
    assert 3 <= len(turns) < 8
    assert max(turn.prompt.num_tokens for turn in turns) <= 100
    assert shape.mean_turns == pytest.approx(len(turns), abs=1.0)


def test_mean_turns() -> None:
    shape = Conversation(Counts((3.0, 0.0, 1.0)), LENGTHS, LENGTHS, Fixed(1.0))
    random = Random(7)
    assert shape.mean_turns == pytest.approx(1.5, abs=0.06)
    assert fmean(len(shape.draw(0, random).turns) for _ in range(2000)) == pytest.approx(1.5, abs=0.06)


def test_lazy_turns_are_the_same_each_time() -> None:
    turns = LazyTurns(LENGTHS, seed=1, client=2, number=100)
    assert list(turns) == list(turns)
    assert len(list(turns)) == 100
    assert list(turns) != list(LazyTurns(LENGTHS, seed=1, client=3, number=100))


def test_a_conversation_prompt_is_known_by_position() -> None:
    short = ConversationPrompt(100, conversation=1, prefix=7, prefix_tokens=40)
    longer = ConversationPrompt(300, conversation=1, prefix=7, prefix_tokens=40)
    fork = ConversationPrompt(300, conversation=2, prefix=7, prefix_tokens=40)
    keys, others = ([one.content_key(block, 16) for block in range(6)] for one in (longer, fork))
    assert [short.content_key(block, 16) for block in range(6)] == keys
    assert [a == b for a, b in zip(keys, others, strict=True)] == [True, True, False, False, False, False]
    assert len(dict.fromkeys(keys)) == 6
    assert (short.sharing, short.media) == (Sharing.TRANSCRIPT, ())
    with pytest.raises(Exception, match="at least 1 token"):
        ConversationPrompt(0, conversation=1)


def test_a_transcript_is_known_by_its_tokens_through_the_answer() -> None:
    text = tuple(range(40))
    first, second = TranscriptPrompt(text, 10), TranscriptPrompt(text, 35)
    keys = [first.content_key(block, 8) for block in range(5)]
    assert keys == [second.content_key(block, 8) for block in range(5)]
    assert keys == [TokenPrompt(text).content_key(block, 8) for block in range(5)]
    assert (first.num_tokens, first.sharing, first.media) == (10, Sharing.TRANSCRIPT, ())


@pytest.mark.parametrize("num_tokens", [0, 4])
def test_a_transcript_must_hold_its_prompt(num_tokens: int) -> None:
    with pytest.raises(InvalidRequest, match=f"prompt of {num_tokens} tokens from a text of 3"):
        TranscriptPrompt((1, 2, 3), num_tokens)
