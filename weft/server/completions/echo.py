"""Completions that begin with their prompt: text and log-probabilities of the prompt, told once per choice."""

from collections.abc import Sequence

from weft.contracts.steps import TokenLogprobs
from weft.llm.results import PromptLogprobs
from weft.server.protocol.token_logprobs import CompletionLogprobs, Lists


class Echo:
    """The prompts of one request; `num_choices` of each. `num_likeliest`: beside each token, where it is to have a
    log-probability, else None."""

    def __init__(
        self,
        texts: Sequence[str],
        prompts: Sequence[tuple[int, ...]],
        num_choices: int,
        num_likeliest: int | None,
    ) -> None:
        self._texts, self._prompts, self._num_choices = texts, prompts, num_choices
        self._num_likeliest = num_likeliest
        self._told: set[int] = set()

    def begins(self, index: int) -> bool:
        """Whether a choice has still to be begun; asked once, it counts as begun."""
        begins = index not in self._told
        self._told.add(index)
        return begins

    def text(self, index: int) -> str:
        """What a choice begins with."""
        return self._texts[index // self._num_choices]

    def logprobs(
        self, index: int, logprobs: PromptLogprobs | None, reader: CompletionLogprobs
    ) -> Lists | None:
        """The lists of a choice as far as its prompt; `reader` is the one that goes on with its output."""
        if self._num_likeliest is None or logprobs is None:
            return None
        first = TokenLogprobs(self._prompts[index // self._num_choices][0], 0.0)
        rest = [
            each._replace(likeliest=each.likeliest[: self._num_likeliest]) for each in logprobs[1:] if each
        ]
        return reader.read_prompt(self.text(index), first, rest)


def together(prompt: Lists | None, output: Lists | None) -> Lists | None:
    """The lists of prompt and output as one."""
    if prompt is None or output is None:
        return output or prompt
    return {key: prompt[key] + output[key] for key in output}
