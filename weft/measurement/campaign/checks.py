"""What must hold of a world when all is over."""

import asyncio
from collections.abc import Iterator
from math import inf

from weft.cluster.circuit_breaker import OPEN_S, State
from weft.cluster.cluster import Cluster
from weft.cluster.member import Phase
from weft.cluster.membership import MISBEHAVES
from weft.cluster.messages import Alive
from weft.contracts.errors import InvariantViolation
from weft.contracts.events import Status
from weft.measurement.campaign.backend import Backend
from weft.measurement.campaign.client import Client, Told, Visit
from weft.measurement.campaign.excuses import unexcused
from weft.measurement.campaign.faults import Restart
from weft.measurement.campaign.history import History
from weft.measurement.campaign.models import CampaignModel
from weft.measurement.campaign.route_checks import check_routes
from weft.measurement.campaign.settling import settled_s
from weft.measurement.campaign.suspects import hears_late, may_babble, may_be_lost
from weft.measurement.campaign.troubles import replica_name
from weft.measurement.campaign.world import World
from weft.simulator.virtual_time import running_agenda

UNSERVED = "no replica takes requests now"

MOST_TRIED_S = 2.0 * OPEN_S + 1.0
"""A replica that failed for less than two pauses of its breaker is tried again after so long."""

Violations = Iterator[InvariantViolation]


def check_texts(world: World, model: CampaignModel, visit: Visit) -> Violations:
    """What a client was told is what the model says to its request alone: all of it at the end, else a beginning."""
    is_whole = visit.end is not None and visit.end.status is Status.FINISHED
    if not is_whole and not any(told.tokens or told.logprobs for told in visit.told):
        return  # perhaps it asked for more than anybody could give it, alone or not
    num_tokens = 0
    for sample, told in enumerate(visit.told):
        alone = model.output(visit.request, sample)
        num_tokens += len(alone)
        if world.tells:
            yield from _check_output(visit, sample, told, alone, is_whole)
    if is_whole and visit.end is not None:
        if world.tells:
            num_tokens = sum(len(told.tokens) for told in visit.told)
        if visit.end.output_tokens != num_tokens:
            yield _violation("tokens_counted", visit, f"{num_tokens} tokens, and {visit.end}")
    if visit.request.sampling.logprobs is not None and world.tells:
        for sample, told in enumerate(visit.told):
            if told.logprobs != list(model.logprobs(visit.request, sample, tuple(told.tokens))):
                yield _violation("same_logprobs", visit, f"output {sample}: {told.logprobs}")


def _check_output(
    visit: Visit, sample: int, told: Told, alone: tuple[int, ...], is_whole: bool
) -> Violations:
    if is_whole and not told.has_ended:
        yield _violation("ends_whole", visit, f"output {sample} has not ended: {told.tokens}")
    expected = alone if (is_whole and not told.is_cut) else alone[: len(told.tokens)]
    if told.tokens != list(expected):
        yield _violation("same_text", visit, f"output {sample}: {told.tokens}, alone it is {alone}")


def check_ends(world: World, visit: Visit, visits: list[Visit], history: History) -> Violations:
    """It ended, and where it failed, it had a reason to."""
    if visit.is_refused and UNSERVED in visit.refusal and _must_serve(world, visit, visits):
        yield _violation("serves_again", visit, f"at {visit.asked_s:.6f} s: {visit.refusal}")
    if visit.has_left or visit.is_refused:
        return
    if visit.end is None:
        yield _violation("progress", visit, f"it never ended; {visit.told_moves()}")
    elif visit.end.status is Status.FAILED:
        problem = unexcused(world, visit, history)
        if problem:
            yield _violation(
                "fails_with_reason", visit, f"{problem}: {visit.end.reason}; {visit.told_moves()}"
            )


def _must_serve(world: World, visit: Visit, visits: list[Visit]) -> bool:
    """Whether all was well again when it came, also what waits longest before it tries anew. The last replica may be
    away because it is being restarted, and one that had failed is tried by one request only."""
    is_whole = world.num_replicas > 1 or not any(isinstance(each, Restart) for each in world.operations)
    late_s = max(settled_s(world), world.heals_at_s + MOST_TRIED_S)
    late = [each for each in visits if late_s < each.asked_s < visit.asked_s and not each.is_refused]
    has_tried = any(each.end is not None and each.end.time_s < visit.asked_s for each in late)
    return world.mode == "safety" and is_whole and visit.asked_s > late_s and (has_tried or not late)


