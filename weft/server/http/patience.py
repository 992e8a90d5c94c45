"""How long a server waits for its clients, and for itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds. `shutdown_s`: for requests under way once the server is to stop. `send_s`: for a client to read some of
    what waits for it. `head_s`: for the rest of a request's head, from its first byte on. `idle_s`: for the next
    request on an open connection: as nginx, so that clients that reuse theirs seldom find them closed under one."""

    shutdown_s: float = 30.0
    send_s: float = 60.0
    head_s: float = 20.0
    idle_s: float = 75.0
