"""What must hold of what a router did: with each request, with retries, with replicas that were lost."""

import asyncio
from collections.abc import Iterator

from weft.cluster.cluster import Cluster
from weft.cluster.controllers import DRAINED_LATE
from weft.cluster.retry_budget import MOST_ATTEMPTS, RATIO
from weft.contracts.errors import InvariantViolation
from weft.contracts.events import Status
from weft.contracts.routing import Routed, Unrouted
from weft.measurement.campaign.backend import Backend
from weft.measurement.campaign.client import Client, Visit
from weft.measurement.campaign.history import History, Moves
from weft.measurement.campaign.world import World

SAVED_AT_FIRST = 10.0
"""Retries that a router may make before it has seen requests."""

Violations = Iterator[InvariantViolation]


def check_routes(
    world: World, cluster: Cluster, backend: Backend, clients: list[Client], history: History
) -> Violations:
    """All of it."""
    now_s = asyncio.get_running_loop().time()
    losses = [
        (time_s, name) for time_s, name, reason in cluster.losses if not reason.startswith(DRAINED_LATE)
    ]
    wanted = [(time_s, name) for time_s, name, reason in cluster.losses if reason.startswith(DRAINED_LATE)]
    visits, num_retries = [visit for client in clients for visit in client.visits], 0
    for visit in visits:
        yield from check_pairs(visit)
        yield from check_waits(world, visit, now_s)
        yield from check_refusal(visit, history)
        moves = [each for each in visit.moves if not _is_wanted(each, wanted)]
        refused, lost, failed = count_ends(moves, losses)
        if max(lost, failed) > MOST_ATTEMPTS:
            yield _violation(
                "tried_at_most", visit, f"{lost} times lost, {failed} failed; {visit.told_moves()}"
            )
        num_retries += refused + failed
    ended = sum(visit.end is not None and visit.end.status is Status.FAILED for visit in visits)
    most = SAVED_AT_FIRST + RATIO * len(visits) + ended + sum(visit.is_refused for visit in visits)
    if num_retries > most:
        yield InvariantViolation(
            "retries_bounded", f"{num_retries} of {len(visits)} requests; at most {most}"
        )
    yield from _check_starts(world, cluster, backend)


def check_pairs(visit: Visit) -> Violations:
    """It is with one replica at a time, and goes nowhere from where it was refused but elsewhere."""
    moves = visit.moves
    for index, move in enumerate(moves):
        before = moves[index - 1] if index else None
        if isinstance(move, Routed):
            is_right = not isinstance(before, Routed)
            is_refused = isinstance(before, Unrouted) and before.status is Status.REJECTED
            if is_refused and before is not None and before.replica == move.replica:
                yield _violation("refusal_respected", visit, f"it went to {move.replica} once more")
        else:
            is_right = isinstance(before, Routed) and before.replica == move.replica
        if not is_right:
            yield _violation("routes_paired", visit, f"{type(move).__name__} at {move.time_s:.6f} s")
    if moves and isinstance(moves[-1], Routed):
        yield _violation("routes_paired", visit, f"it is still with {moves[-1].replica}")


def check_waits(world: World, visit: Visit, now_s: float) -> Violations:
    """It waits for a replica as long as the router's patience lasts, and is told so when the next heartbeat is due."""
    over_s = visit.end.time_s if visit.end is not None else visit.left_s if visit.has_left else now_s
    if visit.is_refused:
        return
    for index, move in enumerate(visit.moves):
        until_s = visit.moves[index + 1].time_s if index + 1 < len(visit.moves) else over_s
        waited_s = until_s - move.time_s
        most_s = world.timing.patience_s + 2.0 * world.timing.heartbeat_s
        if isinstance(move, Unrouted) and waited_s > most_s:
            yield _violation(
                "waits_at_most", visit, f"{waited_s:.3f} s from {move.time_s:.6f} s; at most {most_s:g} s"
            )


def check_refusal(visit: Visit, history: History) -> Violations:
    """It is refused for want of room only where no replica is left to be asked, or enough were."""
    refused = [each for each in visit.moves if isinstance(each, Unrouted) and each.status is Status.REJECTED]
    if visit.unasked and len(refused) < MOST_ATTEMPTS and not history.is_exhausted:
        yield _violation("others_asked", visit, f"{visit.unasked} took requests: {visit.refusal}")


def _is_wanted(move: Routed | Unrouted, wanted: list[tuple[float, str]]) -> bool:
    """Whether its replica was killed on purpose, which does not count against a request."""
    return isinstance(move, Unrouted) and (move.time_s, move.replica) in wanted


def count_ends(moves: Moves, losses: list[tuple[float, str]]) -> tuple[int, int, int]:
    """How often it was refused, lost with a replica, and failed at one."""
    parted = [each for each in moves if isinstance(each, Unrouted)]
    refused = sum(each.status is Status.REJECTED for each in parted)
    failed = [each for each in parted if each.status is Status.FAILED]
    lost = sum((each.time_s, each.replica) in losses for each in failed)
    return refused, lost, len(failed) - lost


def _check_starts(world: World, cluster: Cluster, backend: Backend) -> Violations:
    """Who was lost is given a pause."""
    for time_s, name, reason in cluster.losses:
        is_own = "could not be started" in reason  # a start at this very moment is the one that failed
        starts_s = [start_s for start_s, started in backend.starts if started == name]
        later = [each for each in starts_s if each > time_s or (each == time_s and not is_own)]
        if later and later[0] < time_s + min(world.timing.restart_s, world.timing.most_restart_s) - 1e-9:
            detail = f"{name} was lost at {time_s:.6f} s ({reason}) and started at {later[0]:.6f} s"
            yield InvariantViolation("restarts_paused", detail)


def _violation(name: str, visit: Visit, detail: str) -> InvariantViolation:
    return InvariantViolation(name, f"{visit.request.request_id}: {detail:.1000}")
