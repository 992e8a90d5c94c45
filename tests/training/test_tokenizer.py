"""The tokenizer: learned alike each time, lossless for any text; documents as tokens with what is learnt."""

import json
import random
import re
from itertools import islice
from pathlib import Path

import pytest

from tests.training import small_recipe
from tests.training.told import documents
from weft.text.loading import load_tokenizer
from weft.text.template_loading import load_chat_template
from weft.training.batches import recipe_tokenizer
from weft.training.chat_format import write_text_files
from weft.training.packing import pack
from weft.training.tasks.documents import exercise_document
from weft.training.tasks.tool_calls import draw_tool_calls
from weft.training.text.chats import Chat
from weft.training.text.documents import SPECIAL_TOKENS, chat_document, plain_text, story_document
from weft.training.text.teller import Teller
from weft.training.tokenizer import encode_documents

CHAT = Chat("Be kind.", (("Hello!", "Hi!"), ("What is two plus two?", "Two plus two is four.")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_text_files(tmp_path, small_recipe.tokenizer())
    return tmp_path


def test_the_same_documents_give_the_same_tokenizer() -> None:
    again = recipe_tokenizer(small_recipe.small())
    assert again.to_str() == small_recipe.tokenizer().to_str()
    assert again.get_vocab_size() == 400


@pytest.mark.parametrize("text", ["Once upon a time.", "Où ça? 你好 🦊", " two  spaces\n\ttab", "x" * 50])
def test_any_text_comes_back(folder: Path, text: str) -> None:
    tokenizer = load_tokenizer(folder)
    ids = tokenizer.encode(text)
    assert ids[0] == tokenizer.bos_token_id
    assert tokenizer.decode(ids) == text


def test_special_tokens_are_one_token_each(folder: Path) -> None:
    tokenizer = load_tokenizer(folder)
    ids = tokenizer.encode("".join(SPECIAL_TOKENS), add_special=False)
    assert ids == sorted(tokenizer.special_ids) == list(range(5))


def test_the_chat_template_writes_what_training_reads(folder: Path) -> None:
    special_tokens = load_tokenizer(folder).special_tokens
    template = load_chat_template(folder, special_tokens=special_tokens)
    messages = [{"role": "system", "content": CHAT.system}]
    for asked, answer in CHAT.exchanges:
        messages += [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]
    assert template.render(messages, add_generation_prompt=False) == plain_text(chat_document(CHAT))
    assert template.render(messages[:2]).endswith("<|user|>Hello!<|end|><|assistant|>")


def test_the_chat_template_shows_tools_as_the_exercises_do(folder: Path) -> None:
    teller = Teller(random.Random(3), held_out=False)
    exercise = draw_tool_calls(teller, 2)
    lines = [re.fullmatch(r"(\w+): (.*) \((.*)\)", line) for line in exercise.given.splitlines()]
    tools = [
        {
            "type": "function",
            "function": {
                "name": line[1],
                "description": line[2],
                "parameters": {"type": "object", "properties": {key: {} for key in line[3].split(", ")}},
            },
        }
        for line in lines
        if line is not None
    ]
    messages: list[dict[str, object]] = []
    for question, answer in exercise.turns:
        called = json.loads(answer)
        call = {"function": {"name": called["tool"], "arguments": called["arguments"]}}
        messages += [{"role": "user", "content": question}, {"role": "assistant", "tool_calls": [call]}]
    template = load_chat_template(folder, special_tokens=load_tokenizer(folder).special_tokens)
    shown = template.render(messages, tools=tools, add_generation_prompt=False)
    assert shown == plain_text(exercise_document(exercise))


def test_answers_and_their_ends_are_learnt_and_nothing_else(folder: Path) -> None:
    tokenizer = load_tokenizer(folder)
    (document,) = encode_documents(small_recipe.tokenizer(), [chat_document(CHAT)], 1024)
    learnt = [
        token for token, is_learnt in zip(document.token_ids, document.learnt, strict=True) if is_learnt
    ]
    assert tokenizer.decode(learnt, skip_special=False) == "Hi!<|end|>Two plus two is four.<|end|>"
    assert document.learnt_bytes == len("Hi!Two plus two is four.")


def test_a_batch_predicts_each_learnt_token_from_the_one_before() -> None:
    encoded = encode_documents(
        small_recipe.tokenizer(), [story_document("A fox."), chat_document(CHAT)], 1024
    )
    (batch,) = pack(encoded, 4096)
    assert sum(batch.lengths) == len(batch.tokens_T)
    assert batch.positions_T[batch.lengths[0]] == 0
    assert batch.tokens_T[batch.predicting_N + 1].tolist() == batch.targets_N.tolist()
    # The first word is predicted from the token that begins the document.
    assert batch.predicting_N[0] == 0


def test_long_documents_are_cut_and_batches_keep_to_their_size() -> None:
    texts = islice(documents(1, "long", held_out=False), 100)
    batches = list(pack(encode_documents(small_recipe.tokenizer(), texts, 200), 512))
    assert max(length for batch in batches for length in batch.lengths) == 200
    assert all(len(batch.tokens_T) <= 512 for batch in batches)
    assert sum(len(batch.lengths) for batch in batches) == 100
