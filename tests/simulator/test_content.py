"""Simulated services with content: whatever happens to a request, it gets the text that it gets alone."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model_specs.configs import TINY
from tests.simulator.content_service import checked_content
from weft.contracts.errors import InvariantViolation
from weft.contracts.options import ServingOptions
from weft.contracts.prompts import HashPrompt, LengthPrompt, Prompt, Sharing, TokenPrompt
from weft.contracts.record import replaced
from weft.contracts.steps import Step, StepResult
from weft.contracts.transfers import Transfer, TransferResult
from weft.simulator.deployment import Deployment, plan_deployment
from weft.simulator.deployment_options import DeploymentOptions
from weft.simulator.fake_device import FakeDevice
from weft.simulator.replica_figures import ReplicaReport
from weft.simulator.request_outcome import RequestOutcome
from weft.simulator.service import simulate_service
from weft.workloads.sessions import Session, Turn, Workload

LONGEST_TOKENS = 160
MIXED_WINDOWS = TINY | {
    "architectures": ["Qwen2ForCausalLM"],
    "num_hidden_layers": 3,
    "max_position_embeddings": LONGEST_TOKENS,
    "use_sliding_window": True,
    "sliding_window": 21,
    "layer_types": ["full_attention", "sliding_attention", "full_attention"],
}
FULL = TINY | {"max_position_embeddings": LONGEST_TOKENS}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Paths of two configs: with state of one kind, and of two."""
    folder = tmp_path_factory.mktemp("models")
    paths = {name: folder / f"{name}.json" for name in ("full", "mixed")}
    for (_, path), config in zip(paths.items(), (FULL, MIXED_WINDOWS), strict=True):
        path.write_text(json.dumps(config))
    return {name: str(path) for name, path in paths.items()}


class Conversations:
    """A workload of sessions as they are given."""

    name = "conversations"

    def __init__(self, sessions: Sequence[Session]) -> None:
        self._sessions = sessions

    def sessions(self) -> Iterator[Session]:
        return iter(self._sessions)


def deployment(model: str, num_blocks: int, options: DeploymentOptions) -> Deployment:
    """With so many blocks, where a longest sequence needs 11 of 16 tokens."""
    block_bytes = plan_deployment(model, options).memory.block_bytes
    serving = replace(
        options.serving,
        max_num_seqs=8,
        max_num_batched_tokens=64,
        kv_cache_memory_bytes=num_blocks * block_bytes,
        swap_memory_bytes=12 * block_bytes,
    )
    return plan_deployment(model, replace(options, serving=serving))


def played(planned: Deployment, workload: Workload) -> tuple[list[RequestOutcome], list[ReplicaReport]]:
    found: list[RequestOutcome] = []
    reports = simulate_service(planned, workload, found.append)
    return found, reports


def tokens(text: int, last: int) -> TokenPrompt:
    """Its output is nobody else's: with content, two that begin alike go on alike, and without they do not."""
    return TokenPrompt((*range(text), last), sharing=Sharing.PROMPT)


prompts: st.SearchStrategy[Prompt] = st.one_of(
    st.integers(1, 120).map(LengthPrompt),
    st.builds(tokens, st.integers(1, 90), st.integers(0, 2)),
    st.builds(
        lambda blocks, last: HashPrompt(16 * blocks + 5, (*range(blocks), last), 16),
        st.integers(0, 6),
        st.integers(90, 92),
    ),
)


def apart(turn: Turn, session: int) -> Turn:
    """No two sessions wait equally long: they would come at the very end of a step, on either side of it."""
    return replaced(turn, delay_s=turn.delay_s * (1.0 + 0.0123456789 * session))


turns = st.builds(
    Turn,
    prompts,
    st.integers(1, 50),
    st.sampled_from((0.0, 0.0007, 0.013)),
    st.one_of(st.just(()), st.tuples(st.integers(1, 50))),
)
sessions = st.lists(
    st.tuples(st.integers(0, 12), st.lists(turns, min_size=1, max_size=2)), min_size=1, max_size=9
).map(
    lambda all_turns: [
        Session(number, after_ms / 1000.0, tuple(apart(turn, number) for turn in each))
        for number, (after_ms, each) in enumerate(sorted(all_turns, key=lambda pair: pair[0]))
    ]
)
services = st.builds(
    DeploymentOptions,
    preempt=st.sampled_from(("latest_first", "latest_first_swap")),
    serving=st.builds(ServingOptions, depth=st.integers(1, 3)),
)


@settings(max_examples=30, derandomize=True)
@given(
    name=st.sampled_from(("full", "mixed")),
    num_blocks=st.integers(12, 24),
    options=services,
    arriving=sessions,
)
def test_every_text_is_that_of_the_request_alone(
    models: dict[str, str], name: str, num_blocks: int, options: DeploymentOptions, arriving: list[Session]
) -> None:
    """And content changes nothing that happens: requests end when they end without it."""
    planned, workload = deployment(models[name], num_blocks, options), Conversations(arriving)
    with checked_content():
        checked, reports = played(planned, workload)
    plain, plain_reports = played(planned, workload)
    # Where replicas end steps in the same nanosecond, their order may differ.
    checked, plain = (sorted(each, key=lambda outcome: outcome.request_id) for each in (checked, plain))
    assert [each.request_id for each in checked] == [each.request_id for each in plain]
    for one, other in zip(checked, plain, strict=True):
        assert (one.status, one.output_tokens) == (other.status, other.output_tokens)
        assert one.ended_s == pytest.approx(other.ended_s, abs=1e-6)
    for report, without in zip(reports, plain_reports, strict=True):
        assert (report.num_steps, report.preemptions) == (without.num_steps, without.preemptions)
        assert report.prefix_hit_tokens == without.prefix_hit_tokens


def crowd(num_requests: int = 12) -> Conversations:
    """All begin alike, and together need more than there is."""
    return Conversations(
        [
            Session(number, number / 2000.0, (Turn(HashPrompt(37, (1, 2, number), 16), 60),))
            for number in range(num_requests)
        ]
    )


def crowded(models: dict[str, str], preempt: str) -> Deployment:
    return deployment(models["mixed"], 14, DeploymentOptions(preempt=preempt))


@pytest.mark.parametrize("preempt", ["latest_first", "latest_first_swap"])
def test_what_is_checked_happens(
    models: dict[str, str], preempt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[Transfer] = []
    move = FakeDevice.move

    def counted(device: FakeDevice, transfer: Transfer) -> TransferResult:
        moved.append(transfer)
        return move(device, transfer)

    monkeypatch.setattr(FakeDevice, "move", counted)
    with checked_content():
        _, reports = played(crowded(models, preempt), crowd())
    assert all(report.preemptions > 0 and report.prefix_hit_tokens > 0 for report in reports)
    assert bool(moved) == (preempt == "latest_first_swap")


def test_state_that_is_lost_is_found(models: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    execute = FakeDevice.execute

    def forgetting(device: FakeDevice, step: Step) -> StepResult:
        if step.number == 40:
            device.corrupt(0, 3)
        return execute(device, step)

    monkeypatch.setattr(FakeDevice, "execute", forgetting)
    with checked_content(), pytest.raises(InvariantViolation, match="same_text"):
        played(crowded(models, "latest_first"), crowd())
