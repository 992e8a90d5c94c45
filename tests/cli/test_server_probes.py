"""What is slow shows in its own stage: a server in this process, with parts that take their time."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.live_server import NAME, LiveServer, live_server
from weft.cli.server_probes import probes_with
from weft.llm.output_reader import OutputReader
from weft.llm.prompting import Prompting
from weft.measurement.latency_client import post
from weft.measurement.latency_probes import Probes
from weft.measurement.latency_stages import Part, Stage
from weft.measurement.latency_trace import Breakdown, Trace, break_down
from weft.model_specs.builtin import builtin_model
from weft.models.qwen3 import Qwen3
from weft.ops.reference_ops import ReferenceOps
from weft.ops.torch_ops import TorchOps
from weft.server.http.events import EventStream

SLOW_S = 0.08
OUTPUT_TOKENS = 3


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    model: Path = builtin_model("weft-nano")
    with live_server(model, backend="torch") as up:
        yield up


@pytest.fixture
def slowed(monkeypatch: pytest.MonkeyPatch) -> Callable[[type, str], None]:
    """Makes a method sleep before it does its work."""

    def slow(owner: type, name: str) -> None:
        function = getattr(owner, name)

        def sleeping(*arguments: Any, **named: Any) -> Any:
            time.sleep(SLOW_S)
            return function(*arguments, **named)

        monkeypatch.setattr(owner, name, sleeping)

    return slow


def asked(server: LiveServer, *, stream: bool) -> Breakdown:
    probes = Probes(probes_with(TorchOps))
    messages = [{"role": "user", "content": f"What is the time, at {time.monotonic()}?"}]
    body = {"model": NAME, "messages": messages, "max_tokens": OUTPUT_TOKENS, "ignore_eos": True}
    server.on_loop(probes.on)
    try:
        reply = post(server.port, "/v1/chat/completions", {**body, "stream": stream})
        spans = server.on_loop(probes.take)
    finally:
        server.on_loop(probes.off)
    return break_down(Trace(reply.sent_s, reply.first_s, reply.ended_s, spans))


def slow_stages(part: Part) -> list[Stage]:
    return [stage for stage, seconds in part.stages_s.items() if seconds >= SLOW_S]


def test_every_probe_finds_its_function_and_leaves_it() -> None:
    probes, owners = Probes(probes_with(ReferenceOps)), (Prompting, OutputReader, ReferenceOps, EventStream)
    before = [dict(vars(owner)) for owner in owners]
    assert "step" not in vars(ReferenceOps)
    probes.on()
    assert "step" in vars(ReferenceOps)
    probes.off()
    assert [dict(vars(owner)) for owner in owners] == before


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("owner", "method", "stage"),
    [
        (Prompting, "render", Stage.TEMPLATE),
        (Prompting, "encode_rendered", Stage.TOKENISE),
        (Qwen3, "logits", Stage.PREFILL),
    ],
)
def test_what_is_slow_before_the_first_token_shows_in_its_stage(
    server: LiveServer,
    slowed: Callable[[type, str], None],
    owner: type,
    method: str,
    stage: Stage,
    stream: bool,
) -> None:
    slowed(owner, method)
    assert stage in slow_stages(asked(server, stream=stream).first)


def test_what_is_slow_per_token_shows_in_its_stage(
    server: LiveServer, slowed: Callable[[type, str], None]
) -> None:
    slowed(OutputReader, "read")
    first, after = asked(server, stream=True)
    assert after is not None
    assert Stage.TEXT in slow_stages(first)
    assert after.stages_s[Stage.TEXT] + after.beside_s[Stage.TEXT] >= (OUTPUT_TOKENS - 1) * SLOW_S


def test_a_step_for_a_later_token_does_not_delay_the_first(
    server: LiveServer, slowed: Callable[[type, str], None]
) -> None:
    slowed(Qwen3, "forward")
    first, after = asked(server, stream=True)
    assert after is not None
    assert first.stages_s[Stage.DECODE] == 0.0
    assert after.stages_s[Stage.DECODE] >= 1.5 * SLOW_S
    assert after.stages_s[Stage.PREFILL] == 0.0
