"""Recorded requests, simulated: the same arrivals and lengths."""

from collections.abc import Iterator
from dataclasses import dataclass

from weft.contracts.prompts import HashPrompt, LengthPrompt, Prompt
from weft.measurement.simulation import simulate_deployment
from weft.measurement.validation.recorded_run import RecordedRequest, RecordedRun
from weft.simulator.deployment import Deployment
from weft.workloads.sessions import Session, Turn


@dataclass(frozen=True, slots=True)
class RecordedArrivals:
    """A `Workload` of recorded requests, each as long as it was and when it came; the first arrives at 0."""

    name: str
    requests: tuple[RecordedRequest, ...]
    block_tokens: int

    def sessions(self) -> Iterator[Session]:
        """In order of arrival, numbered as they were recorded."""
        order = sorted(range(len(self.requests)), key=lambda index: self.requests[index].arrival_s)
        first_s = self.requests[order[0]].arrival_s
        for index in order:
            request = self.requests[index]
            turn = Turn(self._prompt(request), request.output_tokens)
            yield Session(index, request.arrival_s - first_s, (turn,))

    def _prompt(self, request: RecordedRequest) -> Prompt:
        if request.prefix_hashes is None:
            return LengthPrompt(request.input_tokens)
        return HashPrompt(request.input_tokens, request.prefix_hashes, self.block_tokens)


def predict_requests(run: RecordedRun, deployment: Deployment) -> dict[int, RecordedRequest]:
    """What a simulation makes of each request, by its place in the run; those that it does not answer are missing."""
    arrivals = RecordedArrivals(run.name, run.requests, run.facts.block_tokens)
    table = simulate_deployment(run.facts.model, deployment, arrivals).requests
    found = {}
    for row in table.answered():
        arrival_s, end_s = table.arrival_s[row], table.end_s[row]
        found[table.session[row]] = RecordedRequest(
            arrival_s,
            table.prompt_tokens[row],
            table.output_tokens[row],
            table.first_token_s[row] - arrival_s,
            end_s - arrival_s,
        )
    return found
