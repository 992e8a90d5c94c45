"""Drafts in a simulation, against what theory says of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.simulated_service import Listed, outcomes
from weft.contracts.errors import ConfigurationError
from weft.contracts.events import DraftVerified, Status, StepRun
from weft.contracts.options import ServingOptions
from weft.contracts.prompts import LengthPrompt
from weft.contracts.requests import Request
from weft.contracts.steps import Admission, Draft, Step, StepEntry, Verification
from weft.observation.event_log import EventLog
from weft.simulator.deployment import Deployment, plan_deployment
from weft.simulator.deployment_options import DeploymentOptions
from weft.simulator.service import simulate_service
from weft.simulator.simulated_drafts import DraftPasses, Luck
from weft.workloads.conversation_prompt import ConversationPrompt
from weft.workloads.sessions import Session, Turn, Workload

SERVED, DRAFT = "Qwen/Qwen3-8B", "Qwen/Qwen3-0.6B"


def speculating(num_tokens: int = 4, acceptance_rate: float = 0.7, **given: Any) -> Deployment:
    serving = ServingOptions(**given.pop("serving", {}))
    options = DeploymentOptions(
        speculative_model=DRAFT,
        num_speculative_tokens=num_tokens,
        acceptance_rate=acceptance_rate,
        serving=serving,
        **given,
    )
    return plan_deployment(SERVED, options)


def expected_tokens(acceptance_rate: float, num_tokens: int) -> float:
    """Per step of the served model: Leviathan et al., arXiv 2211.17192, equation 1."""
    if acceptance_rate == 1.0:
        return num_tokens + 1
    return (1 - acceptance_rate ** (num_tokens + 1)) / (1 - acceptance_rate)


class Verified:
    """What came of each draft, by request; and whether any steps were taken at once."""

    def __init__(self, planned: Deployment, workload: Workload, seed: int = 0) -> None:
        self.accepted: dict[str, list[int]] = {}
        self._logs: list[EventLog] = []
        self.reports = simulate_service(planned, workload, lambda _: None, self._watch, seed)

    def _watch(self, _index: int, log: EventLog) -> None:
        self._logs.append(log)
        log.subscribe(self._note, DraftVerified)

    def _note(self, event: DraftVerified) -> None:
        self.accepted.setdefault(event.request_id, []).append(event.num_accepted)

    @property
    def num_runs(self) -> int:
        return sum(isinstance(event, StepRun) for log in self._logs for event in log._ring)


@pytest.mark.parametrize(
    ("acceptance_rate", "num_tokens"), [(0.0, 3), (0.3, 1), (0.6, 4), (0.9, 8), (1.0, 5)]
)
def test_a_step_brings_as_many_tokens_as_theory_says(acceptance_rate: float, num_tokens: int) -> None:
    luck, position, brought = Luck(acceptance_rate, seed=1), 0, list[int]()
    for _ in range(6000):
        brought.append(luck.num_right("a 0", position, num_tokens) + 1)
        position += brought[-1]
    assert fmean(brought) == pytest.approx(expected_tokens(acceptance_rate, num_tokens), rel=0.03)


def test_a_service_brings_as_many_tokens_as_theory_says() -> None:
    load = Listed([(0.01 * number, 50, 400) for number in range(40)])
    (report,) = Verified(speculating(4, 0.7), load).reports
    found = 1 + report.accepted_tokens / report.drafts
    assert found == pytest.approx(expected_tokens(0.7, 4), rel=0.02)
    assert report.drafted_tokens == pytest.approx(4 * report.drafts, rel=0.01)


def test_draws_are_independent_of_each_other() -> None:
    """By position and by output: how often neighbours are both right."""
    luck = Luck(0.5, seed=3)
    right = [[luck.num_right(f"{name} 0", position, 1) for position in range(2000)] for name in "ab"]
    along = fmean(now * later for now, later in zip(right[0], right[0][1:], strict=False))
    across = fmean(mine * other for mine, other in zip(*right, strict=True))
    assert along == pytest.approx(0.25, abs=0.03)
    assert across == pytest.approx(0.25, abs=0.03)


def test_what_is_right_does_not_depend_on_who_else_is_there() -> None:
    alone = Listed([(0.0, 200, 120)])
    crowd = Listed([(0.0, 200, 120), *((0.001 * number, 300, 150) for number in range(1, 30))])
    tight = {"kv_cache_memory_bytes": 400 * speculating().memory.block_bytes, "max_model_len": 1000}
    here, there = Verified(speculating(), alone), Verified(speculating(serving=tight), crowd)
    assert there.reports[0].preemptions > 0
    assert here.accepted["0.0"] == there.accepted["0.0"]
    assert here.num_runs == there.num_runs == 0


def test_a_seed_decides_and_gives_the_same_again() -> None:
    load = Listed([(0.0, 20, 300)])
    first, again, other = (Verified(speculating(), load, seed).accepted for seed in (1, 1, 2))
    assert first == again != other


@dataclass(frozen=True)
class Talk:
    """One conversation."""

    turns: tuple[Turn, ...]
    name: str = "talk"

    def sessions(self) -> Iterator[Session]:
        yield Session(0, 0.0, self.turns)


@pytest.mark.parametrize("acceptance_rate", [0.0, 0.6, 1.0])
def test_each_sample_has_luck_and_length_of_its_own(acceptance_rate: float) -> None:
    talk = Talk((Turn(LengthPrompt(40), 31, more_output_tokens=(1, 90)),))
    (only,) = outcomes(speculating(3, acceptance_rate), talk)
    assert (only.status, only.output_tokens) == (Status.FINISHED, 31 + 1 + 90)


def test_later_turns_find_what_drafts_brought() -> None:
    talk = Talk((Turn(ConversationPrompt(50, 0), 63), Turn(ConversationPrompt(150, 0), 5)))
    (report,) = Verified(speculating(), talk).reports
    assert report.prefix_hit_tokens == (50 + 63 - 1) // 16 * 16


requests = st.lists(
    st.tuples(st.floats(0.0, 1.0), st.integers(1, 600), st.integers(1, 300)), min_size=1, max_size=10
)


@given(
    load=requests,
    num_tokens=st.integers(1, 7),
    acceptance_rate=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    blocks=st.sampled_from([90, 2000]),
    step_tokens=st.sampled_from([8, 64, 2048]),
    swap=st.booleans(),
)
@settings(max_examples=25)
def test_every_output_has_its_length(
    load: list[tuple[float, int, int]],
    num_tokens: int,
    acceptance_rate: float,
    blocks: int,
    step_tokens: int,
    swap: bool,
) -> None:
    block_bytes = speculating().memory.block_bytes
    sizes = {"max_num_seqs": 4, "max_num_batched_tokens": step_tokens, "max_model_len": 1000}
    tight = {
        **sizes,
        "kv_cache_memory_bytes": blocks * block_bytes,
        "swap_memory_bytes": 100 * swap * block_bytes,
    }
    planned, listed = speculating(num_tokens, acceptance_rate, serving=tight), Listed(sorted(load))
    found = {each.request_id: each for each in outcomes(planned, listed)}
    for number, (_, prompt_tokens, output_tokens) in enumerate(listed.requests):
        each = found[f"{number}.0"]
        assert each.status is Status.FINISHED
        assert each.output_tokens == min(output_tokens, 1000 - prompt_tokens)


def alone_s(planned: Deployment, prompt: int, brought: Sequence[int], num_tokens: int) -> float:
    """How long a request takes whose steps bring so many tokens: each pass by itself."""
    assert planned.speculation is not None
    served, draft = planned.costs.seconds, planned.speculation.costs.seconds
    total = served(prompt, 1, 0, (0,), [(prompt, 0)]) + draft(prompt, 0, 0, (0,), [(prompt, 0)])
    known, drafted, left = prompt + 1, prompt, sum(brought)
    for tokens in brought:
        guesses = min(num_tokens, planned.max_model_len - known - 1)
        total += draft(known - drafted, 1, 0, (0,), [(known - drafted, drafted)])
        total += sum(draft(1, 1, 1, (known + ahead,)) for ahead in range(1, guesses))
        total += served(guesses + 1, guesses + 1, 0, (0,), [(guesses + 1, known - 1)])
        drafted = known + min(guesses - 1, tokens - 1)
        known, left = known + tokens, left - tokens
    return total


@pytest.mark.parametrize(
    ("acceptance_rate", "num_tokens", "output", "brought"),
    [
        (0.0, 3, 6, [1] * 5),
        (1.0, 3, 13, [4, 4, 4]),
        (1.0, 3, 11, [4, 4, 2]),
        (1.0, 1, 7, [2, 2, 2]),
        (0.5, 2, 1, []),
    ],
)
def test_a_request_alone_takes_the_passes_of_both_models(
    acceptance_rate: float, num_tokens: int, output: int, brought: list[int]
) -> None:
    planned = speculating(num_tokens, acceptance_rate)
    (only,) = outcomes(planned, Listed([(0.0, 700, output)]))
    assert only.output_tokens == output
    assert only.ended_s == pytest.approx(alone_s(planned, 700, brought, num_tokens), abs=1e-7)


def test_a_perfect_draft_pays_and_a_useless_one_costs() -> None:
    load = Listed([(0.0, 100, 200)])
    plain = plan_deployment(SERVED, DeploymentOptions(serving=ServingOptions(depth=1)))
    ended = [
        outcomes(planned, load)[0].ended_s for planned in (speculating(4, 1.0), plain, speculating(4, 0.0))
    ]
    assert ended == sorted(ended)
    assert ended[0] < 0.6 * ended[1]


@dataclass
class Recorded:
    """Stands for a draft model: two layer groups, and notes what it is asked for."""

    windows_tokens = (None, 8)

    def __init__(self) -> None:
        self.passes: list[tuple[Any, ...]] = []

    @property
    def costs(self) -> Any:
        return self

    def seconds(self, *step: Any) -> float:
        self.passes.append(step)
        return 1.0


def test_the_draft_model_catches_up_and_then_goes_on_alone() -> None:
    model: Any = Recorded()
    passes, request = DraftPasses(model), Request("a", LengthPrompt(10))
    added = tuple(Admission(row, row, request, 0, (), 0, ((),)) for row in (0, 1))
    prompts = tuple(StepEntry(row, 0, 10, True) for row in (0, 1))
    assert passes.seconds(Step(0, 0, 20, (), (), added, (), (), (), False, prompts), {}) == 1.0
    chains = [Draft((0,) * count, tuple(range(-1, count - 1))) for count in (3, 1)]
    drafts = tuple(StepEntry(row, 10, 1, True, draft=chain) for row, chain in enumerate(chains))
    verified = {0: Verification((0, 1, 2), (0,) * 4), 1: Verification((), (0,))}
    assert passes.seconds(Step(1, 0, 6, (), (), (), (), (), (), False, drafts), verified) == 3.0
    later = (StepEntry(0, 14, 1, True), StepEntry(1, 11, 1, True))
    passes.seconds(Step(2, 0, 2, (), (), (), (), (), (), False, later), {})
    assert model.passes == [
        (20, 0, 0, (0, 0), [(10, 0), (10, 0)]),
        (2, 2, 0, (0, 0), [(1, 10), (1, 10)]),
        (1, 1, 1, [12, 8], (), 12),
        (1, 1, 1, [13, 8], (), 13),
        (3, 0, 0, (0, 0), [(2, 13), (1, 11)]),
    ]


def test_a_draft_model_takes_room_on_the_devices() -> None:
    with_drafts, without = speculating(), plan_deployment(SERVED, DeploymentOptions())
    drafts = with_drafts.speculation
    assert drafts is not None
    own_block = 2 * 8 * 128 * 2 * 28 * 16  # keys and values, heads, their size, bytes, layers, tokens
    assert drafts.block_bytes == own_block
    assert with_drafts.memory.block_bytes == without.memory.block_bytes + own_block
    assert with_drafts.block_bytes == (without.block_bytes[0] + own_block,)
    weights = with_drafts.memory.weights_bytes - without.memory.weights_bytes
    assert weights == pytest.approx(2 * 0.596e9, rel=0.01)
    assert with_drafts.memory.num_blocks < without.memory.num_blocks
    assert (with_drafts.depth, without.depth) == (1, 2)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"num_speculative_tokens": 0}, "num_speculative_tokens is 0; it must be at least 1"),
        ({"acceptance_rate": -0.1}, r"acceptance_rate is -0.1; it is a chance, so it must be from 0 to 1"),
        ({"acceptance_rate": float("nan")}, "acceptance_rate is nan"),
        ({"acceptance_rate": None}, "acceptance_rate is missing; speculation takes"),
        ({"speculative_model": None}, "speculative_model is missing; speculation takes"),
        ({"speculative_model": "Qwen3-0.6C"}, "speculative_model: model 'Qwen3-0.6C' is neither a path nor"),
        ({"speculative_model": "gpt3-175b"}, "vocabulary of 50257 tokens and the served model one of 151936"),
        ({"speculative_model": "Qwen/Qwen2.5-3B"}, "at most 32768 tokens and sequences may have 40960"),
        ({"speculative_model": "Qwen/Qwen3-32B"}, "32B needs .* MiB are left beside the served model"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(given: dict[str, Any], complaint: str) -> None:
    chosen = {"speculative_model": DRAFT, "num_speculative_tokens": 4, "acceptance_rate": 0.5, **given}
    with pytest.raises(ConfigurationError, match=complaint):
        plan_deployment(SERVED, DeploymentOptions(**chosen))


def test_a_plan_that_does_not_divide_the_draft_model_names_it() -> None:
    options = DeploymentOptions(pp=32, speculative_model=DRAFT, num_speculative_tokens=2, acceptance_rate=0.5)
    with pytest.raises(ConfigurationError, match=f"speculative model {DRAFT}: pp is 32; the model has 28"):
        plan_deployment("Qwen/Qwen3-32B", options)
