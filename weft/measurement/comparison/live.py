"""The same comparison on a real engine of this machine, in real time."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from weft.contracts.errors import WeftError
from weft.contracts.events import FirstToken, RequestEnded, Status, Transition
from weft.contracts.prompts import TokenPrompt
from weft.contracts.record import replaced
from weft.contracts.requests import SamplingParams
from weft.engine.client import generate
from weft.engine.config import UNBOUNDED_TOKENS
from weft.engine.driver import EngineDriver
from weft.measurement.comparison.run_figures import RunFigures, run_figures
from weft.measurement.comparison.stays import Stays
from weft.measurement.comparison.trial import PLAIN, Question, Variation, judged
from weft.measurement.serving_bench import check_lengths
from weft.observation.event_log import EventLog
from weft.policies.choices import PolicyChoices
from weft.simulator.request_outcome import RequestOutcome
from weft.workloads.driving import drive
from weft.workloads.sessions import Session, Turn
from weft.workloads.token_ids import token_ids

if TYPE_CHECKING:
    from weft.executor.loading import Serving

LONELY_LIVE_PER_S = 2.0
"""A rate at which requests of small models do not meet."""


class LiveTrials:
    """Runs trials one after the other on a model that is loaded once; each has an engine and an empty cache."""

    def __init__(self, model: Path, question: Question) -> None:
        from weft.executor.loading import load_serving

        self._serving: Serving = load_serving(model, question.options.serving)
        options = question.options
        self._policies = PolicyChoices(options.order, options.budget, options.preempt, options.retain)
        self._runner = asyncio.Runner()

    def close(self) -> None:
        """End the threads and the loop."""
        self._serving.close()
        self._runner.close()

    def run(
        self, question: Question, choices: Mapping[str, str], seed: int, variation: Variation = PLAIN
    ) -> RunFigures:
        """As `run_trial`, but real: no two runs give the same figures."""
        return self._runner.run(self._run(question, choices, seed, variation))

    async def _run(
        self, question: Question, choices: Mapping[str, str], seed: int, variation: Variation
    ) -> RunFigures:
        load = judged(question, seed, variation)
        check_lengths(load, self._serving.max_model_len)
        await self._serving.executor.forget_rows()
        clients = _Clients(self._serving, replace(self._policies, **choices), seed)
        await drive(load.sessions(), clients.submit)
        return run_figures(clients.outcomes, clients.stays, load, clients.num_preemptions)


class _Clients:
    """An engine and those who ask it. `outcomes`: of requests that have ended."""

    def __init__(self, serving: "Serving", policies: PolicyChoices, seed: int) -> None:
        log = EventLog()
        self.stays, self.outcomes = Stays(), list[RequestOutcome]()
        self.num_preemptions = 0
        self.stays.watch(0, log)
        log.subscribe(self._note_first, FirstToken)
        log.subscribe(self._note_end, RequestEnded)
        log.subscribe(self._note_transition, Transition)
        config = replace(serving.config.with_policies(policies), max_queued_tokens=UNBOUNDED_TOKENS)
        self._driver = EngineDriver(config, serving.executor, log)
        self._vocabulary, self._seed = serving.spec.vocab_size, seed
        self._first_s: dict[str, float] = {}
        self._asked: dict[str, tuple[float, int]] = {}

    async def submit(self, session: Session, index: int, turn: Turn, arrival_s: float) -> None:
        """Ask for a turn; its output has the intended length."""
        name, length = f"{session.number}.{index}", turn.output_tokens
        tokens = tuple(token_ids(turn.prompt, name, self._vocabulary, self._seed))
        sampling = SamplingParams(max_tokens=length, min_tokens=length, ignore_eos=True, temperature=0.0)
        self._asked[name] = (arrival_s, len(tokens))
        try:
            asked = replaced(turn, prompt=TokenPrompt(tokens))
            await generate(self._driver, session.request(index, asked, sampling))
        except WeftError:
            return  # the log tells of it, and so do the figures

    def _note_first(self, event: FirstToken) -> None:
        self._first_s[event.request_id] = event.time_s

    def _note_transition(self, event: Transition) -> None:
        self.num_preemptions += event.after is Status.PREEMPTED and event.before is Status.RUNNING

    def _note_end(self, event: RequestEnded) -> None:
        name, status, reason, ended_s = event.request_id, event.status, event.reason, event.time_s
        arrival_s, prompt_tokens = self._asked[name]
        first_s = self._first_s.pop(name, None)
        outcome = RequestOutcome(
            name, status, reason, arrival_s, first_s, ended_s, prompt_tokens, event.output_tokens, ()
        )
        self.outcomes.append(outcome)
