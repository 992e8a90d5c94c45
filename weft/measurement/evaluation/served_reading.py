"""How much a text surprises a model as it is served: by the log-probabilities of a prompt's tokens."""

import asyncio
from types import TracebackType
from typing import Self

from weft.contracts.requests import SamplingParams
from weft.measurement.evaluation.answering import ServedModel
from weft.training.text.documents import TokenDocument


class ServedReader:
    """A `Reader` behind the engine, so with its kernels, formats of weights and formats of state.

    Takes over `llm`, on which no request was made yet, and closes it.
    """

    def __init__(self, llm: ServedModel) -> None:
        self._llm = llm
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._runner.run(self._llm.close())
        self._runner.close()

    @property
    def max_model_len(self) -> int:
        """One less than the model's: every request has an output token, too."""
        return self._llm.prompting.max_model_len - 1

    def nats(self, document: TokenDocument) -> list[float]:
        """The surprise of each token that is asked about, in order."""
        sampling = SamplingParams(max_tokens=1, temperature=0.0, prompt_logprobs=0)
        answered = self._runner.run(self._llm.generate(document.token_ids, sampling))
        told = zip(answered.prompt_logprobs or (), document.learnt, strict=True)
        return [-each.logprob for each, is_asked in told if is_asked and each is not None]
