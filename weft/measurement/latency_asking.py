"""Chats with a server that watches itself: one alone, or a crowd."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from weft.measurement.latency_client import Reply, post
from weft.measurement.latency_process import WatchedServer
from weft.measurement.latency_trace import Mark, Trace

PATH = "/v1/chat/completions"

Body = Mapping[str, object]


def ask(server: WatchedServer, body: Body) -> Reply:
    """Unwatched."""
    return post(server.port, PATH, body)


def ask_watched(server: WatchedServer, body: Body) -> Trace:
    """While the server watches this request, and nothing before and after it."""
    server.watch(True)
    reply = ask(server, body)
    spans = server.take()
    server.watch(False)
    return Trace(reply.sent_s, reply.first_s, reply.ended_s, spans)


class Crowd(NamedTuple):
    """Requests of clients who each ask one after the other: from the first that was sent to the last byte, and how long
    the model worked meanwhile."""

    num_requests: int
    wall_s: float
    model_s: float


def ask_together(server: WatchedServer, bodies: Sequence[Body], num_clients: int) -> Crowd:
    """All of them."""
    server.watch(True)
    with ThreadPoolExecutor(num_clients) as clients:
        replies = list(clients.map(lambda body: ask(server, body), bodies))
    model_s = sum(span.end_s - span.begin_s for span in server.take() if span.name == Mark.MODEL)
    server.watch(False)
    wall_s = max(each.ended_s for each in replies) - min(each.sent_s for each in replies)
    return Crowd(len(replies), wall_s, model_s)
