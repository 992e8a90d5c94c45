"""What a server adds to the devices' time, by kind of server.

At most three numbers each, shared by all models and devices, fitted to recorded runs by `tools/fit_servers.py`; what
they are worth on other runs is in docs/validation.md. Weft's own server has, until it was measured on such devices,
what Hugging Face, "Unlocking asynchronicity in continuous batching" (14 May 2026) tells of a loop that prepares a step
while another one runs: 32 sequences of 8K (8,192) tokens from a model of 8 B parameters on one GPU took 234.5 s, of
which the GPU was idle for 0.6 %. Idle time is divided by 8,192 steps.
"""

from dataclasses import dataclass
from math import inf

from weft.contracts.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class ServerConstants:
    """A step of n sequences takes `step_s + n * sequence_s` in which all devices wait for the host, and `slack` times
    what its kernels take one after the other.

    `source`: where the numbers are from. `relative_error`: with them and profiled kernels, how far from predicted
    latencies four fifths of what was measured lay at most, as a share; None where that was not looked at.
    """

    step_s: float = 0.0
    sequence_s: float = 0.0
    slack: float = 1.0
    source: str = ""
    relative_error: float | None = None

    def __post_init__(self) -> None:
        for name, least in (("step_s", 0.0), ("sequence_s", 0.0), ("slack", 0.0)):
            value = getattr(self, name)
            if not least <= value < inf:
                raise ConfigurationError(f"{name} is {value}; it must be at least {least:g}")

    def host_s(self, num_sequences: int) -> float:
        """How long the devices wait in a step."""
        return self.step_s + self.sequence_s * num_sequences


FREE = ServerConstants(source="nothing but the devices")
_STEPS = "inference-sim/inference-sim (steps on H100)"
_POINTS = "ai-dynamo/aiconfigurator (silicon data)"

SERVERS: dict[str, ServerConstants] = {
    "none": FREE,
    "vllm": ServerConstants(
        step_s=0.645e-3,
        sequence_s=10.9e-6,
        slack=1.03,
        source=f"fitted to a third of {_STEPS} and {_POINTS}",
        relative_error=0.33,
    ),
    "sglang": ServerConstants(
        step_s=0.617e-3, sequence_s=27.2e-6, slack=0.977, source=f"fitted to 24 of {_POINTS}"
    ),
    "trtllm": ServerConstants(
        step_s=0.627e-3, sequence_s=31.4e-6, slack=0.997, source=f"fitted to 117 of {_POINTS}"
    ),
    "weft": ServerConstants(
        step_s=234.5 * 0.006 / 8192,
        source="Hugging Face, Unlocking asynchronicity in continuous batching (14 May 2026), overlapped",
    ),
}
"""By name, as `--server` takes it; `none` is free."""


def find_server(name: str) -> ServerConstants:
    """By name; raises `ConfigurationError` for an unknown one."""
    if name not in SERVERS:
        raise ConfigurationError(f"server {name!r} is unknown; choose from {', '.join(SERVERS)}")
    return SERVERS[name]
