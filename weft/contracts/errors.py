"""Errors that users, policies and invariants raise."""


class WeftError(Exception):
    """A mistake somebody can mend: the message names what was wrong, the value, and what to do."""


class ConfigurationError(WeftError):
    """An engine, pool or policy was configured with a value that cannot work."""


class InvalidRequest(WeftError):
    """A request carries a value that no engine could serve."""


class RequestRejected(WeftError):
    """A request was refused at the door.

    `retry_after_s` is the estimated time in seconds until the same request would be let in, or None
    where waiting would not help.
    """

    def __init__(self, request_id: str, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"request {request_id!r} rejected: {reason}")
        self.request_id = request_id
        self.reason = reason
        self.retry_after_s = retry_after_s


class Unavailable(RequestRejected):
    """A request was refused because nobody is there to serve it now."""


class EngineStopped(WeftError):
    """An engine had defects that it could not get over, and serves no more. The message names the last."""


class ConnectionLost(WeftError):
    """What one actor was moving to another will not arrive: one of them, or the way between them, is gone."""

    def __init__(self, source: str, target: str, reason: str) -> None:
        super().__init__(f"the connection from {source!r} to {target!r} is lost: {reason}")
        self.source = source
        self.target = target


class StartFailed(WeftError):
    """An actor could not be started on a node, or that was lost before the actor was ready."""

    def __init__(self, actor: str, node: str, reason: str) -> None:
        super().__init__(f"actor {actor!r} did not start on node {node!r}: {reason}")
        self.actor = actor
        self.node = node


class PolicyError(WeftError):
    """A policy raised, or decided something impossible. Names the policy and, where one is hit, the request."""

    def __init__(self, policy: str, problem: str, request_id: str | None = None) -> None:
        about = f" (request {request_id!r})" if request_id is not None else ""
        super().__init__(f"policy {policy!r}{about}: {problem}")
        self.policy = policy
        self.request_id = request_id


class InvariantViolation(AssertionError):
    """Something that must always hold does not: a defect of Weft itself, never of its input.

    `name` is stable and short (`blocks_conserved`); tests and fault campaigns count by it.
    """

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"[{name}] {detail}")
        self.name = name
