"""One recorded run beside its prediction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from weft.contracts.errors import ConfigurationError
from weft.measurement.validation.deploying import plan_run
from weft.measurement.validation.figures import Errors, Figure, Pair, covered_share, latency_figures
from weft.measurement.validation.predicting_points import predict_points
from weft.measurement.validation.predicting_requests import predict_requests
from weft.measurement.validation.predicting_steps import predict_steps
from weft.measurement.validation.recorded_run import RecordedRequest, RecordedRun
from weft.simulator.deployment import Deployment

STEP, TTFT, TPOT, E2E = "step", "TTFT", "TPOT", "E2E"
INTERVAL_OF = {"requests": TPOT, "steps": STEP, "points": TPOT}
"""What the stated interval is about, by kind of run: steps, or what follows from many of them."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """What came of a run. `figures`: of requests; `errors`: of steps and points. `pairs`: all single values, by
    what they are of. `num_unanswered`: requests that the simulation refuses. `refusal`: why there is no
    prediction, and then nothing else is known."""

    run: RecordedRun
    profile: str = ""
    relative_error: float | None = None
    pairs: Mapping[str, Sequence[Pair]] = field(default_factory=dict, repr=False)
    figures: tuple[Figure, ...] = ()
    errors: tuple[Errors, ...] = ()
    num_unanswered: int = 0
    refusal: str | None = None

    @property
    def covered(self) -> float | None:
        """The share of measured steps (or times per output token) inside the stated interval."""
        pairs = self.pairs.get(INTERVAL_OF[self.run.kind])
        return covered_share(pairs, self.relative_error) if pairs and self.relative_error else None

    def as_json(self) -> dict[str, Any]:
        """Everything, single values as (measured, predicted)."""
        return {
            "run": self.run.name,
            "kind": self.run.kind,
            "records": self.run.num_records,
            "facts": {name: getattr(self.run.facts, name) for name in self.run.facts.__slots__},
            "profile": self.profile,
            "relative_error": self.relative_error,
            "covered": self.covered,
            "figures": [each._asdict() | {"error": each.error} for each in self.figures],
            "errors": [each._asdict() for each in self.errors],
            "pairs": {name: [list(pair) for pair in pairs] for name, pairs in self.pairs.items()},
            "unanswered": self.num_unanswered,
            "refusal": self.refusal,
        }


def run_experiment(run: RecordedRun, **choices: Any) -> Experiment:
    """Predict a run. `choices`: as of `plan_run`. What cannot be planned becomes a refusal, not an error."""
    try:
        deployment = plan_run(run, **choices)
    except ConfigurationError as error:
        return Experiment(run, refusal=str(error))
    return _COMPARED[run.kind](run, deployment)


def _of_requests(run: RecordedRun, deployment: Deployment) -> Experiment:
    predicted = predict_requests(run, deployment)
    both = [(run.requests[index], found) for index, found in sorted(predicted.items())]
    pairs = {
        TTFT: [Pair(real.ttft_s, found.ttft_s) for real, found in both],
        TPOT: [Pair(real.tpot_s, found.tpot_s) for real, found in both if real.tpot_s and found.tpot_s],
        E2E: [Pair(real.e2e_s, found.e2e_s) for real, found in both],
    }
    figures = [figure for name, values in pairs.items() for figure in latency_figures(name, values)]
    if both:
        rates = [_throughput(side) for side in zip(*both, strict=True)]
        figures.append(Figure("output tokens/s", *rates))
    return _experiment(run, deployment, pairs, tuple(figures), num_unanswered=len(run.requests) - len(both))


def _throughput(requests: Sequence[RecordedRequest]) -> float:
    """Output tokens per second, from the first arrival to the last token."""
    begun_s = min(each.arrival_s for each in requests)
    ended_s = max(each.arrival_s + each.e2e_s for each in requests)
    return sum(each.output_tokens for each in requests) / (ended_s - begun_s)


def _of_steps(run: RecordedRun, deployment: Deployment) -> Experiment:
    found = predict_steps(run, deployment)
    pairs = [Pair(step.duration_s, seconds) for step, seconds in zip(run.steps, found, strict=True)]
    found_of_run = _experiment(run, deployment, {STEP: pairs}, errors=(Errors.of(STEP, pairs, True),))
    return replace(found_of_run, relative_error=deployment.roofline.step_error)


def _of_points(run: RecordedRun, deployment: Deployment) -> Experiment:
    found = list(zip(run.points, predict_points(run, deployment), strict=True))
    pairs = {
        TTFT: [Pair(real.ttft_s, predicted.ttft_s) for real, predicted in found],
        TPOT: [Pair(real.tpot_s, predicted.tpot_s) for real, predicted in found],
    }
    return _experiment(
        run, deployment, pairs, errors=tuple(Errors.of(name, values) for name, values in pairs.items())
    )


def _experiment(
    run: RecordedRun,
    deployment: Deployment,
    pairs: Mapping[str, Sequence[Pair]],
    figures: tuple[Figure, ...] = (),
    errors: tuple[Errors, ...] = (),
    num_unanswered: int = 0,
) -> Experiment:
    roofline = deployment.roofline
    return Experiment(run, roofline.profile, roofline.relative_error, pairs, figures, errors, num_unanswered)


_COMPARED: dict[str, Callable[[RecordedRun, Deployment], Experiment]] = {
    "requests": _of_requests,
    "steps": _of_steps,
    "points": _of_points,
}
