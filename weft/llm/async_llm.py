"""A model served inside an asyncio program."""

import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from weft.contracts.callers import Caller
from weft.contracts.errors import ConfigurationError
from weft.contracts.execution import ServingExecutor
from weft.contracts.options import ServingOptions, serving_options
from weft.contracts.requests import Request, Slo
from weft.engine.config import UNBOUNDED_TOKENS, EngineConfig
from weft.engine.driver import EngineDriver
from weft.engine.engine import Engine
from weft.llm.answering import Preparation
from weft.llm.constraining import ConstraintCompiler
from weft.llm.language_model import LanguageModel, Served
from weft.llm.prompting import Prompting
from weft.llm.results import (
    ABANDONED,
    RequestAbandoned,
)
from weft.observation.event_log import EventLog
from weft.policies.choices import DEFAULT_POLICIES, PolicyChoices
from weft.text.constraints import Grammars


class StepExecutor(ServingExecutor, Protocol):
    """`step_thread`: the id of the thread that does the steps; None before the first."""

    @property
    def step_thread(self) -> int | None: ...


class ServedHere(Served, Protocol):
    """A model whose steps are done in this process."""

    @property
    def executor(self) -> StepExecutor: ...

    def follow(self, grammars: Grammars) -> None:
        """Constraints of requests are those of these from now on."""

    def close(self) -> None:
        """End the threads."""


class AsyncLLM(LanguageModel):
    """A model, loaded on construction (which takes as long as reading its weights), served on the event loop on
    which its first request is made.

    `model`: a Hugging Face directory or a GGUF file. `tokenizer`, `chat_template`: files or directories to use instead
    of the model's own. `tool_format`: see `Prompting`. `bounded`: refuse requests while much more waits than the device
    holds, as a server must; else let all wait. `policies`: who runs next, who gives way. `objective`: how fast
    requests are meant to be answered; `max_queue_delay_s`: how long they may wait; see `EngineConfig`. The rest are the
    fields of `ServingOptions`. Requests that name no seed get noise that follows from their number, so a program that
    asks the same gets the same.

    `log` records what happens to requests, from the first on; `serving` is the model as it was loaded.

    Raises `ConfigurationError` for whatever keeps the model from being served.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        tokenizer: str | Path | None = None,
        chat_template: str | Path | None = None,
        tool_format: str = "auto",
        bounded: bool = True,
        policies: PolicyChoices = DEFAULT_POLICIES,
        objective: Slo | None = None,
        max_queue_delay_s: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        directory, checked = Path(model), serving_options(options)
        policies.check()  # its complaints come before the weights
        self.serving: ServedHere = self._load(directory, checked)
        self.prompting = self._prompting(directory, tokenizer, chat_template, tool_format)
        self.prompting.warn_of_defaults()
        self._preparation = self._prepare()
        self.log = EventLog()
        config = replace(
            self.serving.config.with_policies(policies),
            objective=objective,
            max_queue_delay_s=max_queue_delay_s,
        )
        self._config = config if bounded else replace(config, max_queued_tokens=UNBOUNDED_TOKENS)
        self._driver: EngineDriver | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_closed = self._is_abandoned = False

    def _load(self, directory: Path, options: ServingOptions) -> ServedHere:
        """For one that has a model of its own."""
        # Here, so that importing weft costs no second: torch comes with it.
        from weft.executor.loading import load_serving

        return load_serving(directory, options)

    def _prepare(self) -> Preparation:
        """What requests need beside their steps: the grammars of constraints."""
        grammars = self.prompting.grammars
        if grammars is not None:
            self.serving.follow(grammars)
        return ConstraintCompiler(grammars)

    def _prompting(
        self,
        directory: Path,
        tokenizer: str | Path | None,
        chat_template: str | Path | None,
        tool_format: str,
    ) -> Prompting:
        read_from, talks_by = (None if each is None else Path(each) for each in (tokenizer, chat_template))
        vocab_size, longest = self.serving.spec.vocab_size, self.serving.max_model_len
        try:
            return Prompting(directory, vocab_size, longest, read_from, talks_by, tool_format)
        except BaseException:
            self.serving.close()
            raise

    async def start(self) -> None:
        self._driven()

    async def close(self) -> None:
        """Fail what runs, wait for the step under way, end the threads."""
        if self._is_closed:
            return
        self._is_closed = True
        self._preparation.close()
        self.abandon()
        await asyncio.to_thread(self.serving.close)

    def abandon(self) -> None:
        """Fail what runs and what comes, by `RequestAbandoned`; `close` is to follow."""
        self._is_abandoned = True
        if self._driver is not None:
            engine, now_s = self._driver.engine, asyncio.get_running_loop().time()
            for request_id in engine.live_requests():
                engine.fail(request_id, ABANDONED, now_s)

    @property
    def executor(self) -> ServingExecutor:
        """What does the steps; another one in a subclass that measures what is around it."""
        return self.serving.executor

    @property
    def fingerprint(self) -> str:
        return self.executor.numeric_fingerprint

    @property
    def config(self) -> EngineConfig:
        """Of its engine."""
        return self._config

    @property
    def objective(self) -> Slo | None:
        return self._config.objective

    def held(self, request: Request) -> AbstractAsyncContextManager[None]:
        """Within, the executor knows what it needs of a request beside its steps; see `Preparation`."""
        return self._preparation.held(request)

    def is_held(self, request: Request) -> bool:
        """Whether `held` does anything."""
        return request.sampling.constraint is not None

    @property
    def engine(self) -> Engine | None:
        """What runs the requests, for those who watch it; None before the first request."""
        return None if self._driver is None else self._driver.engine

    @property
    def defect(self) -> Exception | None:
        """What stopped the engine for good, or None."""
        return None if self._driver is None else self._driver.defect

    def check_load(self, caller: Caller, prompt_tokens: int) -> None:
        """Raise `RequestRejected` where a request of about so many tokens would be refused for what waits already."""
        if self._driver is not None and self._loop is not None:
            who, now_s = (str(next(self._numbers)), caller.tenant, caller.slo), self._loop.time()
            self._driver.engine.check_load(*who, prompt_tokens, now_s)

    def _driven(self) -> EngineDriver:
        loop = asyncio.get_running_loop()
        if self._is_closed:
            raise ConfigurationError("the model was closed; load it again")
        if self._is_abandoned:
            raise RequestAbandoned(ABANDONED)
        if self._driver is None:
            self._driver, self._loop = EngineDriver(self._config, self.executor, self.log), loop
        if loop is not self._loop:
            raise ConfigurationError("an AsyncLLM belongs to one event loop; make one for each, or use LLM")
        return self._driver