def check_leaving(world: World, backend: Backend, clients: list[Client]) -> Violations:
    """What nobody wants any more is not worked on for long."""
    heard_s = (
        4.0 * world.latency_s
        + world.submit_bytes / 1e8
        + 2.0 * (world.engine.depth + 2) * world.engine.step_s
    )
    unwanted = {
        client.visits[0].request.request_id: client.visits[0].unwanted_s
        for client in clients
        if len(client.visits) == 1
    }
    if hears_late(world):
        return
    for replica in backend.made.values():
        for end in replica.ends:
            if end.status is Status.FINISHED and end.time_s > unwanted.get(end.request_id, inf) + heard_s:
                yield InvariantViolation(
                    "leaving_heard", f"{end}, and it is unwanted since {unwanted[end.request_id]} s"
                )


def check_losses(world: World, cluster: Cluster) -> Violations:
    """Who was lost had a fault, or took too long to drain."""
    excused, babblers = may_be_lost(world), may_babble(world)
    for time_s, name, reason in cluster.losses:
        if name not in (babblers if reason.startswith(MISBEHAVES) else excused) and "drained" not in reason:
            yield InvariantViolation("lost_for_a_reason", f"{name} at {time_s:.6f} s: {reason}")


def check_up(world: World, cluster: Cluster) -> Violations:
    """In safety mode all replicas are up at the end; in liveness mode the core never was away."""
    for name, member in cluster.router.membership.members.items():
        is_due = world.mode == "safety" or name == replica_name(world.core)
        if is_due and member.phase is not Phase.UP:
            yield InvariantViolation("comes_back", f"{name} is {member.phase.value} at the end")


def check_books(world: World, cluster: Cluster, backend: Backend) -> Violations:
    """Nothing is open, owed or held any more."""
    router = cluster.router
    if router.num_open or router.num_stranded:
        yield InvariantViolation(
            "nothing_open", f"{router.num_open} requests, {router.num_stranded} without replica"
        )
    for name, member in router.membership.members.items():
        books = member.books
        if books.num_outstanding or books.prompt_tokens or member.requests:
            detail = f"{name}: {books.num_outstanding}, {books.prompt_tokens} tokens, {[*member.requests]}"
            yield InvariantViolation("books_balance", detail)
        if member.breaker.state is State.HALF_OPEN and not member.requests:
            yield InvariantViolation("tried_again", f"{name} is half open, and no request tries it")
        if member.phase is Phase.UP and (world.mode == "safety" or name == replica_name(world.core)):
            yield from _check_pair(name, cluster, backend)


def _check_pair(name: str, cluster: Cluster, backend: Backend) -> Violations:
    """A router and a replica that hear each other have nothing left to say, but that they live."""
    link, replica = cluster.router.membership.members[name].link, backend.living().get(name)
    if link is None or replica is None:
        yield InvariantViolation("comes_back", f"{name} is up, and not there")
        return
    unsaid = [each for each in link.unacknowledged() if not isinstance(each, Alive)]
    if unsaid or link.num_early:
        yield InvariantViolation("links_empty", f"{name}: {unsaid}, {link.num_early} early")
    try:
        replica.check_idle()
    except InvariantViolation as violation:
        yield violation


def check_clients(
    world: World,
    cluster: Cluster,
    backend: Backend,
    clients: list[Client],
    history: History,
) -> Violations:
    """All that concerns clients, and why replicas were lost."""
    visits = [visit for client in clients for visit in client.visits]
    for client in clients:
        yield from client.violations()
        for visit in client.visits:
            yield from check_ends(world, visit, visits, history)
            yield from check_texts(world, backend.model, visit)
    yield from check_leaving(world, backend, clients)
    yield from check_losses(world, cluster)
    yield from check_routes(world, cluster, backend, clients, history)


def check_nothing_left() -> Violations:
    """After a cluster was closed, no task is left, and no timer of it or of its engines."""
    tasks = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    if tasks:
        yield InvariantViolation("nothing_left_over", f"tasks {sorted(tasks)}")
    timers = [_module_of(handle.callback) for handle in running_agenda().pending()]
    ours = [module for module in timers if module.startswith(("weft.cluster", "weft.engine"))]
    if ours:
        yield InvariantViolation("nothing_left_over", f"timers of {ours}")


def _module_of(callback: object) -> str:
    return getattr(callback, "__module__", None) or type(getattr(callback, "__self__", None)).__module__


def _violation(name: str, visit: Visit, detail: str) -> InvariantViolation:
    return InvariantViolation(name, f"{visit.request.request_id}: {detail:.1000}")
