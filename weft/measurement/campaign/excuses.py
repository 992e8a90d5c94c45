"""Whether what befell a request excuses that it failed."""

from weft.cluster.retry_budget import MOST_ATTEMPTS
from weft.contracts.events import Status
from weft.contracts.routing import Unrouted
from weft.measurement.campaign.client import Visit
from weft.measurement.campaign.history import History
from weft.measurement.campaign.settling import settled_s
from weft.measurement.campaign.suspects import may_fail
from weft.measurement.campaign.world import World

NEVER_FITS = "shorten the prompt or lower max_tokens"
"""What an engine says to a request that it could never serve."""

CANNOT_GO_ON = "cannot go on: "
"""What an engine says to a request whose outputs so far are not of that request."""


def unexcused(world: World, visit: Visit, history: History) -> str:
    """Why a request that failed should not have; empty where it had a reason to."""
    assert visit.end is not None
    if visit.asked_s >= settled_s(world) and world.mode == "safety":
        return "it came when all was well"
    reason, parted = visit.end.reason, [each for each in visit.moves if isinstance(each, Unrouted)]
    num_failed = sum(each.status is Status.FAILED for each in parted)
    if "replicas were lost with it" in reason:
        return "" if num_failed >= MOST_ATTEMPTS else f"{num_failed} were"
    if "no replica took it" in reason:
        return _is_impatient(world, visit.end.time_s, parted[-1].time_s, history)
    if CANNOT_GO_ON in reason:
        return "an engine was told of outputs that cannot be"
    if NEVER_FITS in reason and len(parted) > 1:
        return ""  # it was lost before it could be told so
    if not any(each.replica in may_fail(world) for each in parted):
        return "nothing failed where it was"
    if num_failed < MOST_ATTEMPTS and not history.is_exhausted and parted[-1].status is Status.FAILED:
        return f"it was tried {num_failed} times, and retries were left"
    return ""


def _is_impatient(world: World, end_s: float, since_s: float, history: History) -> str:
    """A replica that came up would have taken it at once."""
    if end_s - since_s < world.timing.patience_s:
        return f"it waited from {since_s} s"
    missed = [each for each in history.joined_s if since_s < each < end_s]
    return f"a replica came up at {missed[0]} s" if missed else ""
