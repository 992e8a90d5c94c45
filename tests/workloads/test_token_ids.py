import pytest

from weft.contracts.errors import ConfigurationError
from weft.contracts.prompts import HashPrompt, LengthPrompt, TokenPrompt
from weft.workloads.conversation_prompt import ConversationPrompt, TranscriptPrompt
from weft.workloads.token_ids import token_ids


def test_turns_of_a_conversation_agree_as_far_as_both_go() -> None:
    short, longer = ConversationPrompt(37, 1, 2, 20), ConversationPrompt(90, 1, 2, 20)
    other = ConversationPrompt(90, 3, 2, 20)
    assert token_ids(longer, "b", 1000)[:37] == token_ids(short, "a", 1000)
    assert token_ids(other, "c", 1000)[:16] == token_ids(longer, "b", 1000)[:16]
    assert token_ids(other, "c", 1000)[20:] != token_ids(longer, "b", 1000)[20:]


def test_equal_hashes_are_equal_tokens() -> None:
    one, other = HashPrompt(100, (5, 6), 64), HashPrompt(128, (5, 7), 64)
    assert token_ids(one, "a", 50)[:64] == token_ids(other, "b", 50)[:64]
    assert token_ids(one, "a", 50)[64:] != token_ids(other, "b", 50)[64:100]
    assert (len(token_ids(one, "a", 50)), len(token_ids(other, "b", 50))) == (100, 128)


def test_prompts_of_a_length_share_nothing_and_real_tokens_stay() -> None:
    prompt = LengthPrompt(200)
    ids = token_ids(prompt, "a", 100)
    assert ids == token_ids(prompt, "a", 100) != token_ids(prompt, "b", 100)
    assert ids != token_ids(prompt, "a", 100, seed=1)
    assert len(ids) == 200
    assert set(ids) <= set(range(100))
    assert token_ids(TokenPrompt((4, 5)), "a", 3) == [4, 5]
    assert token_ids(TranscriptPrompt((4, 5, 6), 2), "a", 3) == [4, 5]
    with pytest.raises(ConfigurationError, match="vocabulary"):
        token_ids(prompt, "a", 0)
