"""What /metrics tells of replicas: by the router's books, and by what they told with their last heartbeats."""

from weft.cluster.member import Phase
from weft.llm.cluster_llm import ClusterLLM
from weft.server.health.prometheus_text import PrometheusText


def write_cluster(page: PrometheusText, llm: ClusterLLM) -> None:
    """Of all replicas together, then of each."""
    _write_all(page, llm)
    members = llm.members
    outstanding = {each.name: each.books.num_outstanding for each in members}
    page.gauges("replica_requests", "Requests that a replica has.", outstanding, "replica")
    up = {each.name: int(each.phase is Phase.UP) for each in members}
    page.gauges("replica_up", "Whether a replica takes requests.", up, "replica")
    losses = {each.name: each.num_losses for each in members}
    page.counter("replica_losses", "How often a replica was lost.", losses, "replica")
    page.counter("generation_tokens", "Output tokens that clients were told.", {"": llm.num_output_tokens})


def _write_all(page: PrometheusText, llm: ClusterLLM) -> None:
    reports = [each.books.report for each in llm.members if each.books.report is not None]
    page.gauge("replicas", "Replicas that are to run.", llm.num_replicas)
    running, waiting = sum(each.num_running for each in reports), sum(each.num_waiting for each in reports)
    page.gauge("num_requests_running", "Sequences that run, by the last heartbeats.", running)
    page.gauge("num_requests_waiting", "Sequences that wait, by the last heartbeats.", waiting)
    used, there = sum(each.used_blocks for each in reports), sum(each.num_blocks for each in reports)
    usage = used / there if there else 0.0
    page.gauge("kv_cache_usage_perc", "Blocks of the key-value caches in use; 1 means all.", usage)
