"""/metrics: the engine's metrics under vLLM's names, so that its dashboards fit."""

from collections.abc import Mapping

from weft.llm.cluster_llm import ClusterLLM
from weft.llm.language_model import LanguageModel
from weft.observation.metrics import EngineMetrics
from weft.server.health.cluster_metrics import write_cluster
from weft.server.health.prometheus_text import PrometheusText

PREFIX = "weft:"
FINISH_REASONS = ("stop", "length")
SEEN_BY_CLIENTS = {
    "time_to_first_token_seconds": "Arrival to the first output token.",
    "e2e_request_latency_seconds": "Arrival to the end, of finished requests.",
}
HISTOGRAMS = SEEN_BY_CLIENTS | {
    "inter_token_latency_seconds": "Between output tokens of a sequence.",
    "request_queue_time_seconds": "Arrival to the first step.",
    "step_seconds": "Planning a step to its result.",
}


def metrics_page(metrics: EngineMetrics, llm: LanguageModel, model_name: str) -> str:
    """The page, from what was folded so far."""
    page = PrometheusText(PREFIX, {"model_name": model_name})
    if isinstance(llm, ClusterLLM):
        write_cluster(page, llm)
        _histograms(page, metrics, SEEN_BY_CLIENTS)
    else:
        _gauges(page, metrics, llm)
        _histograms(page, metrics, HISTOGRAMS)
        _counters(page, metrics)
    _ends(page, metrics)
    return page.text()


def _gauges(page: PrometheusText, metrics: EngineMetrics, llm: LanguageModel) -> None:
    num_blocks = sum(llm.serving.config.num_blocks.values())
    used = metrics.kv_cache_blocks_used.value if metrics.num_unfinished else 0
    page.gauge(
        "num_requests_running", "Sequences that run, as of the last step.", metrics.num_requests_running.value
    )
    page.gauge(
        "num_requests_waiting",
        "Sequences that wait, as of the last step.",
        metrics.num_requests_waiting.value,
    )
    page.gauge("kv_cache_usage_perc", "Blocks of the key-value cache in use; 1 means all.", used / num_blocks)


def _histograms(page: PrometheusText, metrics: EngineMetrics, meanings: Mapping[str, str]) -> None:
    for name, meaning in meanings.items():
        page.histogram(name, meaning, getattr(metrics, name))


def _counters(page: PrometheusText, metrics: EngineMetrics) -> None:
    for name, meaning in (
        ("prefix_cache_queries", "Prompt tokens looked up in the prefix cache."),
        ("prefix_cache_hits", "Prompt tokens found in the prefix cache."),
        ("num_preemptions", "Sequences that had to give up their place."),
        ("preempted_seconds", "Time that sequences spent without the place they had to give up."),
        ("prompt_tokens", "Prompt tokens of requests that have output."),
        ("generation_tokens", "Output tokens."),
    ):
        page.counter(name, meaning, {"": getattr(metrics, name).value})


def _ends(page: PrometheusText, metrics: EngineMetrics) -> None:
    success = dict.fromkeys(FINISH_REASONS, 0) | metrics.request_success.by_label
    page.counter("request_success", "Requests that finished, by reason.", success, "finished_reason")
    for name, meaning in (
        ("requests_cancelled", "Requests whose client left."),
        ("requests_rejected", "Requests refused because too much waits."),
        ("requests_failed", "Requests that the engine could not finish."),
    ):
        page.counter(name, meaning, {"": getattr(metrics, name).value})
