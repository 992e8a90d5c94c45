"""What was said in a chat, and what of it the model can still take."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from weft.cli.sampling_options import complete_sampling
from weft.contracts.errors import InvalidRequest
from weft.contracts.requests import SamplingParams

if TYPE_CHECKING:
    from weft.llm.prompting import Message, Prompting


class Conversation:
    """Messages so far. Nothing is ever dropped from them: what no longer fits is refused with advice.

    `sampling`: what the user asked for. `system`: a message that stands before all others.
    """

    def __init__(
        self, prompting: "Prompting", sampling: Mapping[str, Any], system: str | None = None
    ) -> None:
        self._prompting, self._sampling = prompting, sampling
        self._system: list[Message] = [] if system is None else [{"role": "system", "content": system}]
        self.messages: list[Message] = []
        self.reset()

    def reset(self) -> None:
        """Forget all but the system message."""
        self.messages = list(self._system)

    def check(self) -> None:
        """Raises `WeftError` where the model has no chat template, or one that refuses the system message."""
        self._prompting.render([*self._system, {"role": "user", "content": "?"}])

    def prompt(self, text: str) -> tuple[tuple[int, ...], SamplingParams]:
        """The conversation with the user's next message as tokens, and parameters for its answer, which is given
        as much room as there is. Raises `InvalidRequest` where there is none."""
        tokens = self._prompting.encode_chat([*self.messages, {"role": "user", "content": text}])
        room = self._prompting.max_model_len - len(tokens)
        if room < 1:
            raise InvalidRequest(self._no_room(len(tokens)))
        given = dict(self._sampling)
        if "max_tokens" in given:
            given["max_tokens"] = min(given["max_tokens"], room)
        return tokens, complete_sampling(self._prompting, given, len(tokens))

    def keep(self, text: str, answer: str) -> None:
        """Both become part of the conversation."""
        self.messages += [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]

    def _no_room(self, num_tokens: int) -> str:
        most = self._prompting.max_model_len
        said = (
            "the conversation with this message" if len(self.messages) > len(self._system) else "this message"
        )
        advice = "/reset starts anew" if said != "this message" else "send a shorter one"
        return (
            f"{said} has {num_tokens} tokens; with an answer it must stay within {most}: not sent; {advice}"
        )
