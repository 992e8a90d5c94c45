"""`weft chat`: a conversation in the terminal."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weft.cli.asking import chat_template_option, load, notice, tokenizer_option
from weft.cli.conversation import Conversation
from weft.cli.mistakes import nearest
from weft.cli.model_options import model_options
from weft.cli.sampling_options import sampling_options
from weft.contracts.errors import InvalidRequest, WeftError
from weft.llm.model_path import resolve_model

if TYPE_CHECKING:
    from weft.llm.async_llm import AsyncLLM

COMMANDS = {"/reset": "forget what was said", "/help": "this list", "/quit": "end (as Ctrl-D does)"}
NOT_IN_CHAT = ("n", "beam_width", "logprobs", "prompt_logprobs")


@click.command()
@click.argument("model", required=False)
@click.option("--system", help="A message that stands before the conversation.")
@tokenizer_option
@chat_template_option
@sampling_options(without=NOT_IN_CHAT)
@model_options(max_num_seqs="1")
def command(
    model: str | None,
    system: str | None,
    tokenizer: Path | None,
    chat_template: Path | None,
    sampling: dict[str, Any],
    given: dict[str, Any],
) -> None:
    """Talk with MODEL: each line is a message, the answer comes as it is computed.

    MODEL is a Hugging Face directory, a .gguf file, ORG/NAME of huggingface.co, or one that comes with Weft:
    weft-tiny, which is the default, or weft-nano, its draft.

    Ctrl-C ends an answer; /reset begins a new conversation; /quit or Ctrl-D ends. Answers go to standard output,
    all else to standard error, so a file of messages can be piped in.
    """
    llm = load(resolve_model(model), {"max_num_seqs": 1, **given}, tokenizer, chat_template)
    with asyncio.Runner() as runner:
        try:
            conversation = Conversation(llm.prompting, sampling, system)
            conversation.check()
            _talk(Chat(llm, runner, conversation), is_terminal=sys.stdin.isatty())
        finally:
            runner.run(llm.close())


class Chat:
    """A conversation with a model on an event loop that runs while an answer is computed."""

    def __init__(self, llm: "AsyncLLM", runner: asyncio.Runner, conversation: Conversation) -> None:
        self.conversation = conversation
        self._llm, self._runner = llm, runner
        self._said: list[str] = []

    def answer(self, text: str) -> None:
        """Answer a message. Where that fails or is interrupted before anything was said, it counts as not sent."""
        self._said = []
        try:
            self._runner.run(self._stream(text))
        except KeyboardInterrupt:
            self._interrupted(text)
        except WeftError as error:
            notice(f"weft: error: {error}")
        else:
            self.conversation.keep(text, "".join(self._said))

    async def _stream(self, text: str) -> None:
        tokens, params = self.conversation.prompt(text)
        is_cut = False
        async with aclosing(self._llm.stream(tokens, params)) as chunks:
            async for chunk in chunks:
                self._said.append(chunk.text)
                click.echo(chunk.text, nl=False)
                is_cut = chunk.finish_reason == "length"
        click.echo()
        if is_cut:
            self._tell_cut(len(tokens), params.max_tokens)

    def _tell_cut(self, prompt_tokens: int, max_tokens: int) -> None:
        most = self._llm.prompting.max_model_len
        if prompt_tokens + max_tokens >= most:
            notice(f"(cut: the conversation fills the {most} tokens that there may be; /reset starts anew)")
        else:
            notice(f"(cut after {max_tokens} tokens; --max-tokens allows more)")

    def _interrupted(self, text: str) -> None:
        click.echo()
        said = "".join(self._said)
        if said:
            self.conversation.keep(text, said)
            notice("(interrupted; what was said stays in the conversation)")
        else:
            notice("(interrupted; your message does not count)")


def _talk(chat: Chat, *, is_terminal: bool) -> None:
    if is_terminal:
        _edit_lines()
        notice(_described_commands())
    for line in _lines("> " if is_terminal else ""):
        if line.startswith("/"):
            if line == "/quit":
                return
            _obey(line, chat.conversation)
        elif line:
            chat.answer(line)


def _lines(prompt: str) -> Iterator[str]:
    """What the user types, up to the end of input; Ctrl-C clears the line."""
    while True:
        try:
            yield input(prompt).rstrip()
        except EOFError:
            if prompt:
                click.echo()
            return
        except KeyboardInterrupt:
            click.echo()
            notice("(/quit or Ctrl-D ends)")
        except UnicodeDecodeError as error:
            raise InvalidRequest(f"standard input is not UTF-8 ({error}); convert it with iconv") from error


def _obey(line: str, conversation: Conversation) -> None:
    word = line.split()[0]
    if word == "/reset":
        conversation.reset()
        notice("(a new conversation)")
    elif word == "/help":
        notice(_described_commands())
    else:
        near = nearest(word, list(COMMANDS))
        question = f"did you mean {near}? " if near else ""
        notice(f"there is no {word}; {question}A message that begins with / needs a blank before it.")


def _described_commands() -> str:
    return "; ".join(f"{name}: {meaning}" for name, meaning in COMMANDS.items()) + "; Ctrl-C: end an answer"


def _edit_lines() -> None:
    """Arrow keys and history for `input`, where Python was built with them."""
    with suppress(ImportError):
        import readline  # noqa: F401
