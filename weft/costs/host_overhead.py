"""Seconds per step in which the host keeps the devices waiting, by kind of server.

From Hugging Face, "Unlocking asynchronicity in continuous batching" (14 May 2026): 32 sequences of 8K (8,192) tokens
from a model of 8 B parameters on one GPU took 300.6 s, of which the GPU was idle for 24.0 %, where preparation and
computation took turns, and 234.5 s, of which it was idle for 0.6 %, where they overlapped. Idle time is divided
by 8,192 steps. A profile of a real server replaces these.
"""

from weft.contracts.errors import ConfigurationError

HOST_OVERHEAD_S: dict[str, float] = {
    "none": 0.0,
    "overlapped": 234.5 * 0.006 / 8192,
    "synchronous": 300.6 * 0.24 / 8192,
}
"""By kind: one that is free, one that prepares a step while another runs, one that takes turns with the device."""


def host_overhead_s(kind: str) -> float:
    """Of a kind of server; raises `ConfigurationError` for an unknown one."""
    if kind not in HOST_OVERHEAD_S:
        raise ConfigurationError(
            f"host overhead {kind!r} is unknown; choose from {', '.join(HOST_OVERHEAD_S)}"
        )
    return HOST_OVERHEAD_S[kind]
