"""/health, /ready and /metrics, while loading, serving, stalled, broken and draining."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.server.live_server import NAME, OPTIONS, LiveServer, eventually, live_server
from weft import AsyncLLM
from weft.engine.engine import Engine
from weft.observation.instruments import Histogram
from weft.server.health.progress import Progress
from weft.server.health.prometheus_text import PrometheusText
from weft.server.state import ServerSettings

BODY: dict[str, Any] = {"model": NAME, "prompt": [5] * 40, "max_tokens": 6, "ignore_eos": True}
HISTOGRAMS = (
    *("time_to_first_token_seconds", "inter_token_latency_seconds"),
    *("e2e_request_latency_seconds", "request_queue_time_seconds"),
)


def scraped(server: LiveServer) -> Mapping[str, float]:
    """Samples of the page by name and labels other than the model's name, by an oracle's parser."""
    reply = server.ask("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(reply.body.decode()):
        assert family.documentation
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("model_name") == NAME
            found[" ".join([sample.name, *labels.values()])] = sample.value
    return found


def test_metrics_count_what_was_done(model: Path) -> None:
    with live_server(model) as up:
        before = scraped(up)
        assert before["weft:request_success_total length"] == before["weft:request_success_total stop"] == 0
        assert up.ask("/v1/completions", BODY).status == 200
        assert up.ask("/v1/completions", {**BODY, "n": 2}).status == 200
        found = scraped(up)
        assert found["weft:prompt_tokens_total"] == 80
        assert found["weft:generation_tokens_total"] == 18
        assert found["weft:request_success_total length"] == 2
        assert found["weft:prefix_cache_queries_total"] > 40
        assert 32 <= found["weft:prefix_cache_hits_total"] < found["weft:prefix_cache_queries_total"]
        assert found["weft:num_preemptions_total"] == 0
        for name in ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc"):
            assert found[f"weft:{name}"] == 0
        for name in HISTOGRAMS:
            count = 15 if name.startswith("inter") else 2
            assert found[f"weft:{name}_count"] == found[f"weft:{name}_bucket +Inf"] == count
            assert found[f"weft:{name}_sum"] > 0


def test_gauges_show_what_runs(model: Path) -> None:
    with live_server(model, kv_cache_memory_bytes=1 << 20) as up:
        body = {**BODY, "max_tokens": 1900, "n": 3}
        thread = threading.Thread(target=up.ask, args=("/v1/completions", body))
        thread.start()
        eventually(lambda: scraped(up)["weft:num_requests_running"] == 3)
        assert 0 < scraped(up)["weft:kv_cache_usage_perc"] <= 1
        engine, (request_id,) = up.llm.engine, up.live_requests()
        assert engine is not None
        up.on_loop(lambda: engine.fail(request_id, "enough", up.loops[0].time()))
        thread.join()
        assert scraped(up)["weft:requests_failed_total"] == 1


def test_while_the_model_loads_nothing_is_served(model: Path) -> None:
    may_load = threading.Event()

    def load() -> AsyncLLM:
        assert may_load.wait(20)
        return AsyncLLM(model, **OPTIONS)

    with live_server(model, load=load, waits=False) as up:
        assert up.ask("/ready").json == {"status": "loading"}
        for path, body in (("/health", None), ("/v1/models", None), ("/v1/completions", BODY)):
            reply = up.ask(path, body)
            assert (reply.status, reply.error["code"]) == (503, "loading")
        may_load.set()
        eventually(lambda: up.ask("/ready").status == 200)
        assert up.ask("/health").json == {"status": "ok"}


def test_an_engine_that_makes_no_step_is_not_healthy(model: Path) -> None:
    with live_server(model, ServerSettings((NAME,), stalled_after_s=0.2)) as up:
        runner, may_step = up.runner, threading.Event()
        execute = runner.execute

        def stuck(step: Any) -> Any:
            assert may_step.wait(20)
            return execute(step)

        runner.execute = stuck  # type: ignore[method-assign]
        thread = threading.Thread(target=up.ask, args=("/v1/completions", BODY))
        thread.start()
        eventually(lambda: up.ask("/health").status == 503)
        assert "no step has ended for" in up.ask("/health").json["status"]
        may_step.set()
        thread.join()
        assert up.ask("/health").status == 200


def test_a_defect_of_the_engine_fails_who_was_in_it_and_the_server_goes_on(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with live_server(model) as up:
        up.loops[0].call_soon_threadsafe(up.loops[0].set_exception_handler, lambda *_: None)
        assert up.ask("/v1/completions", BODY).status == 200
        engine = up.llm.engine
        assert engine is not None
        monkeypatch.setattr(engine, "schedule", Mock(side_effect=AssertionError("a defect")))
        failed = up.ask("/v1/completions", BODY)
        assert (failed.status, failed.error["code"]) == (500, "internal_error")
        assert "defect" not in failed.error["message"]
        eventually(lambda: up.llm.engine is not engine)
        assert up.ask("/v1/completions", BODY).status == 200
        assert (up.ask("/health").status, up.ask("/ready").status) == (200, 200)


def test_defects_without_end_are_told(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with live_server(model) as up:
        up.loops[0].call_soon_threadsafe(up.loops[0].set_exception_handler, lambda *_: None)
        monkeypatch.setattr(Engine, "schedule", Mock(side_effect=AssertionError("a defect")))
        assert up.ask("/v1/completions", BODY).status == 500
        eventually(lambda: up.llm.defect is not None)
        reply = up.ask("/v1/completions", BODY)
        assert (reply.status, reply.error["code"]) == (503, "engine_stopped")
        assert (up.ask("/health").status, up.ask("/ready").status) == (503, 503)


def test_steps_that_all_fail_are_told_until_one_succeeds(model: Path) -> None:
    with live_server(model) as up:
        runner = up.runner
        execute, runner.execute = runner.execute, Mock(side_effect=RuntimeError("no device"))  # type: ignore[method-assign]
        for _ in range(8):
            assert up.ask("/v1/completions", BODY).status == 500
        health = up.ask("/health")
        assert (health.status, up.ask("/ready").status) == (503, 503)
        assert "steps failed" in health.json["status"]
        runner.execute = execute  # type: ignore[method-assign]
        assert up.ask("/v1/completions", BODY).status == 200
        assert (up.ask("/health").status, up.ask("/ready").status) == (200, 200)


def test_a_draining_server_ends_what_runs_and_takes_nothing_new(model: Path) -> None:
    with live_server(model) as up:
        replies: list[Any] = []

        def ask() -> None:
            replies.append(up.ask("/v1/completions", {**BODY, "max_tokens": 400}))

        thread = threading.Thread(target=ask)
        thread.start()
        eventually(lambda: up.live_requests() != [])
        up.on_loop(up.state.drain)
        refused = up.ask("/v1/completions", BODY)
        assert (refused.status, refused.error["code"]) == (503, "draining")
        assert (up.ask("/ready").status, up.ask("/health").status) == (503, 200)
        thread.join()
        assert replies[0].json["usage"]["completion_tokens"] == 400


def test_labels_are_escaped() -> None:
    page = PrometheusText("x:", {"model_name": 'a"b\\c\nd'})
    page.counter("things", "Things.", {"one": 1}, "kind")
    histogram = Histogram((0.5, 1.0))
    histogram.observe(0.7)
    page.histogram("seconds", "Time.", histogram)
    families = list(text_string_to_metric_families(page.text()))
    assert [family.type for family in families] == ["counter", "histogram"]
    assert families[0].samples[0].labels == {"model_name": 'a"b\\c\nd', "kind": "one"}
    assert [sample.value for sample in families[1].samples] == [0, 1, 1, 0.7, 1]


def test_an_idle_engine_is_healthy_however_long(server: LiveServer) -> None:
    progress = server.state.loaded.progress
    assert isinstance(progress, Progress)
    assert progress.standstill_s(1e9) == 0.0
