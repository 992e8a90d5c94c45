"""The open loop against servers that are slow, fail, or do not count."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.measurement.scripted_server import MODEL, Script, scripted_server
from weft.contracts.errors import ConfigurationError
from weft.contracts.prompts import LengthPrompt
from weft.measurement.serving_bench import ServingBench, check_lengths
from weft.measurement.serving_notes import notes
from weft.measurement.serving_requests import Bodies
from weft.measurement.serving_target import find_target
from weft.workloads.sessions import Session, Turn

IDS = Bodies(MODEL, "completions", 256, forces_length=True, asks_usage=True)


@dataclass(frozen=True)
class Load:
    """So many sessions at equal distances; each has turns of 7 prompt and 3 output tokens."""

    number: int
    distance_s: float = 0.0
    num_turns: int = 1
    name: str = "load"

    def sessions(self) -> Iterator[Session]:
        for number in range(self.number):
            yield Session(number, number * self.distance_s, [Turn(LengthPrompt(7), 3)] * self.num_turns)


def measured(
    script: Script, load: Load, bodies: Bodies = IDS, max_concurrency: int | None = None
) -> ServingBench:
    async def main() -> ServingBench:
        async with find_target(script.url, MODEL, None) as target:
            bench = ServingBench(target, bodies, max_concurrency, lambda: None)
            await bench.run(load)
        return bench

    with scripted_server(script):
        return asyncio.run(main())


def test_what_was_sent_and_what_came() -> None:
    script = Script(pause_s=0.01)
    bench = measured(script, Load(4, num_turns=2))
    report = bench.report()
    assert (report.num_requests, report.num_failed) == (8, 0)
    assert (report.prompt_tokens, report.output_tokens) == (56, 24)
    assert (bench.num_uncounted, bench.num_other_lengths) == (0, 0)
    assert len({tuple(body["prompt"]) for body in script.bodies}) == 8
    for body in script.bodies:
        assert (body["max_tokens"], body["min_tokens"], len(body["prompt"])) == (3, 3, 7)
    assert report.ttft is not None
    assert report.tpot is not None
    assert report.itl is not None
    assert report.ttft.median_s >= 0.01
    assert report.tpot.median_s == pytest.approx(report.itl.mean_s, rel=0.5)


def test_without_usage_pieces_are_counted() -> None:
    bench = measured(Script(tells_usage=False, chunk_tokens=3), Load(3))
    assert bench.num_uncounted == 3
    assert bench.report().output_tokens == 3
    assert bench.report().prompt_tokens == 21
    assert any("3 answers came without usage" in note for note in notes(bench, False))


def test_usage_counts_tokens_that_come_together() -> None:
    bench = measured(Script(chunk_tokens=3), Load(3))
    assert bench.report().output_tokens == 9
    assert bench.report().itl is None  # one piece each


def test_failures_are_told_apart_and_nothing_is_retried() -> None:
    fails: dict[int, int | str] = {0: 429, 2: "cut", 3: "error", 4: "garbage", 5: 429}
    script = Script(fails=fails)
    bench = measured(script, Load(7), max_concurrency=1)
    report = bench.report()
    assert len(script.bodies) == 7
    assert (report.num_requests, report.output_tokens) == (2, 6)
    assert report.failures == {
        "HTTP 429 (scripted)": 2,
        "the stream ended early": 1,
        "the stream broke off (broken)": 1,
        "the stream is not the protocol's": 1,
    }
    assert any("5 requests failed" in note for note in notes(bench, False))
    assert bench.outstanding.now == 0


def test_a_server_that_went_away() -> None:
    async def main(url: str) -> ServingBench:
        async with find_target(url, MODEL, None) as target:
            bench = ServingBench(target, IDS, None, lambda: None)
            await bench.run(Load(1))
            target.client.base_url = "http://127.0.0.1:9/v1/"  # where nobody listens
            await bench.run(Load(2))
        return bench

    with scripted_server(Script()) as up:
        report = asyncio.run(main(up.url)).report()
    assert (report.num_requests, report.failures) == (1, {"no connection": 2})


def test_other_lengths_are_told() -> None:
    bench = measured(Script(output_tokens=2), Load(3))
    assert bench.num_other_lengths == 3
    assert any("3 of 3 outputs have another length than intended" in note for note in notes(bench, False))


def test_requests_held_back_count_from_their_arrival() -> None:
    """Eight at once, one at a time, 20 ms each: half of them wait at least 60 ms."""
    report = measured(Script(pause_s=0.02, chunk_tokens=3), Load(8), max_concurrency=1).report()
    assert report.ttft is not None
    assert report.ttft.median_s >= 0.06


def test_a_growing_queue_is_told() -> None:
    bench = measured(Script(pause_s=0.005, chunk_tokens=3), Load(100, 0.001), max_concurrency=1)
    assert any("not in a steady state" in note for note in notes(bench, False))


def test_few_requests_tell_nothing_of_the_steady_state() -> None:
    bench = measured(Script(), Load(3))
    assert any("too few requests" in note for note in notes(bench, False))


def test_what_is_interrupted_keeps_what_was_measured() -> None:
    async def main(url: str) -> ServingBench:
        async with find_target(url, MODEL, None) as target:
            bench = ServingBench(target, IDS, None, lambda: None)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(bench.run(Load(2, 0.1, num_turns=10_000)), 0.4)
        return bench

    with scripted_server(Script(pause_s=0.002)) as up:
        bench = asyncio.run(main(up.url))
    assert bench.num_cut_short == 2
    assert bench.report().num_requests > 2
    assert bench.report().num_failed == 0
    assert any("interrupted; 2 requests were under way" in note for note in notes(bench, True))


def test_a_client_that_lags_says_so() -> None:
    bench = measured(Script(), Load(3))
    bench.lag.observe(1e-6, 10_000)
    assert not any("client was late" in note for note in notes(bench, False))
    bench.lag.observe(10.0, 10_000)
    assert any("this client was late" in note for note in notes(bench, False))


def test_requests_beyond_the_context_are_refused() -> None:
    assert check_lengths(Load(3, num_turns=2), 10) == (6, 42, 18)
    assert check_lengths(Load(3), None).num_requests == 3
    with pytest.raises(
        ConfigurationError, match=r"request 0.0 .* 7 prompt and 3 output .* max_model_len is 9; choose"
    ):
        check_lengths(Load(3), 9)
