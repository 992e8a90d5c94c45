"""`weft chat`: a conversation by lines, its commands, its limits, and what Ctrl-C ends."""

import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.cli.running import ENDLESS, LONG, end, start
from tests.llm.tiny_model import make_model
from weft import LLM, SamplingParams
from weft.cli.conversation import Conversation
from weft.cli.main import command_line, main
from weft.contracts.errors import InvalidRequest
from weft.llm.prompting import Message, Prompting

EXACT = ("--backend", "reference", "--threads", "1", "--temperature", "0", "--max-tokens", "6")
GREEDY = SamplingParams(max_tokens=6, temperature=0.0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_model(tmp_path_factory.mktemp("models") / "tiny"))


def chat(model: str, *lines: str, flags: tuple[str, ...] = ()) -> Result:
    text = "".join(f"{line}\n" for line in lines)
    outcome = CliRunner().invoke(command_line, ["chat", model, *EXACT, *flags], input=text)
    assert outcome.exit_code == 0, outcome.output
    return outcome


def answers(model: str, *texts: str, system: str | None = None) -> str:
    """What the Python API answers to these messages, each on its lines."""
    messages: list[Message] = [] if system is None else [{"role": "system", "content": system}]
    said = []
    with LLM(model, backend="reference", num_threads=1) as llm:
        for text in texts:
            messages.append({"role": "user", "content": text})
            said.append(llm.chat(messages, GREEDY, progress=False)[0].outputs[0].text)
            messages.append({"role": "assistant", "content": said[-1]})
    return "".join(f"{each}\n" for each in said)


def test_answers_are_those_of_the_python_api(model: str) -> None:
    assert chat(model, "tea?", "", "  ", "more tea").stdout == answers(model, "tea?", "more tea")
    with_system = chat(model, "tea?", flags=("--system", "be kind")).stdout
    assert with_system == answers(model, "tea?", system="be kind") != answers(model, "tea?")


def test_reset_forgets_all_but_the_system_message(model: str) -> None:
    once = answers(model, "tea?", system="be kind")
    outcome = chat(model, "tea?", "/reset", "tea?", flags=("--system", "be kind"))
    assert outcome.stdout == 2 * once
    assert "(a new conversation)" in outcome.stderr


def test_commands(model: str) -> None:
    outcome = chat(model, "/rest", "/help", "/xyzzy", "/quit", "tea?")
    assert outcome.stdout == ""
    told = outcome.stderr.splitlines()
    assert (
        told[0]
        == "there is no /rest; did you mean /reset? A message that begins with / needs a blank before it."
    )
    assert told[1].startswith("/reset: forget what was said; /help: ")
    assert told[2].startswith("there is no /xyzzy; A message")
    assert chat(model, " /quit").stdout == answers(model, " /quit")


def test_a_conversation_that_is_too_long_is_refused_and_goes_on_after_a_reset(model: str) -> None:
    text = "tell me about the quick brown fox"
    outcome = chat(model, *[text] * 12, "/reset", text)
    full = "tokens; with an answer it must stay within 128: not sent; /reset starts anew"
    assert outcome.stderr.count(full) == 12 + 1 - outcome.stdout.count("\n")
    assert 0 < outcome.stderr.count(full) < 12
    assert outcome.stdout.endswith(answers(model, text))
    alone = chat(model, "fox " * 200).stderr
    assert "this message has " in alone
    assert "send a shorter one" in alone


def test_an_answer_that_is_cut_says_why(model: str) -> None:
    assert (
        "(cut after 6 tokens; --max-tokens allows more)" in chat(model, "tea", flags=("--ignore-eos",)).stderr
    )
    flags = ("--ignore-eos", "--max-tokens", "1000")
    assert (
        "(cut: the conversation fills the 128 tokens that there may be"
        in chat(model, "a", flags=flags).stderr
    )


def test_a_model_without_a_template(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare = make_model(tmp_path / "bare")
    (bare / "tokenizer_config.json").unlink()
    with pytest.raises(SystemExit) as ending:
        main(["chat", str(bare), "--threads", "1"])
    assert ending.value.code == 2
    line = capsys.readouterr().err
    assert "has no chat template" in line
    assert "--chat-template PATH" in line
    assert line.count("\n") == 1
    flags = ("--chat-template", str(Path(model) / "tokenizer_config.json"), "--tokenizer", model)
    assert chat(str(bare), "tea?", flags=flags).stdout == answers(model, "tea?")


def test_a_conversation_never_drops_anything(model: str) -> None:
    conversation = Conversation(Prompting(Path(model), 400, 128), {"max_tokens": 100})
    rooms = []
    for _ in range(4):
        tokens, params = conversation.prompt("tea")
        rooms.append(128 - len(tokens))
        assert params.max_tokens == min(100, rooms[-1])
        conversation.keep("tea", "green")
    conversation.keep("fox " * 20, "brown")
    with pytest.raises(InvalidRequest, match="/reset starts anew"):
        conversation.prompt("tea")
    assert rooms == sorted(rooms, reverse=True)
    assert rooms[-1] < 100 < rooms[0]
    assert len(conversation.messages) == 10
    conversation.reset()
    assert conversation.messages == []


def test_interruption_ends_the_answer_and_not_the_program(tmp_path: Path) -> None:
    process = start("chat", make_model(tmp_path / "long", **LONG), *ENDLESS)
    assert process.stdin is not None
    assert process.stdout is not None
    for _ in range(2):
        process.stdin.write(b"tea?\n")
        process.stdout.read(20)
        process.send_signal(signal.SIGINT)
        while process.stdout.read(1) != b"\n":
            pass
    code, _, err = end(process, "/quit\n")
    assert code == 0
    assert err.splitlines() == ["(interrupted; what was said stays in the conversation)"] * 2


def test_in_a_terminal(model: str) -> None:
    ours, theirs = pty.openpty()
    program = [sys.executable, "-m", "weft.cli.main", "chat", model, *EXACT]
    with subprocess.Popen(program, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        try:
            assert b"/reset: forget what was said" in read_until(ours, b"> ")
            # A signal between the prompt and the wait for a key is seen with the next one only.
            interrupt = partial(process.send_signal, signal.SIGINT)
            read_until(ours, b"(/quit or Ctrl-D ends)\r\n> ", meanwhile=interrupt)
            os.write(ours, b"tea?\n")
            answer = answers(model, "tea?").strip()
            assert answer.encode() in read_until(ours, b"\n> ")
            os.write(ours, b"\x04")
            assert process.wait(timeout=40) == 0
        finally:
            process.kill()
            os.close(ours)


def read_until(file: int, wanted: bytes, meanwhile: Callable[[], object] | None = None) -> bytes:
    """What comes from a terminal up to what is wanted; `meanwhile` is done whenever nothing comes."""
    seen = b""
    while not seen.endswith(wanted):
        is_ready = select.select([file], [], [], 0.5)[0]
        if is_ready:
            seen += os.read(file, 1024)
        elif meanwhile:
            meanwhile()
    return seen
