"""Small services and workloads for the tests of simulation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from weft.contracts.options import ServingOptions
from weft.contracts.prompts import LengthPrompt
from weft.simulator.deployment import Deployment, plan_deployment
from weft.simulator.deployment_options import DeploymentOptions
from weft.simulator.request_outcome import RequestOutcome
from weft.simulator.service import Watch, simulate_service
from weft.workloads.sessions import Session, Turn, Workload

MODEL = "meta-llama/Llama-3.1-8B"


@dataclass(frozen=True)
class Listed:
    """A workload of (arrival in seconds, prompt tokens, output tokens)."""

    requests: Sequence[tuple[float, int, int]]
    name: str = "listed"

    def sessions(self) -> Iterator[Session]:
        for number, (arrival_s, prompt_tokens, output_tokens) in enumerate(self.requests):
            yield Session(number, arrival_s, (Turn(LengthPrompt(prompt_tokens), output_tokens),))


def deployment(
    hardware: str = "h100", replicas: int = 1, preempt: str | None = None, **serving: object
) -> Deployment:
    options = ServingOptions(**serving)  # type: ignore[arg-type]
    return plan_deployment(
        MODEL,
        DeploymentOptions(
            hardware=hardware, replicas=replicas, profiles="none", preempt=preempt, serving=options
        ),
    )


def outcomes(planned: Deployment, workload: Workload, watch: Watch | None = None) -> list[RequestOutcome]:
    """How each request fared, in order of their ends."""
    found: list[RequestOutcome] = []
    simulate_service(planned, workload, found.append, watch)
    return found
