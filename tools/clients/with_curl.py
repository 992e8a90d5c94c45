"""What curl does with the server: the bytes that other clients hide."""

import json
import re
import subprocess
from typing import Any

from tools.clients.checking import MESSAGES, MODEL, MOST_TOKENS, TOOLS, check_time, main, require

ASK: dict[str, Any] = {"model": MODEL, "messages": MESSAGES, "max_tokens": MOST_TOKENS}


def curl(url: str, body: object, *flags: str) -> str:
    """What it writes; flags of curl before the URL."""
    command = ["curl", "--silent", "--show-error", "--max-time", "60", *flags]
    data = ["--header", "Content-Type: application/json", "--data-binary", "@-", url]
    return subprocess.run(
        [*command, *data], input=json.dumps(body), capture_output=True, check=True, text=True
    ).stdout


def chat(url: str) -> None:
    """An answer in one piece."""
    answer = json.loads(curl(f"{url}/v1/chat/completions", ASK, "--fail"))
    require(answer["choices"][0]["message"]["content"], answer)


def stream(url: str) -> None:
    """Events, each with its blank line, as they come."""
    told = curl(f"{url}/v1/chat/completions", {**ASK, "stream": True}, "--fail", "--no-buffer")
    *events, last, rest = told.split("\n\n")
    require((last, rest) == ("data: [DONE]", ""), told)
    require(all(json.loads(event.removeprefix("data: "))["choices"] for event in events), told)


def tools(url: str) -> None:
    """A call."""
    body = {**ASK, "tools": TOOLS, "tool_choice": "required"}
    answer = json.loads(curl(f"{url}/v1/chat/completions", body, "--fail"))
    check_time(answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"])


def messages(url: str) -> None:
    """Anthropic's protocol, with named events."""
    told = curl(f"{url}/v1/messages", {**ASK, "stream": True}, "--fail", "--no-buffer")
    names = re.findall(r"^event: (\w+)$", told, re.MULTILINE)
    require((names[0], names[-1]) == ("message_start", "message_stop"), told)


def waiting_body(url: str) -> None:
    """A body that is sent only once the server asks for it."""
    answer = json.loads(curl(f"{url}/v1/chat/completions", ASK, "--fail", "--header", "Expect: 100-continue"))
    require(answer["choices"], answer)


def other_model(url: str) -> str:
    """A name that is not served."""
    told = curl(f"{url}/v1/chat/completions", {**ASK, "model": "gpt-4o"})
    message: str = json.loads(told)["error"]["message"]
    require("is not served here" in message, told)
    return message


CHECKS = {
    "chat": chat,
    "stream": stream,
    "tools": tools,
    "messages": messages,
    "Expect: 100-continue": waiting_body,
    "another model's name": other_model,
}

if __name__ == "__main__":
    main([], CHECKS)
