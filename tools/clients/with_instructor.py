"""What Instructor does with the server: answers as objects, in its several ways."""

import asyncio
from collections.abc import Callable
from typing import Any

import instructor
import openai

from tools.clients.alarm import Alarm
from tools.clients.checking import MESSAGES, MODEL, main, refusal, require

ASK: dict[str, Any] = {"model": MODEL, "messages": MESSAGES, "max_tokens": 400, "max_retries": 0}


def client(url: str, mode: Any = instructor.Mode.TOOLS) -> Any:
    """Retries nothing, so that errors are seen."""
    made = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    return instructor.from_openai(made, mode=mode)


def _by(mode: Any) -> Callable[[str], None]:
    def check(url: str) -> None:
        """An object."""
        answer = client(url, mode).chat.completions.create(response_model=Alarm, **ASK)
        require(isinstance(answer, Alarm), answer)

    return check


def streamed(url: str) -> None:
    """An object that grows."""
    *_, last = client(url).chat.completions.create_partial(response_model=Alarm, **ASK)
    require(isinstance(last.time, str), last)


def asynchronous(url: str) -> None:
    """Several at once."""

    async def ask() -> list[Any]:
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as made:
            asked = instructor.from_openai(made, mode=instructor.Mode.TOOLS).chat.completions
            return list(await asyncio.gather(*(asked.create(response_model=Alarm, **ASK) for _ in range(4))))

    answers = asyncio.run(ask())
    require(all(isinstance(answer, Alarm) for answer in answers), answers)


def other_model(url: str) -> str:
    """A name that is not served."""
    return refusal(
        lambda: client(url).chat.completions.create(response_model=Alarm, **{**ASK, "model": "gpt-4o"}),
        "model 'gpt-4o' is not served here; served are: 'weft-tiny'",
    )


CHECKS = {
    "tools": _by(instructor.Mode.TOOLS),
    "streamed tools": streamed,
    "structured": _by(instructor.Mode.JSON_SCHEMA),
    "async": asynchronous,
    "another model's name": other_model,
}

if __name__ == "__main__":
    main(["instructor", "openai"], CHECKS)
