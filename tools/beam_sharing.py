"""How much the hypotheses of beam searches share, told from an engine's events, and a search without an engine."""

from typing import NamedTuple

from weft.contracts.events import ENDS, StepRecord, Transition
from weft.contracts.prompts import LengthPrompt
from weft.contracts.requests import Request, SamplingParams
from weft.engine.search import Append, BeamSearch, Conclude, Fork
from weft.observation.event_log import EventLog
from weft.simulator.simulated_beams import END_TOKEN, NextTokens

FORKED = "forked from "


class Forks(NamedTuple):
    """Of searches: `num_forks` after the first round, in which one hypothesis becomes all, among `num_hypotheses`, a
    hypothesis counting once for each of its tokens."""

    num_forks: int
    num_hypotheses: int

    @property
    def share(self) -> float:
        """Hypotheses that are not the first to come from their parent."""
        return self.num_forks / self.num_hypotheses


class SharingWatch:
    """Follows the log of one engine, without prefix cache, on which searches of one width run and nothing else."""

    def __init__(self, beam_width: int, block_tokens: int = 16) -> None:
        self._beam_width, self._block_tokens = beam_width, block_tokens
        self._tokens: dict[int, int] = {}
        self._num_searches = self._num_forks = self._num_computed = 0
        self._used_blocks = self._unshared_blocks = 0

    def watch(self, _index: int, log: EventLog) -> None:
        """Subscribe to it."""
        log.subscribe(self._on_transition, Transition)
        log.subscribe(self._on_step, StepRecord)

    @property
    def forks(self) -> Forks:
        """So far."""
        first = self._num_searches * (self._beam_width - 1)
        return Forks(self._num_forks - first, self._num_computed - self._num_searches)

    @property
    def saving(self) -> float:
        """Blocks saved by sharing, of those that there would be without, over steps: as in figure 15 of vLLM's paper
        (arXiv 2309.06180)."""
        return 1.0 - self._used_blocks / self._unshared_blocks

    def _on_transition(self, event: Transition) -> None:
        number = event.sequence_number
        if event.before is None and event.reason.startswith(FORKED):
            self._num_forks += 1
            self._tokens[number] = self._tokens[int(event.reason.removeprefix(FORKED))]
        elif event.before is None:
            self._num_searches += 1
            self._tokens[number] = 0
        elif event.after in ENDS:
            del self._tokens[number]

    def _on_step(self, record: StepRecord) -> None:
        for units in record.explicit:
            self._num_computed += units.emits
            if units.sequence_number in self._tokens:
                self._tokens[units.sequence_number] = units.start + units.num_units
        self._used_blocks += record.used_blocks
        self._unshared_blocks += sum(-(-tokens // self._block_tokens) for tokens in self._tokens.values())


class SearchAlone:
    """A search in `NextTokens`, whose output has so many tokens: what every schedule must agree with."""

    def __init__(self, next_tokens: NextTokens, request_id: str, beam_width: int, num_tokens: int) -> None:
        self._next_tokens, self._output, self._num_tokens = next_tokens, f"{request_id} 0", num_tokens
        sampling = SamplingParams(
            beam_width=beam_width, max_tokens=num_tokens + 1, stop_token_ids=(END_TOKEN,)
        )
        self._search = BeamSearch(Request(request_id, LengthPrompt(1), sampling))
        self._count = self._search.num_candidates
        self.found: tuple[int, ...] = ()
        self.forks = self._run()

    def _run(self) -> Forks:
        last_tokens, num_forks, num_hypotheses = {0: END_TOKEN}, 0, 0
        for position in range(self._num_tokens):
            last_tokens, forked = self._round(position, last_tokens)
            num_forks += forked if position else 0
            num_hypotheses += len(last_tokens)
        return Forks(num_forks, num_hypotheses)

    def _round(self, position: int, last_tokens: dict[int, int]) -> tuple[dict[int, int], int]:
        """The last tokens of the hypotheses after it, and how many were forked."""
        chosen, num_forks = dict[int, int](), 0
        for which, last_token in last_tokens.items():
            if position + 1 == self._num_tokens:
                candidates = self._next_tokens.end()
            else:
                candidates = self._next_tokens.likeliest(self._output, position, last_token, self._count)
            for action in self._search.ready(which, candidates):
                match action:
                    case Append(each, token):
                        chosen[each] = token
                    case Conclude(tokens, _):
                        self.found = tokens
                num_forks += isinstance(action, Fork)
        return chosen, num_forks
