"""Looks for inputs that break what reads requests and answers, guided by the code that they reach.

    python tools/fuzz_requests.py requests|heads|answers|templates [--seconds S] [--corpus DIRECTORY]

`requests`: bodies, through the whole application up to prompts, parameters and constraints, for every route; the
model behind it takes none. `heads`: the headers of a request, through keys, names and tenants. `answers`: what a model
writes, read as thoughts and calls, in one piece and in several. `templates`: conversations, through the template of a
model.

Errors that are meant for clients are answers. A status of 500 and more, whatever else is raised, and whatever takes
more than 10 s, is a finding: it is printed, its input is kept beside the corpus, and the exit code is not 0. Seeds are
made on the spot; a corpus given again goes on where it was. Needs atheris: pip install -e '.[fuzz]'.
"""

import argparse
import asyncio
import importlib
import json
import sys
import tempfile
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MOST_BYTES = 4096
MOST_SECONDS_OF_ONE = 10
MOST_MEMORY_MIB = 8192
MISSING = (
    "atheris is missing; install it with: .venv/bin/python -m pip install -c constraints.txt -e '.[fuzz]'"
)

Target = Callable[[bytes], None]


class Finding(Exception):
    """What must not happen has happened."""


def application(api_keys: tuple[str, ...] = ()) -> Any:
    """The built-in model's, which refuses every request once it knows what is asked."""
    from tests.server.in_process import InProcess
    from tests.server.live_server import NAME, OPTIONS
    from weft.contracts.errors import RequestRejected
    from weft.llm.async_llm import AsyncLLM
    from weft.llm.model_path import resolve_model
    from weft.server.state import ServerSettings, ServerState

    class Unwilling(AsyncLLM):
        async def generate(self, *asked: Any) -> Any:
            raise RequestRejected("0", "nothing is generated here", None)

        async def stream(self, *asked: Any, **how: Any) -> AsyncGenerator[Any, None]:
            await self.generate()
            yield None

        async def embed(self, *asked: Any) -> Any:
            await self.generate()

    state = ServerState(ServerSettings((NAME,), api_keys=api_keys))
    llm = Unwilling(resolve_model("weft-tiny"), **OPTIONS)
    state.model_is_ready(llm)
    return InProcess(asyncio.Runner(), llm, state)


def requests_target() -> Target:
    """The first byte chooses the route; the rest is the body."""
    from tests.server.hostile import VALID

    app, paths = application(), sorted(VALID)

    def ask(data: bytes) -> None:
        if data:
            check(app.ask("POST", paths[data[0] % len(paths)], data[1:]))

    return ask


def heads_target() -> Target:
    """Lines of headers; the first line is the path."""
    app = application(("secret", "acme key"))

    def ask(data: bytes) -> None:
        path, *lines = data.decode("latin-1").split("\n")
        pairs = (line.partition(":") for line in lines if line)
        headers = {name.strip(): value.strip() for name, _, value in pairs}
        check(app.ask("GET", "/" + path, b"", headers))

    return ask


def check(told: Any) -> None:
    """Raises `Finding` where an answer is an error of the server's; its log has said which."""
    if told.status >= 500:
        raise Finding(told.body[:200])


def answers_target() -> Target:
    """The first two bytes choose the form of calls and where the text is cut; pieces must make no difference."""
    from weft.text.answer_reader import AnswerReader
    from weft.text.reasoning import ReasoningReader
    from weft.text.tool_formats.call_reader import CallReader
    from weft.text.tool_formats.families import tool_format

    templates = ("[TOOL_CALLS] [tools]", "[TOOL_CALLS]tools[ARGS]")
    found = [tool_format(name, "tools") for name in ("hermes", "llama3", "weft")]
    forms = [
        form for form in (*found, *(tool_format("mistral", each) for each in templates)) if form is not None
    ]

    def reader(choice: int) -> AnswerReader:
        thinking = None if choice & 1 else ReasoningReader(is_thinking=bool(choice & 2))
        form = forms[(choice >> 2) % len(forms)]
        return AnswerReader(thinking, CallReader(form, frozenset({"a", "get_b"}), lambda: "id"))

    def read(data: bytes) -> None:
        if len(data) < 2:
            return
        text, step = data[2:].decode("utf-8", "replace"), 1 + data[1] % 7
        whole, pieces = reader(data[0]), reader(data[0])
        at_once = [*whole.feed(text), *whole.end()]
        in_pieces = [part for at in range(0, len(text), step) for part in pieces.feed(text[at : at + step])]
        if joined(at_once) != joined([*in_pieces, *pieces.end()]):
            raise Finding(f"{text!r} in pieces of {step} is another answer")

    return read


def joined(parts: list[Any]) -> list[list[Any]]:
    """Neighbours of one kind together, as clients put them together."""
    told: list[list[Any]] = []
    for part in parts:
        kind, text = type(part).__name__, getattr(part, "text", None)
        if text is not None and told and told[-1][0] == kind:
            told[-1][1] += text
        else:
            told.append([kind, repr(part) if text is None else text])
    return [each for each in told if each[1]]


def templates_target() -> Target:
    """JSON of messages, for the template of the built-in model."""
    from weft.contracts.errors import WeftError
    from weft.llm.model_path import resolve_model
    from weft.text.chat_messages import template_messages
    from weft.text.template_loading import load_chat_template

    template = load_chat_template(resolve_model("weft-tiny"))

    def render(data: bytes) -> None:
        with suppress(ValueError, RecursionError):
            messages = json.loads(data)
            if isinstance(messages, list) and all(isinstance(each, dict) for each in messages):
                with suppress(WeftError):
                    template.render(template_messages(messages))

    return render


def request_seeds() -> Iterator[bytes]:
    """Every field of every route, with a value."""
    from tests.server.hostile import SMALL, VALID, Description
    from tests.server.in_process import description

    described, values = Description(description()), list(SMALL.values())
    for index, path in enumerate(sorted(VALID)):
        yield bytes([index]) + described.valid(path)
        for number, place in enumerate(described.places(path)):
            yield bytes([index]) + place.filled(values[number % len(values)])


def head_seeds() -> Iterator[bytes]:
    """Requests that pass, and some that do not."""
    yield b"v1/models\nauthorization: Bearer secret\nx-request-id: a\nx-weft-slo-ttft-ms: 100"
    yield b"v1/responses/a?stream=false\nx-api-key: key\nx-weft-tenant: acme\nx-slo-tpot-ms: 1.5"
    yield b"health\nhost: localhost:8000"


def answer_seeds() -> Iterator[bytes]:
    """An answer in each form."""
    for choice in range(20):
        for text in (
            'tea <tool_call>\n{"name": "a", "arguments": {"b": [1, "c\\""]}}\n</tool_call>',
            '<think>so</think>{"name": "a", "parameters": {}}; {"name": "get_b", "parameters": {"a": 1}}',
            '[TOOL_CALLS] [{"name": "a", "arguments": {}, "id": "1"}]',
            '[TOOL_CALLS]a[ARGS]{"b": 1}[TOOL_CALLS]get_b[ARGS]{}',
            '{"tool": "a", "arguments": {"b": 1}}\n{"tool": "get_b", "arguments": {}}',
        ):
            yield bytes([choice, choice]) + text.encode()


def template_seeds() -> Iterator[bytes]:
    """Conversations with calls."""
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turns: list[dict[str, Any]] = [
        {"role": "system", "content": "a"},
        {"role": "user", "content": [{"type": "text", "text": "a"}]},
        {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": "b"},
        {"role": "tool", "tool_call_id": "a", "content": "c"},
    ]
    for length in range(1, 5):
        yield json.dumps(turns[:length]).encode()


TARGETS: dict[str, tuple[Callable[[], Target], Callable[[], Iterator[bytes]]]] = {
    "requests": (requests_target, request_seeds),
    "heads": (heads_target, head_seeds),
    "answers": (answers_target, answer_seeds),
    "templates": (templates_target, template_seeds),
}


def main() -> None:
    """Runs until the time is over or something is found; libFuzzer ends the process."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path)
    given = parser.parse_args()
    try:
        atheris = importlib.import_module("atheris")
    except ImportError:
        sys.exit(MISSING)
    make_target, make_seeds = TARGETS[given.target]
    corpus = given.corpus or Path(tempfile.mkdtemp(prefix="weft-fuzz-"))
    corpus.mkdir(parents=True, exist_ok=True)
    with atheris.instrument_imports(include=["weft"]):
        target = make_target()
    for number, seed in enumerate(make_seeds()):
        (corpus / f"seed-{number:04}").write_bytes(seed)
    atheris.Setup([sys.argv[0], *options(given.seconds, corpus)], target)
    atheris.Fuzz()


def options(seconds: int, corpus: Path) -> list[str]:
    """libFuzzer's. A finding is written into the directory above the corpus."""
    return [
        f"-max_total_time={seconds}",
        f"-max_len={MOST_BYTES}",
        f"-timeout={MOST_SECONDS_OF_ONE}",
        f"-rss_limit_mb={MOST_MEMORY_MIB}",
        f"-artifact_prefix={corpus.parent}/weft-finding-",
        "-print_final_stats=1",
        str(corpus),
    ]


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
